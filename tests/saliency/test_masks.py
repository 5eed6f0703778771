"""Masks: equal from memory and from a file; masks of xaitk's plug-ins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from searchlight.errors import SearchlightError
from searchlight.saliency import masks as masks_module
from searchlight.saliency import plugins
from searchlight.saliency.masks import Masks, make_masks
from xaitk_saliency import PerturbImage


def test_masks_from_file_equal_masks_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {"RISEGrid": {"n": 40, "s": 4, "p1": 0.5, "seed": 1}}
    image = np.zeros((30, 20))
    in_memory = make_masks(spec, image)
    monkeypatch.setattr(masks_module, "IN_MEMORY_BYTES", 5000)
    spilled = make_masks(spec, image)
    assert in_memory.in_memory
    assert not spilled.in_memory
    np.testing.assert_array_equal(spilled.dense(3, 37), in_memory.dense(3, 37))


@given(top=st.integers(0, 9), left=st.integers(0, 9), height=st.integers(1, 9), width=st.integers(1, 9))
def test_patch_is_mask_inside_box(top: int, left: int, height: int, width: int) -> None:
    rng = np.random.default_rng(top * 10 + left)
    mask = np.ones((10, 10), np.float32)
    mask[2:7, 3:6] = rng.random((5, 3))
    box = np.array([[top, min(10, top + height), left, min(10, left + width)]])
    patch = Masks(iter([mask]), (10, 10)).patches(np.array([0]), box)[0]
    np.testing.assert_array_equal(patch, mask[box[0, 0] : box[0, 1], box[0, 2] : box[0, 3]])


def test_mask_that_keeps_everything_has_empty_box() -> None:
    masks = Masks(iter([np.ones((4, 4), np.float32)]), (4, 4))
    assert masks.boxes.tolist() == [[0, 0, 0, 0]]
    assert masks.density == 0
    np.testing.assert_array_equal(masks.dense(0, 1), np.ones((1, 4, 4)))


def test_other_xaitk_perturber_runs_unchanged() -> None:
    from xaitk_saliency import PerturbImage

    class LeftHalf(PerturbImage):
        def perturb(self, ref_image: np.ndarray) -> np.ndarray:
            mask = np.ones((1, *ref_image.shape[:2]), bool)
            mask[:, :, : ref_image.shape[1] // 2] = False
            return mask

        def get_config(self) -> dict[str, Any]:
            return {}

    masks = make_masks({"LeftHalf": {}}, np.zeros((6, 8, 3)))
    assert masks.boxes.tolist() == [[0, 6, 0, 4]]


def test_error_for_unknown_plugin_lists_known_names() -> None:
    with pytest.raises(SearchlightError, match="found 'Nothing', allowed: RandomCells, RandomGrid, RISEGrid"):
        plugins.build("perturber", "Nothing", {})


class Made(PerturbImage):
    """A plug-in that returns the masks that a test sets."""

    made: Any = None

    def perturb(self, ref_image: np.ndarray) -> np.ndarray:
        return self.made

    def get_config(self) -> dict[str, Any]:
        return {}


def masks_of_a_plugin_that_makes(made: Any, monkeypatch: pytest.MonkeyPatch) -> Masks:
    monkeypatch.setattr(Made, "made", made)
    return make_masks({"Made": {}}, np.zeros((6, 8, 3)))


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (np.ones((2, 5, 5)), "masks of the shape (2, 5, 5), allowed: (1 or more, 6, 8)"),
        (np.ones((6, 8)), "masks of the shape (6, 8), allowed: (1 or more, 6, 8)"),
        (np.ones((2, 1, 6, 8)), "masks of the shape (2, 1, 6, 8), allowed: (1 or more, 6, 8)"),
        (np.ones((0, 6, 8)), "masks of the shape (0, 6, 8), allowed: (1 or more, 6, 8)"),
        (np.full((2, 6, 8), -0.5), "masks with values from -0.5 to -0.5, allowed: 0 (hides) to 1 (keeps)"),
        (np.full((2, 6, 8), 1.5), "masks with values from 1.5 to 1.5, allowed: 0 (hides) to 1 (keeps)"),
        (np.full((2, 6, 8), np.nan), "masks with values from nan to nan, allowed: 0 (hides) to 1 (keeps)"),
        (None, "masks of type object, allowed: numbers of the shape (1 or more, 6, 8)"),
        (np.full((2, 6, 8), "a"), "masks of type <U1, allowed: numbers of the shape (1 or more, 6, 8)"),
        ([np.ones((6, 8)), np.ones((6, 7))], "masks of several shapes"),
    ],
    ids=["size", "2-D", "4-D", "none", "below", "above", "nan", "nothing", "text", "ragged"],
)
def test_invalid_masks_are_one_line(made: Any, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SearchlightError) as caught:
        masks_of_a_plugin_that_makes(made, monkeypatch)
    assert str(caught.value).startswith(f"Made: found {found}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32, np.float64])
def test_masks_of_any_numeric_type_are_accepted(dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    made = np.eye(6, 8, dtype=dtype)[None]
    np.testing.assert_array_equal(masks_of_a_plugin_that_makes(made, monkeypatch).dense(0, 1), made)


def test_covered_pixels_are_those_that_a_mask_hides() -> None:
    masks = make_masks({"SlidingWindow": {"window_size": [2, 3], "stride": [4, 4]}}, np.zeros((8, 8)))
    np.testing.assert_array_equal(masks.covered, (masks.dense(0, len(masks)) < 1).any(axis=0))
    assert 0 < masks.covered.mean() < 1
