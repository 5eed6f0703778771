"""LIME: a linear model of the outputs around the frame (Ribeiro et al., KDD 2016, arXiv 1602.04938)."""

from __future__ import annotations

from functools import lru_cache

from pydantic import Field

from searchlight.config.arguments import PositiveFloat, Table
from searchlight.lazy import numpy as np
from searchlight.saliency.hidden_sums import HiddenSums, changes_of

NAME = "LIME"
PERTURBERS = ("RandomCells",)
SIGNED = True


class Arguments(Table):
    """The weight of each cell in a linear model of each output, fitted to random cells (Ribeiro et al. 2016).

    A ridge regression on which cells were kept, for masks of `RandomCells` alone. The more a mask keeps, the more it
    counts: exp(-(d / `kernel_width`)² / 2), where d is the cosine distance between its cells and all cells. The
    unperturbed frame is one more sample.
    """

    kernel_width: PositiveFloat = Field(0.25, description="Width of the kernel by which samples count.")
    alpha: PositiveFloat = Field(1.0, description="Strength of the ridge.")


def maps(sums: HiddenSums, reference: np.ndarray, perturbed: np.ndarray, arguments: Arguments) -> np.ndarray:
    """Return the weight of each cell, (frame, output, cell); positive where the cell raises the output."""
    solution, feature_of_cell = _solution(sums, arguments.kernel_width, arguments.alpha)
    changes = changes_of(reference, perturbed).astype(np.float64)
    # One product for each frame, because rounding may depend on the product's shape.
    return np.stack([(solution @ frame).T for frame in changes])[..., feature_of_cell]


@lru_cache(maxsize=1)
def _solution(sums: HiddenSums, kernel_width: float, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix that turns changes under masks into weights of features, and the feature of each cell.

    A feature is a cell of the masks' grid. The unperturbed frame, the first sample, has no change and hence no column
    in the matrix (feature, mask).
    """
    hides = sums.hides()
    rows, columns = _starts(hides), _starts(hides.transpose(0, 2, 1))
    hidden = hides[:, rows[:, None], columns].reshape(len(hides), -1)
    kept = np.vstack([np.ones((1, hidden.shape[1])), ~hidden])
    distance = 1 - np.sqrt(kept.mean(axis=1))
    weights = np.exp(-((distance / kernel_width) ** 2) / 2)
    roots = np.sqrt(weights)
    # The intercept is taken out by weighted means.
    centred = roots[:, None] * (kept - weights @ kept / weights.sum())
    samples, features = centred.shape
    if features <= samples:
        solution = np.linalg.solve(centred.T @ centred + alpha * np.eye(features), centred.T * roots)
    else:
        solution = centred.T @ np.linalg.solve(centred @ centred.T + alpha * np.eye(samples), np.diag(roots))
    row_of_pixel, column_of_pixel = np.divmod(sums.pixel_of_cell, hides.shape[2])
    in_row = np.searchsorted(rows, row_of_pixel, side="right") - 1
    in_column = np.searchsorted(columns, column_of_pixel, side="right") - 1
    return solution[:, 1:], in_row * len(columns) + in_column


def _starts(hides: np.ndarray) -> np.ndarray:
    """Return the first row of each row of a grid's cells: those at which a mask (mask, row, column) changes."""
    changes = (hides[:, 1:] != hides[:, :-1]).any(axis=(0, 2))
    return np.concatenate([[0], 1 + np.flatnonzero(changes)])
