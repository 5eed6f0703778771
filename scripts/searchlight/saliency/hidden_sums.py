"""Sums over masks of hidden pixels, weighted by the effect on an output; all scorers are built from them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from searchlight.lazy import numpy as np

if TYPE_CHECKING:
    from scipy import sparse

    from searchlight.saliency.masks import Masks

# Number of masks, and bytes of masks, held as dense arrays at a time.
DENSE_MASKS = 256
DENSE_BYTES = 64 * 1024**2
# Masks of a lower density use a sparse product, because it is faster for them.
SPARSE_DENSITY = 0.25
# Masks with more values use dense products, because building a sparse matrix takes too much memory.
SPARSE_VALUES = 4_000_000
# Rounding threshold: outputs of a network that ignores its input differ by up to 2e-6 of their size.
ROUNDING = 5e-6


class HiddenSums:
    """Sums over masks, at each pixel, of the hidden fraction times a weight of the mask.

    Pixels that every mask hides equally have the same sums and form one cell. Scoring works on cells, because a sliding
    window with a stride of 5x5 has 25 times fewer cells than pixels.

    Attributes:
        coverage: (cell,) float64, sum of hidden fractions; 1 if no mask hides the cell, because scorers divide by it.
    """

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        height, width = masks.shape
        self._sparse: sparse.csr_array | None = None
        self._cell_of_pixel = np.arange(height * width)
        if masks.in_memory and masks.density < SPARSE_DENSITY and masks.size < SPARSE_VALUES:
            self._sparse, self._cell_of_pixel = _cells(_sparse_hidden(masks))
        # Dense masks that fit in memory are made once; others are made again for each run of frames.
        fit = self._sparse is None and 8 * len(masks) * height * width <= DENSE_BYTES
        self._held = [self._hidden(start) for start in range(0, len(masks), DENSE_MASKS)] if fit else None
        coverage = self(np.ones((1, len(masks), 1)))[0, 0]
        self.coverage = np.where(coverage == 0, 1, coverage)

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Return sum_i (1 - mask_i) weight_i.

        Args:
            weights: (frame, mask, output).

        Returns:
            (frame, output, cell) float64; each frame's sums depend on its own weights alone.
        """
        frames, _, outputs = weights.shape
        if self._sparse is not None:
            columns = weights.astype(np.float64).transpose(1, 0, 2).reshape(len(self._masks), -1)
            return (self._sparse @ columns).T.reshape(frames, outputs, -1)
        sums = np.zeros((frames, outputs, len(self._cell_of_pixel)))
        for start in range(0, len(self._masks), DENSE_MASKS):
            stop = min(start + DENSE_MASKS, len(self._masks))
            hidden = self._hidden(start) if self._held is None else self._held[start // DENSE_MASKS]
            # One product for each frame, because rounding may depend on the product's shape.
            for frame in range(frames):
                sums[frame] += weights[frame, start:stop].astype(np.float64).T @ hidden
        return sums

    def _hidden(self, start: int) -> np.ndarray:
        """Return the hidden fractions of ``DENSE_MASKS`` masks, (mask, pixel) float64."""
        stop = min(start + DENSE_MASKS, len(self._masks))
        return 1.0 - self._masks.dense(start, stop).reshape(stop - start, -1).astype(np.float64)

    def hides(self) -> np.ndarray:
        """Return which masks hide which pixels, fully or in part, (mask, height, width) bool."""
        starts = range(0, len(self._masks), DENSE_MASKS)
        return np.concatenate([self._masks.dense(at, min(at + DENSE_MASKS, len(self._masks))) < 1 for at in starts])

    @property
    def pixel_of_cell(self) -> np.ndarray:
        """Index of the first pixel of each cell, (cell,), in an image of one row."""
        return np.unique(self._cell_of_pixel, return_index=True)[1]

    def on_pixels(self, cells: np.ndarray) -> np.ndarray:
        """Return maps of cells, (…, cell), as maps of pixels, (…, height, width)."""
        return cells[..., self._cell_of_pixel].reshape(*cells.shape[:-1], *self._masks.shape)


def _sparse_hidden(masks: Masks) -> sparse.csr_array:
    """Return the hidden fractions of masks, (pixel, mask) float64."""
    from scipy import sparse

    height, width = masks.shape
    pixels, values, counts = [], [], []
    for index in range(len(masks)):
        top, bottom, left, right = masks.boxes[index]
        hidden = 1.0 - masks.values(index).astype(np.float64)
        pixels.append((np.arange(top, bottom)[:, None] * width + np.arange(left, right)).ravel())
        values.append(hidden.ravel())
        counts.append(hidden.size)
    columns = np.repeat(np.arange(len(masks)), counts)
    shape = (height * width, len(masks))
    return sparse.csr_array((np.concatenate(values), (np.concatenate(pixels), columns)), shape=shape)


def _cells(hidden: sparse.csr_array) -> tuple[sparse.csr_array, np.ndarray]:
    """Return the distinct rows of a matrix, and for each row the index of its distinct row."""
    numbers: dict[bytes, int] = {}
    first_pixels, cell_of_pixel = [], np.empty(hidden.shape[0], np.int64)
    for pixel, (start, stop) in enumerate(pairwise(hidden.indptr)):
        key = hidden.indices[start:stop].tobytes() + hidden.data[start:stop].tobytes()
        if key not in numbers:
            numbers[key] = len(numbers)
            first_pixels.append(pixel)
        cell_of_pixel[pixel] = numbers[key]
    return hidden[first_pixels], cell_of_pixel


def over_own_maximum(maps: np.ndarray) -> np.ndarray:
    """Divide each map, along the last axis, by its largest absolute value; all-zero maps stay zero."""
    largest = np.abs(maps).max(axis=-1, keepdims=True)
    return maps / np.where(largest == 0, 1, largest)


def half_squares(sums: HiddenSums, changes: np.ndarray) -> np.ndarray:
    """Return half the squares of changes (frame, mask, output), summed over outputs: (frame, 1, cell) float64."""
    return mean_over_masks(sums, 0.5 * (changes**2).sum(axis=2))


def mean_over_masks(sums: HiddenSums, strengths: np.ndarray) -> np.ndarray:
    """Return the mean of the masks' strengths (frame, mask) at each cell, (frame, 1, cell) float64.

    Each mask is weighted by the fraction of a cell that it hides.
    """
    return sums(strengths[..., None]) / sums.coverage


def changes_of(reference: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
    """Return the changes of outputs under masks, (frame, mask, output); changes within rounding are set to 0.

    Otherwise ``scale: frame`` would show rounding as a map if an agent ignores the hidden pixels.
    """
    changes = perturbed - reference[:, None]
    if changes.dtype == np.float64:  # made by searchlight.saliency.outputs, which sets rounding to no change itself
        return changes
    size = np.maximum(np.abs(reference).max(axis=1), 1)[:, None, None]
    return np.where(np.abs(changes) <= ROUNDING * size, 0, changes)
