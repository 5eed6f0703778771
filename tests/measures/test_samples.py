"""Bootstrap samples all at once, against one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searchlight.measures._samples import Samples
from searchlight.measures._statistics import correlation, draws, interval, mean_of

FRAMES = 12
TIME = list(range(0, 20 * FRAMES, 20))
SAMPLES = Samples(TIME)
# Few values, so that many are equal.
VALUES = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 7.0, np.nan]), min_size=2 * FRAMES, max_size=2 * FRAMES)


@settings(max_examples=10, deadline=None)
@given(VALUES, VALUES)
def test_correlations_are_those_of_the_drawn_frames(one: list[float], other: list[float]) -> None:
    first, second = (np.array(values).reshape(2, FRAMES) for values in (one, other))
    found = SAMPLES.correlation(first, second)
    expected = [correlation(first[:, indices].ravel(), second[:, indices].ravel()) for indices in draws(TIME)[:300]]
    if len(found.samples):
        np.testing.assert_allclose(found.samples[:300], expected, atol=1e-12)
    else:
        assert np.isnan(expected).all()
    np.testing.assert_equal(found.value, correlation(first.ravel(), second.ravel()))


@settings(max_examples=10, deadline=None)
@given(VALUES.map(lambda values: np.array(values[:FRAMES])))
def test_means_and_intervals_are_those_of_the_drawn_frames(values: np.ndarray) -> None:
    found, expected = SAMPLES.mean(values), interval(mean_of(values), TIME)
    np.testing.assert_allclose([found.value, *found.interval()], expected, atol=1e-12)


def test_difference_is_paired_by_frames() -> None:
    values = np.linspace(0, 100, FRAMES)
    first, second = SAMPLES.mean(values), SAMPLES.mean(values + 1)
    row = second.row("other", "number", first, FRAMES)
    assert row.high - row.low > 10
    assert (row.less, row.less_low, row.less_high) == pytest.approx((1, 1, 1))
    assert np.isnan(first.row("first", "number", None, FRAMES).less)


def test_constant_values_have_no_correlation() -> None:
    found = SAMPLES.correlation(np.ones(FRAMES), np.arange(FRAMES))
    assert np.isnan(found.value)
    assert np.isnan(found.samples).all()
    assert np.isnan(found.interval()).all()
