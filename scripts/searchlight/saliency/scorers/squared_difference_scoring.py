"""Half the squared difference, scaled to 0..1: equal to xaitk-saliency's ``SquaredDifferenceScoring``."""

from __future__ import annotations

from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np
from searchlight.saliency.hidden_sums import HiddenSums, half_squares, over_own_maximum

NAME = "SquaredDifferenceScoring"


class Arguments(Table):
    """Half the squared difference of all outputs, weighted by what was hidden, scaled to 0..1 in each frame."""


def maps(sums: HiddenSums, reference: np.ndarray, perturbed: np.ndarray, arguments: Arguments) -> np.ndarray:
    """Return half the squared differences of all outputs, stretched to 0..1, (frame, 1, cell)."""
    maps = half_squares(sums, perturbed - reference[:, None])
    return over_own_maximum(maps - maps.min(axis=-1, keepdims=True))
