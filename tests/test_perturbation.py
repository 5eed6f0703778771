"""What the agent would have seen: prepared as the notebook prepares, blended as xaitk blends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from baseline import prepro
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy.ndimage import gaussian_filter
from searchlight import masks as masks_module
from searchlight import plugins
from searchlight.perturbation import Perturbation
from searchlight.preprocessing import PREPROCESSINGS
from searchlight.store import load
from xaitk_saliency.utils.masking import occlude_image_batch

WINDOW = {"SlidingWindow": {"window_size": [9, 7], "stride": [12, 11]}}
RADIAL = {"SlidingRadial": {"radius": [2, 3], "stride": [16, 15], "sigma": [3, 2]}}
RISE = {"RISEGrid": {"n": 12, "s": 6, "p1": 0.5, "seed": 2}}
RANDOM = {"RandomGrid": {"n": 8, "s": [9, 12], "p1": 0.5, "seed": 2}}


@settings(max_examples=10, deadline=None)
@given(screen=arrays(np.uint8, (210, 160, 3)))
def test_cv2_is_the_notebook_s_preprocessing_bit_for_bit(screen: np.ndarray) -> None:
    np.testing.assert_array_equal(PREPROCESSINGS["cv2"].prepare(screen[None])[0], prepro(screen))


def test_preprocessing_is_the_notebook_s_on_real_frames(episode_path: Path) -> None:
    with load(episode_path) as episode:
        screens = episode.read("frame", slice(0, 40))
    np.testing.assert_array_equal(PREPROCESSINGS["cv2"].prepare(screens), np.stack([prepro(one) for one in screens]))


def test_imresize_stretches_each_frame_to_its_own_range() -> None:
    rng = np.random.default_rng(0)
    screens = rng.integers(40, 90, (3, 210, 160, 3)).astype(np.uint8)
    prepared = PREPROCESSINGS["imresize"].prepare(screens)
    for screen, observation in zip(screens, prepared, strict=True):
        grey = screen[35:195].mean(2)
        stretched = np.floor((grey - grey.min()) * 255 / (grey.max() - grey.min()) + 0.5).astype(np.uint8)
        expected = np.asarray(Image.fromarray(stretched).resize((80, 80), Image.Resampling.BILINEAR)) / 255
        np.testing.assert_allclose(observation, expected, atol=1e-6)
    flat = PREPROCESSINGS["imresize"].prepare(np.full((1, 210, 160, 3), 7, np.uint8))
    assert np.isfinite(flat).all()


@settings(max_examples=20, deadline=None)
@given(top=st.integers(0, 79), left=st.integers(0, 79), data=st.data())
def test_preparing_a_part_is_a_part_of_preparing(top: int, left: int, data: st.DataObject) -> None:
    bottom, right = data.draw(st.integers(top + 1, 80)), data.draw(st.integers(left + 1, 80))
    screen = np.random.default_rng(1).integers(0, 256, (1, 210, 160, 3)).astype(np.uint8)
    cv2 = PREPROCESSINGS["cv2"]
    part = cv2.prepare_cells(screen[:, 35 + 2 * top : 35 + 2 * bottom, 2 * left : 2 * right])
    np.testing.assert_array_equal(part, cv2.prepare(screen)[:, top:bottom, left:right])


def observations_by_xaitk(spec: dict[str, Any], preprocessing: str, screen: np.ndarray) -> np.ndarray:
    """Return the perturbed observations as xaitk's functions make them from whole images."""
    prepare = PREPROCESSINGS[preprocessing].prepare
    image = screen if spec["space"] == "screen" else prepare(screen[None])[0]
    ((name, arguments),) = spec["perturber"].items()
    masks = plugins.build("perturber", name, arguments)(image)
    fill = spec["fill"]
    if isinstance(fill, dict):
        blurred = gaussian_filter(image.astype(np.float32), (fill["blur"], fill["blur"], 0)[: image.ndim])
        fill = np.rint(blurred).astype(np.uint8) if image.dtype == np.uint8 else blurred
    occluded = occlude_image_batch(image, masks, fill=fill)
    return prepare(occluded) if spec["space"] == "screen" else occluded


def observations_from_patches(perturbation: Perturbation, screen: np.ndarray) -> np.ndarray:
    """Return the perturbed observations that the patches make of the unperturbed one."""
    observation = perturbation.prepare(screen)
    whole = np.repeat(observation[None], len(perturbation.masks), axis=0)
    for found in perturbation.patches(screen, observation):
        height, width = found.values.shape[1:]
        # Cut to the largest change among them: what is computed from them grows with their size.
        assert (height, width) == tuple((found.boxes[:, 1::2] - found.boxes[:, ::2]).max(axis=0))
        for mask, box, (top, left), patch in zip(found.masks, found.boxes, found.corners, found.values, strict=True):
            place = (slice(top, top + height), slice(left, left + width))
            rows, columns = np.nonzero(whole[mask][place] != patch)
            changed = [top + rows.min(), top + rows.max() + 1, left + columns.min(), left + columns.max() + 1]
            assert box.tolist() == changed
            whole[mask][place] = patch
    return whole


@pytest.mark.parametrize("preprocessing", ["cv2", "imresize"])
@pytest.mark.parametrize("perturber", [WINDOW, RADIAL, RISE, RANDOM], ids=["window", "radial", "rise", "random"])
@pytest.mark.parametrize(
    ("space", "fill"),
    [
        ("screen", 0),
        ("screen", 77),
        ("screen", [200, 30, 90]),
        ("screen", {"blur": 4}),
        ("observation", 0),
        ("observation", 0.5),
        ("observation", {"blur": 3}),
    ],
    ids=str,
)
def test_observations_are_those_of_xaitk(
    preprocessing: str, perturber: dict[str, Any], space: str, fill: Any, episode_path: Path
) -> None:
    spec = {"space": space, "perturber": perturber, "fill": fill}
    with load(episode_path) as episode:
        screen = episode.read("frame", slice(60, 61))[0]
    ours = observations_from_patches(Perturbation(spec, preprocessing), screen)
    np.testing.assert_allclose(ours, observations_by_xaitk(spec, preprocessing, screen), atol=2e-7)


def test_masks_read_from_a_file_give_the_same_patches(episode_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {"space": "observation", "perturber": RISE, "fill": 0}
    with load(episode_path) as episode:
        screen = episode.read("frame", slice(60, 61))[0]
    expected = observations_from_patches(Perturbation(spec, "cv2"), screen)
    monkeypatch.setattr(masks_module, "IN_MEMORY_BYTES", 2**15)
    np.testing.assert_array_equal(observations_from_patches(Perturbation(spec, "cv2"), screen), expected)


def test_black_windows_on_black_are_in_no_patch() -> None:
    screen = np.zeros((210, 160, 3), np.uint8)
    screen[100:110, 50:60] = 200
    perturbation = Perturbation({"space": "screen", "perturber": WINDOW, "fill": 0}, "cv2")
    patches = list(perturbation.patches(screen, perturbation.prepare(screen)))
    touched = {int(mask) for found in patches for mask in found.masks}
    boxes = perturbation.masks.boxes
    overlapping = {
        index
        for index, (top, bottom, left, right) in enumerate(boxes)
        if top < 110 and bottom > 100 and left < 60 and right > 50
    }
    assert touched == overlapping
