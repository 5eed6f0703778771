"""Pictures by OpenCV's area filter: as the libraries make them, and the same from changed parts alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from helpers.geometry import HEIGHTS, SCREEN, preprocessing, written
from hypothesis import given, settings
from hypothesis import strategies as st
from searchlight.agents import preprocessings
from searchlight.agents.preprocessings._filter import Axis
from searchlight.errors import SearchlightError
from searchlight.store.zarr import load

SIZES = (84, 80, 64, 42, 96, 128, 21, 160)
WIDTH = SCREEN[1]


def by_sb3(frame: np.ndarray, size: int) -> np.ndarray:
    frame = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA)


def by_cleanrl(frame: np.ndarray, size: int) -> np.ndarray:
    frame = cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def by_gymnasium(frame: np.ndarray, size: int) -> np.ndarray:
    # The emulator's grey: weights of ITU-R BT.601 in 15 bits, as OpenCV's.
    grey = (frame.astype(np.int64) @ [9798, 19235, 3735] + 2**14) // 2**15
    return cv2.resize(grey.astype(np.uint8), (size, size), interpolation=cv2.INTER_AREA)


PLAINLY: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "sb3": by_sb3,
    "cleanrl": by_cleanrl,
    "gymnasium": by_gymnasium,
}


def screens_of(rng: np.random.Generator, count: int, height: int, like_games: bool) -> np.ndarray:
    """Return screens: noise, or a background with rectangles of a few colours as games draw them."""
    if not like_games:
        return rng.integers(0, 256, (count, height, WIDTH, 3)).astype(np.uint8)
    colours = rng.integers(0, 256, (6, 3)).astype(np.uint8)
    screens = np.empty((count, height, WIDTH, 3), np.uint8)
    screens[:] = colours[0]
    for screen in screens:
        for _ in range(30):
            top, left = rng.integers(height), rng.integers(WIDTH)
            screen[top : top + rng.integers(1, 20), left : left + rng.integers(1, 30)] = colours[rng.integers(6)]
    return screens


class Case(NamedTuple):
    """Screens of one observation, and parts of them that are changed.

    Attributes:
        name: of the preprocessing.
        arguments: of the preprocessing.
        screens: (picture, H, W, 3) uint8.
        boxes: (n, 4) boxes of the observation, all of one size.
        pictures: number of newest pictures that are changed.
        seed: of the changed pixels.
    """

    name: str
    arguments: dict[str, Any]
    screens: np.ndarray
    boxes: np.ndarray
    pictures: int
    seed: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    size, stack = draw(st.sampled_from(SIZES)), draw(st.integers(1, 5))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    count = draw(st.integers(1, stack))
    screens = screens_of(rng, count, draw(st.sampled_from(HEIGHTS)), draw(st.booleans()))
    extent = np.array([draw(st.integers(1, size if draw(st.booleans()) else 8)) for _ in range(2)])
    corners = rng.integers(0, size - extent + 1, (draw(st.integers(1, 7)), 2))
    if draw(st.booleans()):
        corners[0], corners[-1] = 0, size - extent
    boxes = np.stack([corners, corners + extent], axis=2).reshape(-1, 4)
    arguments = {"size": size, "stack": stack, "padding": "zeros"}
    return Case(draw(st.sampled_from(sorted(PLAINLY))), arguments, screens, boxes, draw(st.integers(1, count)), seed)


@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_changed_parts_give_what_whole_changed_screens_give(case: Case) -> None:
    made = preprocessing({case.name: case.arguments}, case.screens.shape[1])
    places, rng = made.needed(case.boxes), np.random.default_rng(case.seed)
    height, width = (places[0, 1::2] - places[0, ::2]).tolist()
    parts = rng.integers(0, 256, (len(places), height, width, case.pictures, 3)).astype(np.uint8)
    wholes = []
    for (top, bottom, left, right), (above, below, before, after), part in zip(places, case.boxes, parts, strict=True):
        changed = case.screens.copy()
        seen = changed[-case.pictures :, top:bottom, left:right].transpose(1, 2, 0, 3)
        # Only pixels that reach no observed pixel outside of the box may change.
        rows, columns = np.arange(top, bottom), np.arange(left, right)
        down = made.reached(np.stack([rows, rows + 1, 0 * rows, 0 * rows + 1], axis=1))
        across = made.reached(np.stack([0 * columns, 0 * columns + 1, columns, columns + 1], axis=1))
        rows = (down[:, 0] >= above) & (down[:, 1] <= below)
        columns = (across[:, 2] >= before) & (across[:, 3] <= after)
        part[:] = np.where((rows[:, None] & columns)[:, :, None, None], part, seen)
        seen[:] = part
        wholes.append(made.prepare(changed).observation)
    (found,) = made.prepare(case.screens).changed(parts, case.boxes[:, ::2])
    assert not found.everywhere
    assert found.values.shape == (len(parts), *(case.boxes[0, 1::2] - case.boxes[0, ::2]), case.pictures)
    for member, observation in written(found).items():
        np.testing.assert_array_equal(observation, wholes[member])


@pytest.mark.parametrize("name", PLAINLY)
@settings(max_examples=40, deadline=None)
@given(
    height=st.sampled_from(HEIGHTS), size=st.sampled_from(SIZES), like_games=st.booleans(), seed=st.integers(0, 2**16)
)
def test_pictures_are_those_of_the_libraries(name: str, height: int, size: int, like_games: bool, seed: int) -> None:
    (screen,) = screens_of(np.random.default_rng(seed), 1, height, like_games)
    picture = preprocessing({name: {"size": size}}, height).picture(screen)
    assert (picture.dtype, picture.shape) == (np.float32, (size, size, 1))
    np.testing.assert_array_equal(picture[:, :, 0], PLAINLY[name](screen, size).astype(np.float32) / np.float32(255))


def test_pictures_of_a_game_are_those_of_stable_baselines3(episode_path: Path) -> None:
    import gymnasium
    from stable_baselines3.common.atari_wrappers import WarpFrame

    class Screens(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(0, 255, (*SCREEN, 3), np.uint8)

    theirs, ours = WarpFrame(Screens()), preprocessing("sb3")
    with load(episode_path) as episode:
        for screen in episode.read("frame", slice(0, 30)):
            expected = theirs.observation(screen).astype(np.float32) / np.float32(255)
            np.testing.assert_array_equal(ours.picture(screen), expected)


def test_libraries_differ_by_rounding_alone(episode_path: Path) -> None:
    with load(episode_path) as episode:
        (screen,) = episode.read("frame", slice(40, 41))
    sb3, cleanrl, gymnasium = (255 * preprocessing(name).picture(screen) for name in PLAINLY)
    assert 0 < np.abs(sb3 - cleanrl).max() < 1.5
    np.testing.assert_array_equal(sb3, gymnasium)


def test_defaults_are_those_of_the_libraries() -> None:
    for name, padding in (("sb3", "zeros"), ("cleanrl", "first"), ("gymnasium", "first")):
        made = preprocessing(name)
        assert (made.shape, made.channels, made.stack, made.padding) == ((84, 84), 1, 4, padding)


def test_stack_is_oldest_first_and_zeros_before_it_began() -> None:
    screens = screens_of(np.random.default_rng(0), 2, SCREEN[0], like_games=True)
    made = preprocessing("sb3")
    observation = made.prepare(screens).observation
    assert observation.shape == (84, 84, 4)
    assert not observation[:, :, :2].any()
    for place, screen in enumerate(screens):
        np.testing.assert_array_equal(observation[:, :, 2 + place], made.picture(screen)[:, :, 0])
    assert made.decisions(11, begun=10) == [10, 11]
    assert preprocessing("cleanrl").decisions(11, begun=10) == [10, 10, 10, 11]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), height=st.sampled_from(HEIGHTS), size=st.sampled_from(SIZES))
def test_boxes_of_equal_size_need_boxes_of_equal_size_that_hold_all_they_are_made_from(
    data: st.DataObject, height: int, size: int
) -> None:
    made, extent = preprocessing({"sb3": {"size": size}}, height), data.draw(st.integers(1, size))
    first = np.arange(size - extent + 1)
    boxes = np.stack([first, first + extent, first, first + extent], axis=1)
    needed = made.needed(boxes)
    assert len(np.unique(needed[:, 1::2] - needed[:, ::2], axis=0)) == 1
    assert needed.min() >= 0
    assert (needed.max(axis=0) <= [height, height, WIDTH, WIDTH]).all()
    ratio = np.array([height, height, WIDTH, WIDTH]) / size
    margins = (needed - boxes * ratio) * [1, -1, 1, -1]
    assert margins.max() < 1e-2
    # Little more than that is needed: two pixels for the phases of the filter.
    assert (needed[:, 1::2] - needed[:, ::2] <= np.ceil(extent * ratio[::2]) + 1).all()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), height=st.sampled_from(HEIGHTS), size=st.sampled_from(SIZES))
def test_reached_box_holds_all_pixels_that_change_and_no_more(data: st.DataObject, height: int, size: int) -> None:
    made = preprocessing({"cleanrl": {"size": size}}, height)
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, WIDTH - 1))
    box = [top, data.draw(st.integers(top + 1, height)), left, data.draw(st.integers(left + 1, WIDTH))]
    screen = np.full((height, WIDTH, 3), 20, np.uint8)
    changed = screen.copy()
    changed[box[0] : box[1], box[2] : box[3]] = 255
    differs = (made.picture(screen) != made.picture(changed))[:, :, 0]
    ((up, down, first, last),) = made.reached(np.array([box])).tolist()
    # Rows and columns of which a part is covered.
    assert (up, down) == (box[0] * size // height, -(-box[1] * size // height))
    assert (first, last) == (box[2] * size // WIDTH, -(-box[3] * size // WIDTH))
    assert differs.sum() == differs[up:down, first:last].sum()
    # At its border, a change may be too small for another level.
    assert differs[up + 1 : down - 1, first + 1 : last - 1].all()
    assert made.reached(np.zeros((1, 4), np.int64)).tolist() == [[0, 0, 0, 0]]


def test_centres_are_where_observed_pixels_lie() -> None:
    made = preprocessing({"sb3": {"size": 64}}, 230)
    for axis, positions in enumerate(made.centres()):
        ramp = np.arange(made.screen[axis], dtype=np.uint8)
        screen = np.empty((*made.screen, 3), np.uint8)
        screen[:] = ramp[:, None, None] if axis == 0 else ramp[:, None]
        seen = 255 * made.picture(screen)[:, :, 0].astype(np.float64)
        np.testing.assert_allclose(seen[:, 0] if axis == 0 else seen[0], positions, atol=0.51)


@pytest.mark.parametrize(("screen", "size"), [((220, 160), 20), ((240, 160), 80), ((160, 160), 160), ((210, 100), 101)])
def test_sizes_that_opencv_does_not_filter_so_are_one_line(screen: tuple[int, int], size: int) -> None:
    from searchlight.agents.preprocessings._area import Area, AreaArguments

    arguments = AreaArguments.model_construct(size=size, stack=4, padding="first")
    with pytest.raises(SearchlightError, match=rf"^found size {size} for screens of {screen[0]}x{screen[1]} pixels, "):
        Area(screen, arguments, grey_first=True)


def test_error_of_size_names_the_key() -> None:
    with pytest.raises(SearchlightError, match=r"^agents.mine.preprocessing: found size 80 for screens of 240x160"):
        preprocessings.build({"sb3": {"size": 80}}, (240, 160), "agents.mine.preprocessing")


def test_weights_of_an_axis_are_the_covered_shares() -> None:
    axis = Axis(5, 2)
    np.testing.assert_allclose(axis.weights, [[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]], rtol=1e-6)
    assert (axis.starts.tolist(), axis.ends.tolist(), axis.spans.tolist()) == ([0, 2], [3, 5], [0, 3, 5])
