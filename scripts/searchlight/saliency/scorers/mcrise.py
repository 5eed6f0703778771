"""MC-RISE of one colour, as xaitk-saliency computes it: equal to its ``MCRISEScoring`` with ``k=1``."""

from __future__ import annotations

from pydantic import Field

from searchlight.config.arguments import Probability, Table
from searchlight.lazy import numpy as np
from searchlight.saliency.hidden_sums import HiddenSums, over_own_maximum

NAME = "MCRISE"
CAUTION = "MCRISE shows how often chance hid a pixel, times the outputs' mean; RISE subtracts that"


class Arguments(Table):
    """Outputs weighted by what was hidden, less `p1`, each scaled by its own maximum: xaitk's own MC-RISE.

    MC-RISE (Hatakeyama et al. 2020) asks what a colour does where it is painted. A perturbation has one fill, so there
    is one colour, the fill. Outputs that have an offset, as logits and values do, give a map of chance: prefer `RISE`.
    """

    p1: Probability = Field(0.0, description="Probability that a pixel was hidden, taken off each mask.")


def maps(sums: HiddenSums, reference: np.ndarray, perturbed: np.ndarray, arguments: Arguments) -> np.ndarray:
    """Return the weighted sums of outputs, each output divided by its own maximum, (frame, output, cell)."""
    offset = arguments.p1 * perturbed.sum(axis=1, dtype=np.float64)[..., None]
    return over_own_maximum(sums(perturbed) - offset)
