"""How alike two maps are: by the order of their pixels, by local structure, and by the directions of their edges."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from skimage.feature import hog
from skimage.metrics import structural_similarity

from searchlight.measures._statistics import correlation

# Side of the windows of SSIM, and of the cells of HOG, in pixels of the observation; less for smaller observations.
WINDOW, CELL = 7, 8
# Below this side, a window has no structure.
SMALLEST = 3


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Return the rank correlation of two maps (height, width); NaN if either is constant."""
    return correlation(one.ravel().astype(np.float64), other.ravel().astype(np.float64))


def ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Return the structural similarity (Wang et al. 2004) of two maps, each scaled by its own maximum.

    NaN if either is constant, or too small for windows.
    """
    first, second = (_scaled(image) for image in (one, other))
    side = min(WINDOW, *one.shape)
    if np.ptp(first) == 0 or np.ptp(second) == 0 or side < SMALLEST:
        return float("nan")
    return float(structural_similarity(first, second, win_size=side - (side % 2 == 0), data_range=1.0))


def hog_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Pearson's correlation of two maps' histograms of oriented gradients; NaN if either has no edges."""
    cell = min(CELL, *one.shape)
    first, second = (
        hog(_scaled(image), pixels_per_cell=(cell, cell), cells_per_block=(1, 1)) for image in (one, other)
    )
    first, second = first - first.mean(), second - second.mean()
    size = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / size) if size > 0 else float("nan")


def _scaled(image: np.ndarray) -> np.ndarray:
    """Return absolute values divided by their maximum, float64."""
    found = np.abs(image).astype(np.float64)
    return found / (found.max() or 1.0)


SIMILARITIES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "Spearman": spearman,
    "SSIM": ssim,
    "HOG": hog_correlation,
}
