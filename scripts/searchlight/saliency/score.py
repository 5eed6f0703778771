"""From responses to saliency maps: cheap, and without the network.

The scorers of xaitk-saliency that a config is likely to name are computed here for all outputs at once, equal to
xaitk's own; any other runs through xaitk's interface. One sum underlies them all: what each mask hid, weighted by
what hiding it did to an output.

A map of the actor is the sum of its outputs' absolute maps, a map of the critic the absolute of its one, as in the
XAITK notebook. A map with no signal is zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from searchlight.agents import preprocessings
from searchlight.errors import SearchlightError
from searchlight.saliency import plugins
from searchlight.saliency.masks import Masks
from searchlight.saliency.perturbation import masks_of
from searchlight.store.blocks import runs
from searchlight.store.zarr import CHUNK_FRAMES, create, load

# Masks whose weights are dense in memory at a time.
DENSE_MASKS = 256
DENSE_BYTES = 64 * 1024**2
# Below this part of masked area a sparse product is the faster one.
SPARSE_DENSITY = 0.25
# Above so many values, a sparse matrix and what it is made from take too much memory.
SPARSE_VALUES = 4_000_000
# Outputs of a network that ignores its input differ by up to 2e-6 of their size between masks, from rounding.
ROUNDING = 5e-6

Scorer = Callable[[np.ndarray, np.ndarray], np.ndarray]


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


def _over_own_maximum(maps: np.ndarray) -> np.ndarray:
    """Divide each map, along the last axis, by its largest absolute value; zeros stay."""
    largest = np.abs(maps).max(axis=-1, keepdims=True)
    return maps / np.where(largest == 0, 1, largest)


def _occlusion(sums: HiddenSums, reference: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
    # The difference in the outputs' own precision, as xaitk takes it.
    return _over_own_maximum(sums(reference[:, None] - perturbed) / sums.coverage)


def _rise(sums: HiddenSums, _reference: np.ndarray, perturbed: np.ndarray, p1: float) -> np.ndarray:
    # sum_i (mask_i - p1) f_i = (1 - p1) sum_i f_i - sum_i (1 - mask_i) f_i
    return _over_own_maximum((1 - p1) * perturbed.sum(axis=1, dtype=np.float64)[..., None] - sums(perturbed))


def _rise_centred(sums: HiddenSums, reference: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
    # The covariance is 1/n sum_i mask_i (f_i - mean f) = -1/n sum_i (1 - mask_i) (f_i - mean f). The reference is taken
    # off before the mean, so that outputs which never change are exact zeros.
    changes = _changes(reference, perturbed).astype(np.float64)
    changes -= changes.mean(axis=1, keepdims=True)
    return -sums(changes) / perturbed.shape[1]


def _squared_difference(sums: HiddenSums, reference: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
    return _half_squares(sums, _changes(reference, perturbed))


def _half_squares(sums: HiddenSums, changes: np.ndarray) -> np.ndarray:
    return sums(0.5 * (changes**2).sum(axis=2, keepdims=True)) / sums.coverage


def _changes(reference: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
    """Return what masks change in the outputs, (frame, mask, output); what may be the network's rounding is 0.

    Otherwise ``scale: frame`` would show rounding as a map, where an agent ignores what is hidden.
    """
    changes = perturbed - reference[:, None]
    size = np.maximum(np.abs(reference).max(axis=1), 1)[:, None, None]
    return np.where(np.abs(changes) <= ROUNDING * size, 0, changes)


def _squared_difference_stretched(sums: HiddenSums, reference: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
    maps = _half_squares(sums, perturbed - reference[:, None])
    return _over_own_maximum(maps - maps.min(axis=-1, keepdims=True))


# The scorers that are vectorised: maps (frame, output or 1, cell) of reference (frame, output) and perturbed
# (frame, mask, output) outputs.
_VECTORISED: dict[str, Callable[..., np.ndarray]] = {
    "OcclusionScoring": _occlusion,
    "RISE": _rise_centred,
    "RISEScoring": _rise,
    "SquaredDifferenceScoring": _squared_difference_stretched,
    "SquaredDifference": _squared_difference,
}


def _through_xaitk(masks: Masks, name: str, arguments: dict[str, Any]) -> Scorer:
    plugin = plugins.build("scorer", name, arguments)
    dense = masks.dense(0, len(masks))

    def score(reference: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
        maps = [np.asarray(plugin(ref, outputs, dense)) for ref, outputs in zip(reference, perturbed, strict=True)]
        for one in maps:
            if one.dtype.kind not in "buif":
                raise SearchlightError(f"{name}: found a map of type {one.dtype}, allowed: numbers")
            if one.ndim not in (2, 3) or one.shape[-2:] != masks.shape or not one.size:
                height, width = masks.shape
                raise SearchlightError(
                    f"{name}: found a map of the shape {one.shape}, allowed: ({height}, {width}) or (1 or more, "
                    f"{height}, {width})"
                )
        summed = np.stack([np.abs(one).reshape(-1, *masks.shape).sum(axis=0) for one in maps])
        return np.where(np.isfinite(summed), summed, 0).astype(np.float32)

    return score


def make_scorer(scorer: dict[str, dict[str, Any]], masks: Masks) -> Scorer:
    """Return a function that makes saliency maps.

    Args:
        scorer: ``{NAME: {argument: value}}`` as ``searchlight.saliency.plugins.check`` returns it.
        masks: those of the perturbation.

    Returns:
        A function of reference outputs (frame, output) and perturbed outputs (frame, mask, output) that returns one
        map a frame, (frame, height, width) float32: the sum over outputs of the absolute maps.

    Raises:
        SearchlightError: the plug-in cannot be built.
    """
    ((name, arguments),) = scorer.items()
    if name not in _VECTORISED:
        return _through_xaitk(masks, name, arguments)
    sums, maps = HiddenSums(masks), _VECTORISED[name]

    def score(reference: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
        cells = np.abs(maps(sums, reference, perturbed, **arguments)).sum(axis=1)
        return sums.on_pixels(cells.astype(np.float32))

    return score


def score_block(responses_path: str | Path, output: str | Path, *, scorer: dict[str, dict[str, Any]]) -> None:
    """Write the saliency maps of one block.

    Args:
        responses_path: store written by ``searchlight.saliency.perturb``.
        output: path of the store to write: ``actor`` and ``critic``, (frame, y, x) float32 as the scorer gives
            them, in the perturbed image's own size, ``actor_peak`` and ``critic_peak`` (frame,) float32, their
            largest values, ``effective_masks`` as the responses have them, and ``frame``. The attribute
            ``coverage`` is the part of the pixels that the agent sees which some mask hides.
        scorer: of the config.

    Raises:
        SearchlightError: a plug-in cannot be built, or makes no masks or no maps.
    """
    with load(responses_path) as responses, create(output) as writer:
        perturbation = responses.attributes["perturbation"]
        preprocessing = preprocessings.build(
            responses.attributes["preprocessing"], tuple(responses.attributes["screen"])
        )
        masks = masks_of(perturbation, preprocessing)
        score = make_scorer(scorer, masks)
        frames = responses.read("frame")
        arrays = {
            name: writer.array(name, ("frame", "y", "x"), masks.shape, np.float32, (CHUNK_FRAMES, *masks.shape))
            for name in ("actor", "critic")
        }
        peaks = {name: writer.array(f"{name}_peak", ("frame",), (), np.float32, (len(frames),)) for name in arrays}
        for rows in runs(0, len(frames), CHUNK_FRAMES):
            logits, value = responses.read("logits", rows), responses.read("value", rows)
            reference_logits = responses.read("reference_logits", rows)
            reference_value = responses.read("reference_value", rows)
            maps = {
                "actor": score(reference_logits, logits),
                "critic": score(reference_value[:, None], value[..., None]),
            }
            for name, array in arrays.items():
                array.append(maps[name])
                peaks[name].append(maps[name].max(axis=(1, 2)))
        for name in ("effective_masks", "frame"):
            writer.array(name, ("frame",), (), np.int64, (len(frames),)).append(responses.read(name))
        top, bottom, left, right = preprocessing.seen
        covered = masks.covered
        if perturbation["space"] == "screen":
            covered = covered[top:bottom, left:right]
        writer.attributes({**responses.attributes, "scorer": scorer, "coverage": float(covered.mean())})
