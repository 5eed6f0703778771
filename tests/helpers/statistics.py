"""Intervals by one sample after the other, for comparison with those of all samples at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from searchlight.measures._statistics import draws


class Interval(NamedTuple):
    value: float
    low: float
    high: float


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
