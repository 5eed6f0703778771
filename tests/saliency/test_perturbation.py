"""Perturbed observations: prepared as in the notebook, blended as in xaitk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from baseline import imresize, prepro
from helpers.geometry import preprocessing as built
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter
from searchlight.agents import preprocessings
from searchlight.registry import name_and_arguments
from searchlight.saliency import masks as masks_module
from searchlight.saliency import perturbation as perturbation_module
from searchlight.saliency import plugins
from searchlight.saliency.perturbation import Perturbation, blend
from searchlight.store.zarr import load
from xaitk_saliency.utils.masking import occlude_image_batch

WINDOW = {"SlidingWindow": {"window_size": [9, 7], "stride": [17, 16]}}
RADIAL = {"SlidingRadial": {"radius": [2, 3], "stride": [16, 15], "sigma": [3, 2]}}
RISE = {"RISEGrid": {"n": 12, "s": 6, "p1": 0.5, "seed": 2}}
RANDOM = {"RandomGrid": {"n": 8, "s": [9, 12], "p1": 0.5, "seed": 2}}


@settings(max_examples=10, deadline=None)
@given(screen=arrays(np.uint8, (210, 160, 3)))
def test_cv2_equals_notebook_preprocessing_bit_for_bit(screen: np.ndarray) -> None:
    np.testing.assert_array_equal(built("cv2").picture(screen)[:, :, 0], prepro(screen))


def test_preprocessing_equals_notebook_on_real_frames(episode_path: Path) -> None:
    with load(episode_path) as episode:
        screens = episode.read("frame", slice(0, 40))
    for screen in screens:
        np.testing.assert_array_equal(built("cv2").picture(screen)[:, :, 0], prepro(screen))


# Independent reference of each preprocessing; it uses the range of the screen ``like`` if one is given.
PLAINLY = {"cv2": lambda screen, like=None: prepro(screen), "imresize": imresize}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), low=st.integers(0, 255), high=st.integers(0, 255))
def test_imresize_equals_scipy_bit_for_bit(seed: int, low: int, high: int) -> None:
    low, high = sorted((low, high))
    screen = np.random.default_rng(seed).integers(low, high + 1, (210, 160, 3)).astype(np.uint8)
    np.testing.assert_array_equal(built("imresize").picture(screen)[:, :, 0], imresize(screen))


def changed_part(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a screen, a box of its observation, and the screen with the box changed."""
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    # Few levels, so that many pixels share an extreme; sometimes a single pixel is the extreme.
    screen = rng.choice([40, 90, 91], (210, 160, 3)).astype(np.uint8)
    for level in draw(st.lists(st.sampled_from([20, 200]), max_size=2)):
        screen[rng.integers(35, 195), rng.integers(160)] = level
    top, left = draw(st.integers(0, 79)), draw(st.integers(0, 79))
    box = np.array([top, draw(st.integers(top + 1, 80)), left, draw(st.integers(left + 1, 80))])
    changed = screen.copy()
    rows, columns = slice(35 + 2 * box[0], 35 + 2 * box[1]), slice(2 * box[2], 2 * box[3])
    changed[rows, columns] = draw(st.sampled_from([0, 40, 90, 255]))
    return screen, box, changed


