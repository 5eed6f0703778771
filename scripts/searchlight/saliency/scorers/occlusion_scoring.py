"""The difference of outputs: equal to xaitk-saliency's ``OcclusionScoring``."""

from __future__ import annotations

from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np
from searchlight.saliency.hidden_sums import HiddenSums, over_own_maximum

NAME = "OcclusionScoring"
SIGNED = True


class Arguments(Table):
    """Difference of each output, weighted by what was hidden, each output scaled by its own maximum."""


def maps(sums: HiddenSums, reference: np.ndarray, perturbed: np.ndarray, arguments: Arguments) -> np.ndarray:
    """Return the differences, each output divided by its own maximum, (frame, output, cell)."""
    # The difference keeps the outputs' precision, because xaitk computes it so.
    return over_own_maximum(sums(reference[:, None] - perturbed) / sums.coverage)
