"""Intervals by bootstrap over frames, and rank correlations.

Frames that are near in time are near-copies. So frames within ``NEAR`` decisions are drawn together, as blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

# Decisions within which frames are drawn together.
NEAR = 30
DRAWS = 2000
_SEED = 0


class Interval(NamedTuple):
    """A number with its 95 % interval; all NaN if there is nothing to compute it from."""

    value: float
    low: float
    high: float


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


def interval(statistic: Callable[[np.ndarray], float], time: Sequence[int]) -> Interval:
    """Return a statistic and its 95 % interval.

    Args:
        statistic: takes indices of frames, and returns a number; NaN if these frames have none.
        time: the decisions of the frames.
    """
    if not len(time):
        return Interval(*[float("nan")] * 3)
    found = np.array([statistic(indices) for indices in draws(time)])
    found = found[np.isfinite(found)]
    low, high = np.percentile(found, [2.5, 97.5]) if len(found) else (np.nan, np.nan)
    return Interval(float(statistic(np.arange(len(time)))), float(low), float(high))


def mean_of(values: np.ndarray) -> Callable[[np.ndarray], float]:
    """Return the statistic of the mean of values (frame,); NaN are left out."""

    def mean(indices: np.ndarray) -> float:
        found = values[indices]
        found = found[np.isfinite(found)]
        return float(found.mean()) if len(found) else float("nan")

    return mean


def mean_interval(values: np.ndarray, time: Sequence[int]) -> Interval:
    """Return what ``interval(mean_of(values), time)`` gives, in a hundredth of the time."""
    parts = blocks(time)
    if not parts:
        return Interval(*[float("nan")] * 3)
    kept = np.isfinite(values)
    sums, counts = (
        np.array([array[part].sum() for part in parts]) for array in (np.where(kept, values, 0.0), kept.astype(float))
    )
    drawn = np.random.default_rng(_SEED).integers(0, len(parts), (DRAWS, len(parts)))
    with np.errstate(invalid="ignore"):
        found = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
        value = sums.sum() / counts.sum()
    found = found[np.isfinite(found)]
    low, high = np.percentile(found, [2.5, 97.5]) if len(found) else (np.nan, np.nan)
    return Interval(float(value), float(low), float(high))


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rank correlation of two arrays; pairs with NaN are left out; NaN if either is constant."""
    kept = np.isfinite(one) & np.isfinite(other)
    if kept.sum() < 3:
        return float("nan")
    first, second = stats.rankdata(one[kept]), stats.rankdata(other[kept])
    first, second = first - first.mean(), second - second.mean()
    size = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / size) if size > 0 else float("nan")