@pytest.mark.parametrize("preprocessing", PLAINLY)
@settings(max_examples=60, deadline=None)
@given(given_part=st.composite(changed_part)())
def test_part_is_prepared_like_whole_screen(
    preprocessing: str, given_part: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    screen, (top, bottom, left, right), changed = given_part
    given, reach = built(preprocessing), {"cv2": 0, "imresize": 1}[preprocessing]
    # The change may affect one more observed pixel on each side, because imresize interpolates.
    box = [max(0, top - reach), min(80, bottom + reach), max(0, left - reach), min(80, right + reach)]
    on_screen = np.array([[35 + 2 * top, 35 + 2 * bottom, 2 * left, 2 * right]])
    assert given.reached(on_screen).tolist() == [box]
    ((first, last, one, other),) = given.needed(np.array([box])).tolist()
    (found,) = given.prepare(screen[None]).changed(
        changed[None, first:last, one:other, None], np.array([[box[0], box[2]]])
    )
    whole = found.observation.copy()
    (row, column), (height, width) = found.corners[0], found.values.shape[1:3]
    whole[row : row + height, column : column + width] = found.values[0]
    np.testing.assert_array_equal(whole[:, :, 0], PLAINLY[preprocessing](changed))


@pytest.mark.parametrize("preprocessing", PLAINLY)
def test_other_screen_is_prepared_by_range_of_frame(preprocessing: str, episode_path: Path) -> None:
    with load(episode_path) as episode:
        screen = episode.read("frame", slice(60, 61))[0]
    for other in (np.full_like(screen, 250), np.zeros_like(screen), screen // 2 + 3):
        prepared = built(preprocessing).prepare(screen[None]).observe_other(other)[:, :, 0]
        np.testing.assert_array_equal(prepared, PLAINLY[preprocessing](other, like=screen))
        assert prepared.max() <= 1


def observations_by_xaitk(
    spec: dict[str, Any], preprocessing: str, screen: np.ndarray, background: np.ndarray
) -> np.ndarray:
    """Return the perturbed observations that xaitk's functions make from whole images."""
    prepare = PLAINLY[preprocessing]
    on_screen = spec["space"] == "screen"
    image = screen if on_screen else prepare(screen)
    ((name, arguments),) = spec["perturber"].items()
    threads = {"threads": 0} if "seed" in arguments else {}
    masks = plugins.build("perturber", name, {**arguments, **threads})(image)
    fill = spec["fill"]
    if fill == "mean":
        mean = (image[35:195] if on_screen else image).mean(axis=(0, 1), dtype=np.float64)
        fill = [round(level) for level in mean] if on_screen else float(mean)
    elif isinstance(fill, dict) and "background" in fill:
        fill = background if on_screen else prepare(background, like=screen)
    elif isinstance(fill, dict):
        blurred = gaussian_filter(image.astype(np.float32), (fill["blur"], fill["blur"], 0)[: image.ndim])
        fill = np.rint(blurred).astype(np.uint8) if image.dtype == np.uint8 else blurred
    occluded = occlude_image_batch(image, masks, fill=fill)
    if on_screen:
        # xaitk's truncation darkens pixels that equal their fill, so they are restored.
        same = (image == np.asarray(fill)).all(axis=2)
        occluded[:, same] = image[same]
        occluded = np.stack([prepare(one) for one in occluded])
    return occluded


def observations_from_patches(perturbation: Perturbation, screen: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return the perturbed observations by writing patches into whole observations."""
    frame = perturbation.preprocessing.prepare(screen[None])
    observation = frame.observation
    whole = np.repeat(observation[None], len(perturbation.masks), axis=0)
    for found in perturbation.patches(screen[None], frame, background[None]):
        height, width = found.values.shape[1:3]
        # Patches are hardly larger than the largest change, because the engine's cost grows with their size.
        assert (
            height * width * perturbation_module.CUT <= (found.boxes[:, 1::2] - found.boxes[:, ::2]).max(axis=0).prod()
        )
        for mask, box, (top, left), patch in zip(found.masks, found.boxes, found.corners, found.values, strict=True):
            place = (slice(top, top + height), slice(left, left + width))
            whole[mask] = found.observation
            rows, columns, _ = np.nonzero(whole[mask][place] != patch)
            if len(rows):  # with another range, a part may happen to stay unchanged
                changed = [top + rows.min(), top + rows.max() + 1, left + columns.min(), left + columns.max() + 1]
                assert box.tolist() == changed
            whole[mask][place] = patch
    return whole[..., 0]


def frame_and_background(episode_path: Path) -> tuple[np.ndarray, np.ndarray]:
    with load(episode_path) as episode:
        return episode.read("frame", slice(60, 61))[0], np.median(episode.read("frame")[:61], axis=0).astype(np.uint8)


@pytest.mark.parametrize("preprocessing", ["cv2", "imresize"])
@pytest.mark.parametrize("perturber", [WINDOW, RADIAL, RISE, RANDOM], ids=["window", "radial", "rise", "random"])
@pytest.mark.parametrize(
    ("space", "fill"),
    [
        ("screen", 0),
        ("screen", 77),
        ("screen", [200, 30, 90]),
        ("screen", {"blur": 4}),
        ("screen", "mean"),
        ("screen", {"background": 200}),
        ("observation", 0),
        ("observation", 0.5),
        ("observation", {"blur": 3}),
        ("observation", "mean"),
        ("observation", {"background": 200}),
    ],
    ids=str,
)
def test_perturbed_observations_equal_xaitk(
    preprocessing: str, perturber: dict[str, Any], space: str, fill: Any, episode_path: Path
) -> None:
    spec = {"space": space, "stack": "all", "perturber": perturber, "fill": fill}
    given = frame_and_background(episode_path)
    ours = observations_from_patches(Perturbation(spec, built(preprocessing)), *given)
    np.testing.assert_allclose(ours, observations_by_xaitk(spec, preprocessing, *given), atol=2e-7)


def test_masks_from_file_give_same_patches(episode_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {"space": "observation", "stack": "all", "perturber": RISE, "fill": 0}
    given = frame_and_background(episode_path)
    expected = observations_from_patches(Perturbation(spec, built("cv2")), *given)
    monkeypatch.setattr(masks_module, "IN_MEMORY_BYTES", 2**15)
    np.testing.assert_array_equal(observations_from_patches(Perturbation(spec, built("cv2")), *given), expected)


@pytest.mark.parametrize("preprocessing", PLAINLY)
@pytest.mark.parametrize("perturber", [WINDOW, RADIAL, RISE], ids=["window", "radial", "rise"])
@pytest.mark.parametrize("space", ["screen", "observation"])
def test_fill_equal_to_frame_changes_nothing(
    space: str, perturber: dict[str, Any], preprocessing: str, episode_path: Path
) -> None:
    screen, _ = frame_and_background(episode_path)
    perturbation = Perturbation(
        {"space": space, "stack": "all", "perturber": perturber, "fill": {"background": 200}}, built(preprocessing)
    )
    assert not list(perturbation.patches(screen[None], perturbation.preprocessing.prepare(screen[None]), screen[None]))


def test_soft_masks_keep_pixels_equal_to_fill_and_truncate_others_like_xaitk() -> None:
    rng = np.random.default_rng(0)
    image, masks = rng.integers(0, 256, (1, 20, 20, 3)).astype(np.uint8), rng.random((1, 20, 20)).astype(np.float32)
    fill = image.copy()
    fill[0, 10:] = rng.integers(0, 256, (10, 20, 3))
    blended = blend(image, fill, masks, binary=False)[0]
    by_xaitk = occlude_image_batch(image[0], masks, fill=fill[0])[0]
    assert (by_xaitk[:10] != image[0, :10]).any(), "or nothing would be shown here"
    np.testing.assert_array_equal(blended[:10], image[0, :10])
    np.testing.assert_array_equal(blended[10:], by_xaitk[10:])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), bullet=st.sampled_from([0, 140, 255]), space_of=st.sampled_from([8, 12]))
def test_objects_of_extreme_level_are_erased_like_on_whole_screens(seed: int, bullet: int, space_of: int) -> None:
    """A part may stay unchanged while all others change, if the pixel behind the extreme is the next extreme."""
    rng = np.random.default_rng(seed)
    background = rng.integers(60, 64, (210, 160, 3)).astype(np.uint8)
    top, left = rng.integers(40, 170), rng.integers(8, 140)
    background[top - 4 : top + 12, left - 4 : left + 12] = rng.choice([20, 60, 100])
    screen = background.copy()
    screen[top : top + 4, left : left + 2] = bullet
    perturber = {"SlidingWindow": {"window_size": [space_of, space_of], "stride": [space_of // 2, space_of // 2]}}
    spec = {"space": "screen", "stack": "all", "perturber": perturber, "fill": {"background": 200}}
    perturbation = Perturbation(spec, built("imresize"))
    found = np.concatenate(
        [
            one.masks
            for one in perturbation.patches(
                screen[None], perturbation.preprocessing.prepare(screen[None]), background[None]
            )
        ]
    )
    ours = observations_from_patches(perturbation, screen, background)
    for mask in found:
        hidden = perturbation.masks.dense(mask, mask + 1)[0] == 0
        np.testing.assert_array_equal(ours[mask], imresize(np.where(hidden[..., None], background, screen)))
    touching = [
        mask
        for mask, (first, last, one, other) in enumerate(perturbation.masks.boxes.tolist())
        if first < top + 4 and last > top and one < left + 2 and other > left
    ]
    assert sorted(found.tolist()) == touching


def test_masks_that_change_range_are_small_patches_of_one_further_observation() -> None:
    perturbation = Perturbation({"space": "screen", "stack": "all", "perturber": WINDOW, "fill": 0}, built("imresize"))
    screen = np.full((210, 160, 3), 60, np.uint8)
    top, _, left, _ = perturbation.masks.boxes[len(perturbation.masks) // 2]
    screen[top + 3, left + 3] = 220
    frame = perturbation.preprocessing.prepare(screen[None])
    observation, found = frame.observation, list(perturbation.patches(screen[None], frame))
    small = [one for one in found if one.values.shape[1] < 10]
    assert sum(len(one.masks) for one in small) > 90
    assert len({id(one.observation) for one in small}) == 1
    assert not any((one.observation == observation).all() for one in small)
    # One window hides all bright pixels and changes the range, so its patch is the whole observation.
    (whole,) = [one for one in found if one.values.shape[1] >= 10]
    assert len(whole.masks) == 1
    assert whole.observation is observation


def test_black_windows_on_black_give_no_patch() -> None:
    screen = np.zeros((210, 160, 3), np.uint8)
    screen[100:110, 50:60] = 200
    perturbation = Perturbation({"space": "screen", "stack": "all", "perturber": WINDOW, "fill": 0}, built("cv2"))
    patches = list(perturbation.patches(screen[None], perturbation.preprocessing.prepare(screen[None])))
    touched = {int(mask) for found in patches for mask in found.masks}
    boxes = perturbation.masks.boxes
    overlapping = {
        index
        for index, (top, bottom, left, right) in enumerate(boxes)
        if top < 110 and bottom > 100 and left < 60 and right > 50
    }
    assert touched == overlapping


STACKED = ["sb3", "cleanrl", {"gymnasium": {"size": 42, "stack": 3}}, {"rgb": {"stack": 2}}]


@pytest.mark.parametrize("age", [0, 1, 9])
@pytest.mark.parametrize("stack", ["all", "newest"])
@pytest.mark.parametrize(
    ("space", "perturber", "fill"),
    [
        ("screen", WINDOW, {"background": 200}),
        ("screen", RADIAL, {"blur": 4}),
        ("screen", WINDOW, "mean"),
        ("screen", WINDOW, [200, 30, 90]),
        ("observation", RADIAL, {"blur": 3}),
        ("observation", WINDOW, {"background": 200}),
        ("observation", RISE, 0.5),
    ],
    ids=str,
)
@pytest.mark.parametrize("preprocessing", STACKED, ids=str)
def test_each_picture_of_a_stack_is_hidden_by_its_own_fill(
    preprocessing: Any, space: str, perturber: dict[str, Any], fill: Any, stack: str, age: int
) -> None:
    given = preprocessings.build(preprocessing, (210, 160))
    rng = np.random.default_rng(age)
    episode, backgrounds = rng.integers(0, 256, (2, 10, 210, 160, 3)).astype(np.uint8)
    decisions = given.decisions(9, 9 - age)
    spec = {"space": space, "stack": stack, "perturber": perturber, "fill": fill}
    perturbation = Perturbation(spec, given)
    frame = given.prepare(episode[decisions])
    ours = np.repeat(frame.observation[None], len(perturbation.masks), axis=0)
    for found in perturbation.patches(episode[decisions], frame, backgrounds[decisions]):
        for mask, (top, left), patch in zip(found.masks, found.corners, found.values, strict=True):
            height, width, channels = patch.shape
            ours[mask][top : top + height, left : left + width, -channels:] = patch
    one_picture = preprocessings.build(single(preprocessing), (210, 160))
    alone = Perturbation({**spec, "stack": "all"}, one_picture)
    for index in {0, len(ours) // 2, len(ours) - 1}:
        pictures = []
        for position, decision in enumerate(decisions):
            picture = one_picture.picture(episode[decision])
            if stack == "all" or position == len(decisions) - 1:
                screens, behind = episode[decision][None], backgrounds[decision][None]
                for found in alone.patches(screens, one_picture.prepare(screens), behind):
                    for place in np.flatnonzero(found.masks == index):
                        (top, left), patch = found.corners[place], found.values[place]
                        picture[top : top + patch.shape[0], left : left + patch.shape[1]] = patch
            pictures.append(picture)
        np.testing.assert_array_equal(ours[index], given.stacked(pictures))


def single(preprocessing: Any) -> Any:
    """Return the preprocessing with one picture in place of a stack."""
    name, arguments = name_and_arguments(preprocessing)
    return {name: {**arguments, "stack": 1}}
