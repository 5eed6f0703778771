"""The total variation of the policy."""

from __future__ import annotations

from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np
from searchlight.saliency.hidden_sums import HiddenSums, mean_over_masks
from searchlight.saliency.scorers import squared_difference

NAME = "TotalVariation"
OUTPUT = "probabilities"
critic_maps = squared_difference.maps


class Arguments(Table):
    """How much of the policy's probability moves to other actions: half the sum of the probabilities' changes, 0 to 1.

    The critic's map is half the squared change of the value, as by `SquaredDifference`.
    """


def maps(sums: HiddenSums, reference: np.ndarray, perturbed: np.ndarray, arguments: Arguments) -> np.ndarray:
    """Return the total variation of the policy, (frame, 1, cell), from probabilities."""
    return mean_over_masks(sums, 0.5 * np.abs(perturbed - reference[:, None]).sum(axis=2))
