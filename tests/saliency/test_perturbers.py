"""Perturbers: bit-identical to xaitk's perturbers of the same names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searchlight import registry
from searchlight.saliency import perturbers, plugins
from searchlight.saliency.masks import make_masks

SHAPES = st.tuples(st.integers(6, 40), st.integers(6, 40))
PAIRS = st.lists(st.integers(1, 12), min_size=2, max_size=2)
GRIDS = st.fixed_dictionaries(
    {"n": st.integers(1, 5), "p1": st.floats(0, 1, exclude_min=True, exclude_max=True), "seed": st.integers(0, 99)}
)
PERTURBERS: dict[str, Any] = {
    "SlidingWindow": st.fixed_dictionaries({"window_size": PAIRS, "stride": PAIRS}),
    "SlidingRadial": st.fixed_dictionaries(
        {"radius": PAIRS, "stride": PAIRS, "sigma": st.none() | st.lists(st.integers(1, 5), min_size=2, max_size=2)}
    ),
    "RISEGrid": st.tuples(GRIDS, st.integers(1, 8)).map(lambda pair: {**pair[0], "s": pair[1]}),
    "RandomGrid": st.tuples(GRIDS, PAIRS).map(lambda pair: {**pair[0], "s": pair[1]}),
}


@pytest.mark.parametrize("name", PERTURBERS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_masks_equal_xaitk(name: str, data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    arguments = data.draw(PERTURBERS[name])
    image = np.zeros(shape, np.uint8)
    # One thread, because threads share a generator and the seed would not reproduce the masks.
    threads = {"threads": 0} if "seed" in arguments else {}
    expected = plugins.build("perturber", name, {**arguments, **threads})(image)
    ours = make_masks({name: arguments}, image)
    np.testing.assert_array_equal(ours.dense(0, len(ours)), expected)
    assert ours.binary == bool(np.isin(expected, (0, 1)).all())


def test_all_perturbers_are_compared() -> None:
    assert {*PERTURBERS, "RandomCells"} == set(registry.members(perturbers.FOLDER))


@settings(max_examples=25, deadline=None)
@given(shape=SHAPES, given=st.tuples(GRIDS, PAIRS).map(lambda pair: {**pair[0], "s": pair[1]}))
def test_random_cells_are_hidden_whole(shape: tuple[int, int], given: dict[str, Any]) -> None:
    masks = make_masks({"RandomCells": given}, np.zeros(shape, np.uint8))
    dense = masks.dense(0, len(masks))
    height, width = given["s"]
    assert dense.shape == (given["n"], *shape)
    assert masks.binary
    for top in range(0, shape[0], height):
        for left in range(0, shape[1], width):
            cell = dense[:, top : top + height, left : left + width]
            assert (cell == cell[:, :1, :1]).all()
    again = make_masks({"RandomCells": given}, np.zeros(shape, np.uint8))
    np.testing.assert_array_equal(dense, again.dense(0, len(again)))


def test_random_cells_differ_by_seed_and_keep_their_share() -> None:
    one, other = (
        make_masks({"RandomCells": {"n": 200, "s": [4, 4], "p1": 0.3, "seed": seed}}, np.zeros((40, 40))).dense(0, 200)
        for seed in (0, 1)
    )
    assert (one != other).any()
    assert one.mean() == pytest.approx(0.3, abs=0.02)
    assert one.std(axis=0).min() > 0
