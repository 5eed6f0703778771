"""SARFA: specific and relevant feature attribution (Puri et al., ICLR 2020, arXiv 1912.12191)."""

from __future__ import annotations

from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np
from searchlight.saliency.hidden_sums import HiddenSums, mean_over_masks
from searchlight.saliency.scorers import squared_difference
from searchlight.saliency.scorers.kl import divergence

NAME = "SARFA"
OUTPUT = "log_probabilities"
TAKES_CHOSEN = True
critic_maps = squared_difference.maps


class Arguments(Table):
    """What the chosen action, and it alone, depends on (Puri et al. 2020).

    A mask counts if the probability of the action with the highest unperturbed output drops by dP > 0. It counts for
    2 K dP / (K + dP), where K = 1 / (1 + KL), and KL says how far the chances of the other actions among themselves
    moved, KL(unperturbed || perturbed). Masks that raise that probability count for nothing. Where the policy is nearly
    certain, most maps are weak. With two actions, K is 1.

    The critic's map is half the squared change of the value, as by `SquaredDifference`.
    """


def maps(
    sums: HiddenSums,
    reference: np.ndarray,
    perturbed: np.ndarray,
    arguments: Arguments,
    chosen: np.ndarray | None = None,
) -> np.ndarray:
    """Return the scores of masks as a map, (frame, 1, cell), from log-probabilities."""
    explained = [None] * len(reference) if chosen is None else chosen.tolist()
    strengths = [scores(*frame) for frame in zip(reference, perturbed, explained, strict=True)]
    return mean_over_masks(sums, np.stack(strengths))


def scores(reference: np.ndarray, perturbed: np.ndarray, chosen: int | None = None) -> np.ndarray:
    """Return the score of each mask in one frame, (mask,) float64 in 0..1.

    Args:
        reference: (action,) float64, log-probabilities.
        perturbed: (mask, action) float64, those under each mask.
        chosen: the action to explain; None for the one with the highest reference.
    """
    chosen = int(reference.argmax()) if chosen is None else chosen
    drop = np.maximum(np.exp(reference[chosen]) - np.exp(perturbed[:, chosen]), 0)
    # In logarithms, the others' shares are finite even if their probabilities are too small for a number.
    others = [np.delete(logs, chosen, axis=-1) for logs in (reference, perturbed)]
    shares = [logs - np.logaddexp.reduce(logs, axis=-1, keepdims=True) for logs in others]
    kept = 1 / (1 + divergence(*shares))
    return 2 * kept * drop / (kept + drop)
