"""Intervals by bootstrap over blocks of frames, and rank correlations."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.statistics import interval, mean_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from searchlight.measures import _statistics as statistics
from searchlight.measures._statistics import Samples, blocks, correlation, draws

QUICK = settings(max_examples=25, deadline=None)
TIMES = st.lists(st.integers(0, 3000), min_size=1, max_size=40, unique=True).map(sorted)
NUMBERS = st.lists(st.integers(-4, 4).map(float) | st.just(float("nan")), min_size=1, max_size=30)
NAN = float("nan")


def of_mean(values: np.ndarray, time: list[int]) -> tuple[float, float, float]:
    """Return a mean and its interval, by all samples at once."""
    mean = Samples(time).mean(values)
    return (mean.value, *mean.interval())


@given(TIMES)
@QUICK
def test_blocks_hold_each_frame_once_and_frames_that_are_near_together(time: list[int]) -> None:
    found = blocks(time)
    assert np.concatenate(found).tolist() == list(range(len(time)))
    assert all(len(part) for part in found)
    starts = [(time[part[0]] - time[0]) // statistics.NEAR for part in found]
    assert starts == sorted(set(starts))
    for part, start in zip(found, starts, strict=True):
        first = time[0] + start * statistics.NEAR
        assert all(first <= time[index] < first + statistics.NEAR for index in part)


def test_blocks_are_counted_from_the_first_frame() -> None:
    assert [part.tolist() for part in blocks([100, 101, 129, 130, 189, 190])] == [[0, 1, 2], [3], [4], [5]]
    assert blocks([]) == []


@given(TIMES)
@settings(max_examples=5, deadline=None)
def test_draws_are_whole_blocks_and_the_same_again(time: list[int]) -> None:
    parts, found = blocks(time), draws(time)
    assert len(found) == statistics.DRAWS
    again = draws(np.array(time).tolist())
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one, other)
    of_frame = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    for one in found[:50]:
        counts = np.bincount(one, minlength=len(time))
        drawn = np.array([counts[part[0]] for part in parts])
        np.testing.assert_array_equal(counts, drawn[of_frame])
        assert drawn.sum() == len(parts)


def test_draws_do_not_depend_on_global_state_nor_on_when_the_frames_begin() -> None:
    first = draws(range(0, 400, 10))
    np.random.seed(7)  # noqa: NPY002
    for one, other in zip(first, draws(range(1000, 1400, 10)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert draws([]) == []


def test_interval_covers_the_true_mean() -> None:
    """Of 40 episodes of 30 blocks, 95 % of the intervals hold the true mean, within chance."""
    random = np.random.default_rng(0)
    time = np.repeat(np.arange(30) * statistics.NEAR, 4) + np.tile(np.arange(4), 30)
    held = {"blocks": 0, "frames": 0}
    for _ in range(40):
        # Frames of a block are near-copies.
        values = np.repeat(random.normal(5, 1, 30), 4) + random.normal(0, 0.1, 120)
        for name, times in (("blocks", time), ("frames", np.arange(120) * statistics.NEAR)):
            mean = Samples(times.tolist()).mean(values)
            value, (low, high) = mean.value, mean.interval()
            assert low < value < high
            held[name] += low <= 5 <= high
    assert held["blocks"] >= 34
    assert held["frames"] < held["blocks"] - 5, "near-copies drawn one by one make intervals too narrow"


def test_interval_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(1).normal(0, 1, 200)
    value, low, high = interval(mean_of(values), np.arange(200) * statistics.NEAR)
    assert value == pytest.approx(values.mean())
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 200**0.5, rel=0.06)


@pytest.mark.parametrize("count", [1, statistics.ENOUGH - 1])
def test_few_blocks_have_no_interval(count: int) -> None:
    time = [statistics.NEAR * (index % count) + index // count for index in range(3 * count)]
    mean = Samples(sorted(time)).mean(np.arange(3.0 * count))
    assert mean.value == (3 * count - 1) / 2
    assert np.isnan(mean.interval()).all()
    correlation_of = Samples(sorted(time)).correlation(np.arange(3.0 * count), np.arange(3.0 * count))
    assert (correlation_of.value, *map(np.isnan, correlation_of.interval())) == (pytest.approx(1), True, True)


@given(NUMBERS, st.integers(1, 40))
@settings(max_examples=10, deadline=None)
def test_values_that_are_no_numbers_are_left_out(values: list[float], apart: int) -> None:
    time = [apart * number for number in range(len(values))]
    found = interval(mean_of(np.array(values)), time)
    kept = [value for value in values if value == value]
    if not kept:
        assert np.isnan(found).all()
        assert np.isnan(of_mean(np.array(values), time)).all()
        return
    assert found.value == pytest.approx(np.mean(kept))
    assert min(kept) <= found.low <= found.high <= max(kept)
    mean, low, high = of_mean(np.array(values), time)
    assert mean == pytest.approx(found.value)
    if len(blocks(time)) >= statistics.ENOUGH:
        np.testing.assert_allclose((low, high), found[1:], atol=1e-12)


def test_nothing_has_no_interval() -> None:
    nothing = np.array([])
    assert np.isnan(interval(mean_of(nothing), [])).all()
    assert np.isnan(of_mean(nothing, [])).all()


def test_draws_without_a_number_are_left_out() -> None:
    """As of a statistic that needs two different frames."""
    time = np.arange(3) * statistics.NEAR

    def of_several(indices: np.ndarray) -> float:
        return float(len(set(indices.tolist()))) if len(set(indices.tolist())) > 1 else NAN

    value, low, high = interval(of_several, time)
    assert (value, low, high) == (3, 2, 3)


PAIRS = st.lists(
    st.tuples(*[st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6) | st.just(NAN)] * 2), min_size=0, max_size=40
)


@given(PAIRS)
@settings(max_examples=100, deadline=None)
def test_correlation_is_that_of_scipy(pairs: list[tuple[float, float]]) -> None:
    one, other = np.array(pairs).reshape(-1, 2).T
    found = correlation(one, other)
    kept = np.array([pair for pair in pairs if not np.isnan(pair).any()]).reshape(-1, 2)
    if len(kept) < 3 or (kept == kept[0]).all(axis=0).any():
        assert np.isnan(found)
        return
    assert -1 <= found <= 1
    assert found == pytest.approx(spearmanr(*kept.T).statistic, abs=1e-12)
    assert found == correlation(other, one)
    assert found == pytest.approx(-correlation(one, -other))


def test_correlation_of_ranks_and_not_of_values() -> None:
    one = np.array([1, 2, 3, 4, NAN, 9])
    assert correlation(one, np.exp(one)) == pytest.approx(1)
    assert correlation(one, -(one**3)) == pytest.approx(-1)
    assert np.isnan(correlation(one, np.full(6, 2.5)))
    assert np.isnan(correlation(one[:2], one[:2]))
    maps = np.arange(12.0).reshape(3, 4)
    assert correlation(maps, maps.T.copy().reshape(3, 4)) == pytest.approx(
        spearmanr(maps.ravel(), maps.T.ravel()).statistic
    )


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
    row = second.row("other", "number", SAMPLES.mean(values + 1 - values), frames=FRAMES)
    assert row.high - row.low > 10
    assert (row.less, row.less_low, row.less_high) == pytest.approx((1, 1, 1))
    assert np.isnan(first.row("first", "number", frames=FRAMES).less)


def test_constant_values_have_no_correlation() -> None:
    found = SAMPLES.correlation(np.ones(FRAMES), np.arange(FRAMES))
    assert np.isnan(found.value)
    assert np.isnan(found.samples).all()
    assert np.isnan(found.interval()).all()
