"""Means and rank correlations with intervals, by bootstrap over frames.

Frames that are near in time are near-copies. So frames within ``NEAR`` decisions are drawn together, as blocks. Fewer
than ``ENOUGH`` blocks give no interval.

All samples are computed at once, as counts: how often each frame is in each sample. A mean is then a product of
matrices. A rank correlation sorts only once, because equal frames have equal ranks: the rank of a value is the number
of smaller values in the sample, plus half of the equal ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from searchlight.measures import Row

# Decisions within which frames are drawn together.
NEAR = 30
DRAWS = 2000
# Blocks below which there is no interval, because samples of few blocks are too much alike.
ENOUGH = 5
# Samples whose ranks are in memory together.
BATCH = 200
_SEED = 0


class Drawn(NamedTuple):
    """A number, and what it is in each bootstrap sample.

    Attributes:
        value: of all frames; NaN if there is none.
        samples: (sample,) float64.
    """

    value: float
    samples: np.ndarray

    def minus(self, other: Drawn) -> Drawn:
        """Return the difference, paired by samples; both are of the same frames."""
        return Drawn(self.value - other.value, self.samples - other.samples)

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval; NaN if no sample has a number."""
        found = self.samples[np.isfinite(self.samples)]
        if not len(found) or not np.isfinite(self.value):
            return float("nan"), float("nan")
        low, high = np.percentile(found, [2.5, 97.5])
        return float(low), float(high)

    def row(self, of: str, quantity: str, less: Drawn | None = None, *, frames: int, is_method: bool = True) -> Row:
        """Return the number as a row; ``less`` is its difference from the first method, for other methods alone."""
        row = Row(of, quantity, self.value, *self.interval(), frames=frames, is_method=is_method)
        if less is None:
            return row
        low, high = less.interval()
        return row._replace(less=less.value, less_low=low, less_high=high)


class Samples:
    """Bootstrap samples of frames.

    Attributes:
        counts: (sample, frame) float64, how often each frame is in each sample.
    """

    def __init__(self, time: Sequence[int]) -> None:
        """Draw the samples of the decisions of ``time``; equal decisions give equal samples."""
        drawn = draws(time) if len(blocks(time)) >= ENOUGH else []
        counts = [np.bincount(one, minlength=len(time)) for one in drawn]
        self.counts = np.array(counts, np.float64) if counts else np.zeros((0, len(time)))

    def mean(self, values: np.ndarray) -> Drawn:
        """Return the mean of values (frame,); NaN are left out."""
        kept = np.isfinite(values)
        if not kept.any():
            return Drawn(float("nan"), np.full(len(self.counts), np.nan))
        counts = self.counts[:, kept]
        with np.errstate(invalid="ignore"):
            return Drawn(float(values[kept].mean()), counts @ values[kept] / counts.sum(axis=1))

    def correlation(self, one: np.ndarray, other: np.ndarray) -> Drawn:
        """Return the rank correlation of two arrays, (frame,) or pooled (object, frame); pairs with NaN are left out.

        A frame that is drawn brings all its objects.
        """
        kept = np.isfinite(one) & np.isfinite(other)
        frame = np.nonzero(kept)[-1]
        pair = one[kept], other[kept]
        samples = [
            _correlations(*pair, self.counts[start : start + BATCH, frame])
            for start in range(0, len(self.counts), BATCH)
        ]
        return Drawn(correlation(*pair), np.concatenate(samples) if samples else np.zeros(0))


def _correlations(one: np.ndarray, other: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return Spearman's rank correlation of two arrays (n,) in samples, (sample,); counts are (sample, n)."""
    total = counts.sum(axis=1, keepdims=True)
    if not len(one):
        return np.full(len(counts), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        centred = [
            ranks - (counts * ranks).sum(axis=1, keepdims=True) / total for ranks in _ranks((one, other), counts)
        ]
        first, second = centred
        size = np.sqrt((counts * first**2).sum(axis=1) * (counts * second**2).sum(axis=1))
        found = (counts * first * second).sum(axis=1) / size
    return np.where((total[:, 0] >= 3) & (size > 0), found, np.nan)


def _ranks(arrays: Sequence[np.ndarray], counts: np.ndarray) -> list[np.ndarray]:
    """Return the ranks of arrays (n,) within samples, (sample, n) each; equal values share their mean rank."""
    found = []
    for values in arrays:
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        equal = np.add.reduceat(counts[:, order], starts, axis=1)
        ranks = np.cumsum(equal, axis=1) - equal / 2 + 0.5
        group = np.empty(len(values), np.int64)
        group[order] = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(values))))
        found.append(ranks[:, group])
    return found


def blocks(time: Sequence[int]) -> list[np.ndarray]:
    """Return the indices of the decisions of ``time``, in blocks of ``NEAR`` decisions; each is drawn as a whole."""
    places = np.asarray(time)
    number = (places - (places[0] if len(places) else 0)) // NEAR
    return [np.flatnonzero(number == one) for one in np.unique(number)]


def draws(time: Sequence[int]) -> list[np.ndarray]:
    """Return the indices of ``DRAWS`` samples of frames, drawn in blocks with replacement; the same for equal times."""
    parts, random = blocks(time), np.random.default_rng(_SEED)
    if not parts:
        return []
    drawn = random.integers(0, len(parts), (DRAWS, len(parts)))
    return [np.concatenate([parts[index] for index in row]) for row in drawn]


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rank correlation of two arrays; pairs with NaN are left out; NaN if either is constant."""
    kept = np.isfinite(one) & np.isfinite(other)
    if kept.sum() < 3:
        return float("nan")
    first, second = stats.rankdata(one[kept]), stats.rankdata(other[kept])
    first, second = first - first.mean(), second - second.mean()
    size = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / size) if size > 0 else float("nan")
