"""The Kullback-Leibler divergence of the policy."""

from __future__ import annotations

from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np
from searchlight.saliency.hidden_sums import HiddenSums, mean_over_masks
from searchlight.saliency.scorers import squared_difference

NAME = "KL"
OUTPUT = "log_probabilities"
critic_maps = squared_difference.maps


class Arguments(Table):
    """The Kullback-Leibler divergence of the perturbed policy from the unperturbed one, KL(unperturbed || perturbed).

    It has no upper bound: one mask that takes the last chance from an action outshines all others. `TotalVariation` is
    bounded. The critic's map is half the squared change of the value, as by `SquaredDifference`.
    """


def divergence(reference: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
    """Return sum p log(p / p') along the last axis, at least 0, from the logarithms of p and p'."""
    # Rounding alone makes it negative.
    return np.maximum((np.exp(reference) * (reference - perturbed)).sum(axis=-1), 0)


def maps(sums: HiddenSums, reference: np.ndarray, perturbed: np.ndarray, arguments: Arguments) -> np.ndarray:
    """Return the divergence of the policy, (frame, 1, cell), from log-probabilities."""
    return mean_over_masks(sums, divergence(reference[:, None], perturbed))
