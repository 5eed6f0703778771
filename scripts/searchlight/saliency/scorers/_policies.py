"""What scorers of policies share: a weighted mean over masks, and the map of the value, which has no policy."""

from __future__ import annotations

from pydantic import BaseModel

from searchlight.lazy import numpy as np
from searchlight.saliency.hidden_sums import HiddenSums, changes_of, half_squares


def mean_over_masks(sums: HiddenSums, strengths: np.ndarray) -> np.ndarray:
    """Return the mean of the masks' strengths at each cell, weighted by what they hide, (frame, 1, cell).

    Args:
        sums: sums over the masks.
        strengths: (frame, mask), one number for each mask.
    """
    return sums(strengths[..., None]) / sums.coverage


def half_squared_change(
    sums: HiddenSums, reference: np.ndarray, perturbed: np.ndarray, arguments: BaseModel
) -> np.ndarray:
    """Return half the squared change of the value, (frame, 1, cell), as ``SquaredDifference`` does."""
    return half_squares(sums, changes_of(reference, perturbed))
