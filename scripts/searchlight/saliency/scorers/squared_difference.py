"""Half the squared difference (Greydanus et al. 2018)."""

from __future__ import annotations

from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np
from searchlight.saliency.hidden_sums import HiddenSums, changes_of, half_squares

NAME = "SquaredDifference"


class Arguments(Table):
    """The paper's own score: half the squared difference, unscaled, so that frames can be compared.

    Take it for all masks but random ones.
    """


def maps(sums: HiddenSums, reference: np.ndarray, perturbed: np.ndarray, arguments: Arguments) -> np.ndarray:
    """Return half the squared changes, summed over all outputs, (frame, 1, cell)."""
    return half_squares(sums, changes_of(reference, perturbed))
