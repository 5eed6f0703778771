"""What all scorers are made of: what each mask hid, weighted by what hiding it did to an output, summed over masks."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from searchlight.lazy import numpy as np

if TYPE_CHECKING:
    from scipy import sparse

    from searchlight.saliency.masks import Masks

# Masks whose weights are dense in memory at a time.
DENSE_MASKS = 256
DENSE_BYTES = 64 * 1024**2
# Below this part of masked area a sparse product is the faster one.
SPARSE_DENSITY = 0.25
# Above so many values, a sparse matrix and what it is made from take too much memory.
SPARSE_VALUES = 4_000_000
# Outputs of a network that ignores its input differ by up to 2e-6 of their size between masks, from rounding.
ROUNDING = 5e-6


class HiddenSums:
    """Sums over masks, at each pixel, of what a mask hid there times a weight of that mask.

    Pixels that all masks hide alike have the same sums. They are one cell: a sliding window of 5x5 has 25 times fewer
    cells than pixels, and all scoring is done on cells.

    Attributes:
        coverage: (cell,) sum of what all masks hid; 1 where no mask hides anything, so that it divides.
    """

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        height, width = masks.shape
        self._sparse: sparse.csr_array | None = None
        self._cell_of_pixel = np.arange(height * width)
        if masks.in_memory and masks.density < SPARSE_DENSITY and masks.size < SPARSE_VALUES:
            self._sparse, self._cell_of_pixel = _cells(_sparse_hidden(masks))
        # Dense weights that fit are made once; others are made again for each run of frames.
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
            # Frame by frame: a product's rounding may depend on its shape, and frames must not matter.
            for frame in range(frames):
                sums[frame] += weights[frame, start:stop].astype(np.float64).T @ hidden
        return sums

    def _hidden(self, start: int) -> np.ndarray:
        """Return what ``DENSE_MASKS`` masks hide, (mask, pixel) float64."""
        stop = min(start + DENSE_MASKS, len(self._masks))
        return 1.0 - self._masks.dense(start, stop).reshape(stop - start, -1).astype(np.float64)

    def on_pixels(self, cells: np.ndarray) -> np.ndarray:
        """Return maps of cells, (…, cell), as maps of pixels, (…, height, width)."""
        return cells[..., self._cell_of_pixel].reshape(*cells.shape[:-1], *self._masks.shape)


def _sparse_hidden(masks: Masks) -> sparse.csr_array:
    """Return what masks hide, (pixel, mask) float64."""
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
    """Return the distinct rows of a matrix, and which of them each row is."""
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
    """Divide each map, along the last axis, by its largest absolute value; zeros stay."""
    largest = np.abs(maps).max(axis=-1, keepdims=True)
    return maps / np.where(largest == 0, 1, largest)


def half_squares(sums: HiddenSums, changes: np.ndarray) -> np.ndarray:
    """Return half the squares of changes (frame, mask, output), summed over outputs: (frame, 1, cell) float64.

    Masks count by how much of a cell they hide.
    """
    return sums(0.5 * (changes**2).sum(axis=2, keepdims=True)) / sums.coverage


def changes_of(reference: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
    """Return what masks change in the outputs, (frame, mask, output); what may be the network's rounding is 0.

    Otherwise ``scale: frame`` would show rounding as a map, where an agent ignores what is hidden.
    """
    changes = perturbed - reference[:, None]
    size = np.maximum(np.abs(reference).max(axis=1), 1)[:, None, None]
    return np.where(np.abs(changes) <= ROUNDING * size, 0, changes)
