"""Shares of saliency on objects: regions against plain restatements, and maps of which the answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers.objects import Toy, of_method, region, scene_of, shown, stored
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter
from searchlight.agents import preprocessings
from searchlight.errors import SearchlightError
from searchlight.measures import objects
from searchlight.measures._regions import ALL, Regions, game_of_episode, hit, share
from searchlight.measures.games import objects_of
from searchlight.saliency.single_maps import Maps
from searchlight.store.zarr import Reader, load

FRAMES = range(50)
SCREEN = (210, 160)
BALL, PADDLE, BRICKS = objects_of("breakout")


@pytest.fixture(scope="module")
def episode(episode_path: Path) -> Iterator[Reader]:
    with load(episode_path) as opened:
        yield opened


class Short:
    """An episode of three decisions, in which the ball goes down to the right, and the paddle to the right."""

    def __init__(self) -> None:
        self.attributes = {"environment_settings": {"game": "breakout"}}
        self.arrays = {name: np.zeros((3, 128), np.uint8) for name in ("ram_before", "ram")}
        for raw, name in enumerate(self.arrays):
            for decision, ram in enumerate(self.arrays[name]):
                number = 2 * decision + raw
                ram[[99, 101, 72, 108]] = 100 + 7 * number, 90 + 5 * number, 80 + 9 * number, 8
        self.arrays["stack_begun"] = np.array([0, 1, 1])

    def names(self) -> list[str]:
        return list(self.arrays)

    def read(self, name: str) -> np.ndarray:
        return self.arrays[name]


def regions_of(episode: Any, preprocessing: Any) -> Regions:
    prepared = preprocessings.build(preprocessing, SCREEN)
    scene: Any = SimpleNamespace(episode=episode, recorded=SimpleNamespace(preprocessing=prepared), key="clips.demo")
    return Regions(scene, "objects")


@pytest.mark.parametrize("margin", [0, 4])
@pytest.mark.parametrize("preprocessing", ["cv2", "sb3", {"gymnasium": {"size": 100}}])
def test_region_is_the_union_over_raw_frames_and_the_stack(preprocessing: Any, margin: int) -> None:
    short = Short()
    regions = regions_of(short, preprocessing)
    # The stack of decision 2 was begun at decision 1.
    decisions = [2] if preprocessing == "cv2" else [1, 2]
    rams = np.concatenate([short.arrays[name][decisions] for name in ("ram_before", "ram")])
    top, bottom, left, right = regions.preprocessing.seen
    for one in (BALL, PADDLE):
        expected = maximum_filter(region(one, rams, SCREEN), 2 * margin + 1)
        expected[:top] = expected[bottom:] = expected[:, :left] = expected[:, right:] = False
        found = regions.region(one, 2, margin, "screen")
        np.testing.assert_array_equal(found, expected)
        # A white region on a black screen shows in the observation where any of its pixels does.
        picture = regions.preprocessing.picture(np.repeat(255 * expected[:, :, None], 3, axis=2).astype(np.uint8))
        np.testing.assert_array_equal(regions.region(one, 2, margin, "observation"), picture[:, :, 0] > 0)


def test_what_the_agent_does_not_see_is_in_no_region() -> None:
    short = Short()
    short.arrays["ram"][:, 101] = short.arrays["ram_before"][:, 101] = 0
    short.arrays["ram"][2, 101] = 24  # rows 32 to 35, of which the last is seen
    regions = regions_of(short, "cv2")
    np.testing.assert_array_equal(np.argwhere(regions.region(BALL, 2, 0, "screen"))[:, 0], [35, 35])
    assert regions.newest(BALL, 2) == (35, short.arrays["ram"][2, 99] - 49, 1, 2)
    short.arrays["ram"][2, 101] = 23
    regions = regions_of(short, "cv2")
    assert not regions.region(BALL, 2, 4, "screen").any(), "its margin alone would be seen"
    assert not regions.region(BALL, 2, 4, "observation").any()
    assert regions.newest(BALL, 2) is None


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**25 - 1))
def test_uniform_map_has_the_share_of_the_area(height: int, width: int, bits: int) -> None:
    inside = np.array([bits >> index & 1 for index in range(height * width)], bool).reshape(height, width)
    expected = inside.mean() if inside.any() else np.nan
    uniform = np.full((height, width), 0.5, np.float32)
    np.testing.assert_allclose([share(uniform, inside), hit(uniform, inside)], expected)
    assert np.isnan([share(0 * uniform, inside), hit(0 * uniform, inside)]).all()


def test_hit_is_where_the_largest_value_is() -> None:
    image, left = np.array([[1, 3], [2, 0]], np.float32), np.array([[True, False], [True, False]])
    assert (hit(image, left), hit(image, ~left)) == (0, 1)
    assert share(image, left) == 0.5
    assert hit(np.array([[3, 3], [2, 0]], np.float32), left) == 0.5, "by chance one of both"


def of_clip_path(episode: Reader, tmp_path: Path) -> Path:
    measured = objects.of_clip(scene_of(episode, Toy(), FRAMES), objects.Arguments())
    return stored(measured, tmp_path / "of_clip", "objects")


@pytest.mark.parametrize("space", ["screen", "observation"])
def test_maps_on_the_ball_and_maps_that_are_the_same_everywhere(episode: Reader, tmp_path: Path, space: str) -> None:
    scene = scene_of(episode, Toy(), FRAMES)
    regions = Regions(scene, "objects")
    shape = SCREEN if space == "screen" else (80, 80)

    def on_the_ball(moment: Any) -> Maps:
        ball = regions.region(BALL, moment.decision, 0, space)
        # Signed; what lies outside of the seen part does not count.
        actor = -2 * ball.astype(np.float32)
        if space == "screen":
            actor[:10] = 9
        return Maps(actor, ball + 0.1)

    def everywhere(moment: Any) -> Maps:
        return Maps(np.ones(shape, np.float32), np.zeros(shape, np.float32))

    of_methods, notices = {}, {}
    for method, maps in {"ball": on_the_ball, "everywhere": everywhere}.items():
        measured = of_method(objects, scene, maps, space)
        notices[method] = measured.notices
        of_methods[method] = stored(measured, tmp_path / method, "objects", method=method)
    of_clip = of_clip_path(episode, tmp_path)
    rows = shown(objects, "objects", of_clip, of_methods, tmp_path / "picture.png")
    seen = int((episode.read("ram")[FRAMES.start : FRAMES.stop, 101] > 0).sum())
    assert 0 < seen < len(FRAMES)
    for row, value in {
        ("ball", "actor's share on ball"): 1,
        ("ball", "actor's hits on ball"): 1,
        ("ball", "critic's hits on ball"): 1,
        ("everywhere", "actor's density on ball"): 1,
        ("everywhere", "actor's density on bricks"): 1,
        (objects.UNIFORM, "critic's density on paddle"): 1,
    }.items():
        assert rows[row].value == pytest.approx(value), row
    assert rows["ball", "actor's hits on paddle"].value < 0.1, "they meet in few frames"
    for name in ("ball", "paddle", "bricks", ALL):
        ours = rows["everywhere", f"actor's share on {name}"]
        uniform = rows[objects.UNIFORM, f"actor's share on {name}"]
        # On the observation, a part of a pixel counts as the whole.
        assert ours.value == pytest.approx(uniform.value, rel=1e-6 if space == "screen" else 0.5)
        assert (ours.is_method, uniform.is_method) == (True, False)
        assert rows["everywhere", f"actor's hits on {name}"].value == pytest.approx(ours.value)
    assert rows["ball", "actor's share on ball"].frames == seen
    assert rows["everywhere", "actor's share on ball"].less == pytest.approx(uniform_less(rows))
    assert np.isnan(rows["everywhere", "critic's share on ball"].value)
    assert rows["everywhere", "critic's share on ball"].frames == 0
    assert notices["everywhere"] == ["the critic's map is zero in 50 of 50 frames, which are left out"]


def uniform_less(rows: dict[Any, Any]) -> float:
    return float(rows["everywhere", "actor's share on ball"].value - 1)


def test_boxes_and_presence_along_the_clip(episode: Reader, tmp_path: Path) -> None:
    rams, frames = episode.read("ram"), episode.read("frame")
    with load(of_clip_path(episode, tmp_path)) as store:
        boxes, present, area = (store.read(f"ball_{name}") for name in ("box", "present", "area"))
        assert store.attributes["objects"] == ["ball", "paddle", "bricks", ALL]
        notices = store.attributes["notices"]
    absent = 0
    for (top, left, height, width), here, share_of_area, decision in zip(boxes, present, area, FRAMES, strict=True):
        box = BALL.box(rams[decision])
        absent += box is None
        assert (top, left, height, width) == (box or (-1, -1, -1, -1))
        assert here == (box is not None)
        grown = None if box is None else box.grown(4)
        assert share_of_area == (0 if grown is None else grown.height * grown.width / (160 * 160))
        if box is not None and 100 < top < 180:
            assert frames[decision, top : top + height, left : left + width].any(axis=2).all()
    assert notices == [f"ball: not seen in {absent} of 50 frames, which are left out for it"]


def test_only_the_actors_shares_are_curves(episode: Reader) -> None:
    measured = of_method(objects, scene_of(episode, Toy(), range(40, 42)), lambda moment: Maps(*np.ones((2, *SCREEN))))
    curves = {name: one.attributes["curve"] for name, one in measured.variables.items() if "curve" in one.attributes}
    assert curves == {
        f"{name.replace(' ', '_')}_actor_share": f"actor's share on {name}"
        for name in ("ball", "paddle", "bricks", ALL)
    }


def test_game_without_annotations_is_one_line() -> None:
    other: Any = SimpleNamespace(attributes={"environment_settings": {"game": "enduro"}, "environment": "Enduro-v4"})
    with pytest.raises(
        SearchlightError,
        match=r"^clips\.demo: measures: objects: no objects are known of this game: found 'enduro', all",
    ) as error:
        regions_of(other, "cv2")
    assert "\n" not in str(error.value)
    with pytest.raises(SearchlightError, match=r"found My-v0 without a setting 'game', allowed: an environment that"):
        game_of_episode({"environment_settings": {}, "environment": "My-v0"})


def test_margin_is_checked() -> None:
    with pytest.raises(ValueError, match="margin"):
        objects.Arguments(margin=-1)
