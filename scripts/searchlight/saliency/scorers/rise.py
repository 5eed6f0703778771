"""RISE by covariance."""

from __future__ import annotations

from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np
from searchlight.saliency.hidden_sums import HiddenSums, changes_of

NAME = "RISE"
SIGNED = True


class Arguments(Table):
    """How each output goes with whether a pixel was kept: their covariance over the masks. For random masks.

    It is RISE (Petsiuk et al. 2018) with each output's mean over the masks taken off first. Without that, a map shows
    how often a pixel was kept by chance, times the output's mean.
    """


def maps(sums: HiddenSums, reference: np.ndarray, perturbed: np.ndarray, arguments: Arguments) -> np.ndarray:
    """Return the covariances of outputs with kept pixels, (frame, output, cell)."""
    # The covariance is 1/n sum_i mask_i (f_i - mean f) = -1/n sum_i (1 - mask_i) (f_i - mean f). The reference is
    # subtracted before the mean, so that outputs which never change give exact zeros.
    changes = changes_of(reference, perturbed).astype(np.float64)
    changes -= changes.mean(axis=1, keepdims=True)
    return -sums(changes) / perturbed.shape[1]
