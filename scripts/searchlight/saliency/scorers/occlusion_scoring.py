"""The difference: equal to xaitk-saliency's scorer of that name."""

from __future__ import annotations

from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np
from searchlight.saliency.hidden_sums import HiddenSums, over_own_maximum

NAME = "OcclusionScoring"


class Arguments(Table):
    """Difference of each output, weighted by what was hidden, each output scaled by its own maximum."""


def maps(sums: HiddenSums, reference: np.ndarray, perturbed: np.ndarray, arguments: Arguments) -> np.ndarray:
    """Return the differences, each output's over its own maximum, (frame, output, cell)."""
    # The difference in the outputs' own precision, as xaitk takes it.
    return over_own_maximum(sums(reference[:, None] - perturbed) / sums.coverage)
