"""LIME: equal to a ridge regression with an intercept, and right about a network that is linear."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.scores import IMAGE, SHAPE
from searchlight.saliency.masks import Masks, make_masks
from searchlight.saliency.score import make_scorers


def cells(n: int, p1: float = 0.5) -> Masks:
    return make_masks({"RandomCells": {"n": n, "s": [6, 5], "p1": p1, "seed": 3}}, IMAGE)


def kept_cells(masks: Masks) -> np.ndarray:
    """Return which of the 4 x 4 cells each mask keeps, (mask, 16)."""
    return masks.dense(0, len(masks))[:, ::6, ::5].reshape(len(masks), -1)


def ridge(kept: np.ndarray, outputs: np.ndarray, alpha: float, width: float) -> np.ndarray:
    """Return the weights of cells: least squares with a row for each weight and none for the intercept's penalty."""
    cosine = kept.sum(axis=1) / np.maximum(np.linalg.norm(kept, axis=1) * np.sqrt(kept.shape[1]), 1e-300)
    roots = np.sqrt(np.exp(-(((1 - cosine) / width) ** 2) / 2))
    left = np.vstack([roots[:, None] * np.c_[kept, np.ones(len(kept))], np.sqrt(alpha) * np.eye(17)[:16]])
    right = np.r_[roots * outputs, np.zeros(16)]
    return np.linalg.lstsq(left, right, rcond=None)[0][:16]


# With 8 masks there are more cells than samples; with 0.99, some cells are never hidden, and masks are small.
@pytest.mark.parametrize(("n", "p1"), [(200, 0.5), (8, 0.5), (100, 0.9), (60, 0.99)])
@pytest.mark.parametrize(("alpha", "width"), [(1.0, 0.25), (0.1, 0.5)])
def test_map_is_weights_of_a_ridge_regression(n: int, p1: float, alpha: float, width: float) -> None:
    masks = cells(n, p1)
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(2, 3)).astype(np.float32)
    perturbed = rng.normal(size=(2, n, 3)).astype(np.float32)
    score = make_scorers({"LIME": {"alpha": alpha, "kernel_width": width}}, masks)
    kept = np.vstack([np.ones(16), kept_cells(masks)])
    for frame, found in enumerate(score.actor(reference, perturbed)):
        samples = np.vstack([reference[frame], perturbed[frame]]).astype(np.float64)
        each = [ridge(kept, samples[:, output], alpha, width) for output in range(3)]
        expected = np.abs(each).sum(axis=0).reshape(4, 4).repeat(6, axis=0).repeat(5, axis=1)[: SHAPE[0], : SHAPE[1]]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_linear_network_is_found() -> None:
    masks = cells(400)
    weights = np.random.default_rng(1).normal(size=16)
    perturbed = (4 + kept_cells(masks) @ weights).astype(np.float32)[None, :, None]
    reference = np.full((1, 1), 4 + weights.sum(), np.float32)
    score = make_scorers({"LIME": {"alpha": 1e-6, "kernel_width": 0.25}}, masks, signed=True)
    (found,) = score.critic(reference, perturbed)
    np.testing.assert_allclose(found[::6, ::5].ravel(), weights, atol=1e-3)


def test_map_of_agent_that_ignores_input_is_zero() -> None:
    masks = cells(50)
    reference = np.array([[50, -47, 0.1]], np.float32)
    perturbed = np.repeat(reference[:, None], 50, axis=1) * np.float32(1 + 1e-6)
    assert not make_scorers({"LIME": {"alpha": 1.0, "kernel_width": 0.25}}, masks).actor(reference, perturbed).any()


def test_map_does_not_depend_on_other_frames() -> None:
    masks, rng = cells(50), np.random.default_rng(2)
    reference, perturbed = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=(5, 50, 3)).astype(np.float32)
    score = make_scorers({"LIME": {"alpha": 1.0, "kernel_width": 0.25}}, masks).actor
    alone = [score(reference[i : i + 1], perturbed[i : i + 1]) for i in range(5)]
    np.testing.assert_array_equal(score(reference, perturbed), np.concatenate(alone))
