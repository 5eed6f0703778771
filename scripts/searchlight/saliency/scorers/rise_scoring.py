"""RISE as xaitk-saliency computes it: equal to its ``RISEScoring``."""

from __future__ import annotations

from pydantic import Field

from searchlight.config.arguments import Probability, Table
from searchlight.lazy import numpy as np
from searchlight.saliency.hidden_sums import HiddenSums, over_own_maximum

NAME = "RISEScoring"
CAUTION = "RISEScoring shows how often chance kept a pixel, times the outputs' mean; RISE subtracts that"


class Arguments(Table):
    """Outputs weighted by what was kept, less `p1`, each scaled by its own maximum: xaitk's own RISE.

    Outputs that have an offset, as logits and values do, give a map of chance: prefer `RISE`.
    """

    p1: Probability = Field(0.0, description="Probability that a pixel was kept, taken off each mask.")


def maps(sums: HiddenSums, reference: np.ndarray, perturbed: np.ndarray, arguments: Arguments) -> np.ndarray:
    """Return the weighted sums of outputs, each output divided by its own maximum, (frame, output, cell)."""
    # sum_i (mask_i - p1) f_i = (1 - p1) sum_i f_i - sum_i (1 - mask_i) f_i
    kept = (1 - arguments.p1) * perturbed.sum(axis=1, dtype=np.float64)[..., None]
    return over_own_maximum(kept - sums(perturbed))
