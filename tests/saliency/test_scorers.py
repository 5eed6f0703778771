"""Scorers: equal to xaitk's of the same names, and zero if an agent ignores its input."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.scores import IMAGE, PERTURBERS, SHAPE, outputs
from hypothesis import given, settings
from hypothesis import strategies as st
from searchlight.saliency import plugins
from searchlight.saliency.masks import make_masks
from searchlight.saliency.score import make_scorers
from xaitk_saliency.impls.gen_classifier_conf_sal.mc_rise_scoring import MCRISEScoring

SCORERS = {
    "OcclusionScoring": {},
    "SquaredDifferenceScoring": {},
    "RISEScoring": {"p1": 0.5},
}
OURS = ("SquaredDifference", "RISE")


@pytest.mark.parametrize("perturber", PERTURBERS)
@pytest.mark.parametrize("scorer", SCORERS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**16), actions=st.integers(1, 18), scale=st.sampled_from([0.01, 1.0, 10.0]))
def test_scores_equal_xaitk(perturber: str, scorer: str, seed: int, actions: int, scale: float) -> None:
    masks = make_masks(PERTURBERS[perturber], IMAGE)
    reference, perturbed = outputs(masks, 2, actions, seed, scale)
    plugin = plugins.build("scorer", scorer, SCORERS[scorer])
    dense = masks.dense(0, len(masks)).astype(np.float64)
    maps = make_scorers({scorer: SCORERS[scorer]}, masks).actor(reference, perturbed)
    for frame in range(2):
        of_each = plugin(reference[frame].astype(np.float64), perturbed[frame].astype(np.float64), dense)
        expected = np.abs(of_each).reshape(-1, *SHAPE).sum(axis=0)
        np.testing.assert_allclose(maps[frame], expected, atol=1e-5)


def test_mc_rise_equals_that_of_xaitk_with_one_colour() -> None:
    masks = make_masks(PERTURBERS["rise"], IMAGE)
    reference, perturbed = outputs(masks, 1, 4, 7, 1.0)
    dense = masks.dense(0, len(masks)).astype(np.float64)[None]
    # xaitk's check of a config leaves this scorer out, because it wants masks for each colour.
    (of_each,) = MCRISEScoring(k=1, p1=0.4).generate(reference[0], perturbed[0].astype(np.float64), dense)
    maps = make_scorers({"MCRISE": {"p1": 0.4}}, masks).actor(reference, perturbed)
    np.testing.assert_allclose(maps[0], np.abs(of_each).sum(axis=0), atol=1e-5)


@pytest.mark.parametrize("scorer", ["OcclusionScoring", "RISEScoring"])
def test_critic_map_is_absolute_value(scorer: str) -> None:
    masks = make_masks(PERTURBERS["radial"], IMAGE)
    reference, perturbed = outputs(masks, 1, 1, 9, 1.0)
    signed = plugins.build("scorer", scorer, SCORERS[scorer])(reference[0], perturbed[0], masks.dense(0, len(masks)))
    assert signed.min() < 0
    maps = make_scorers({scorer: SCORERS[scorer]}, masks).actor(reference, perturbed)
    np.testing.assert_allclose(maps[0], np.abs(signed[0]), atol=1e-5)


def test_squared_difference_is_weighted_by_hidden_fraction() -> None:
    masks = make_masks(PERTURBERS["radial"], IMAGE)
    reference, perturbed = outputs(masks, 1, 4, 3, 1.0)
    score = make_scorers({"SquaredDifference": {}}, masks).actor(reference, perturbed)[0]
    hidden = 1 - masks.dense(0, len(masks)).astype(np.float64)
    strength = 0.5 * ((reference[0] - perturbed[0]) ** 2).sum(axis=1)
    expected = np.tensordot(strength, hidden, 1) / hidden.sum(axis=0)
    np.testing.assert_allclose(score, expected, rtol=1e-5)


def test_squared_difference_keeps_magnitude_across_frames() -> None:
    masks = make_masks(PERTURBERS["window"], IMAGE)
    reference, perturbed = outputs(masks, 1, 4, 3, 1.0)
    both = np.concatenate([perturbed, reference[:, None] + 2 * (perturbed - reference[:, None])])
    score = make_scorers({"SquaredDifference": {}}, masks).actor(np.concatenate([reference] * 2), both)
    np.testing.assert_allclose(score[1], 4 * score[0], rtol=1e-4)


@pytest.mark.parametrize("perturber", PERTURBERS)
@pytest.mark.parametrize("scorer", [*OURS, "OcclusionScoring", "SquaredDifferenceScoring"])
@given(offset=st.floats(-50, 50, width=32))
@settings(max_examples=10, deadline=None)
def test_map_of_agent_that_ignores_input_is_zero(perturber: str, scorer: str, offset: float) -> None:
    masks = make_masks(PERTURBERS[perturber], IMAGE)
    reference = np.array([[offset, 3 - offset, 0.1]], np.float32)
    perturbed = np.repeat(reference[:, None], len(masks), axis=1)
    assert not make_scorers({scorer: {}}, masks).actor(reference, perturbed).any()


def test_rise_scoring_shows_chance_for_constant_outputs() -> None:
    masks = make_masks(PERTURBERS["rise"], IMAGE)
    reference = np.full((1, 2), 4, np.float32)
    perturbed = np.repeat(reference[:, None], len(masks), axis=1)
    assert make_scorers({"RISEScoring": {"p1": 0.5}}, masks).actor(reference, perturbed).max() > 0.5


@pytest.mark.parametrize("perturber", PERTURBERS)
@pytest.mark.parametrize("scorer", OURS)
@given(seed=st.integers(0, 2**16), offset=st.floats(-64, 64, width=16))
@settings(max_examples=10, deadline=None)
def test_offset_changes_maps_by_rounding_alone(perturber: str, scorer: str, seed: int, offset: float) -> None:
    masks = make_masks(PERTURBERS[perturber], IMAGE)
    reference, perturbed = outputs(masks, 1, 4, seed, 1.0)
    score = make_scorers({scorer: {}}, masks).actor
    moved = [(array + np.float32(offset)).astype(np.float32) for array in (reference, perturbed)]
    # The tolerance allows for rounding, which is 4e-6 for outputs of up to 70.
    np.testing.assert_allclose(score(*moved), score(reference, perturbed), atol=4e-5)


def test_rise_is_covariance_of_outputs_with_kept_pixels() -> None:
    masks = make_masks(PERTURBERS["rise"], IMAGE)
    reference, perturbed = outputs(masks, 2, 3, 8, 1.0)
    maps = make_scorers({"RISE": {}}, masks).actor(reference, perturbed)
    kept = masks.dense(0, len(masks)).astype(np.float64).reshape(len(masks), -1)
    for frame in range(2):
        both = np.cov(kept, perturbed[frame], rowvar=False, bias=True)[: kept.shape[1], kept.shape[1] :]
        np.testing.assert_allclose(maps[frame].ravel(), np.abs(both).sum(axis=1), atol=1e-6)


@pytest.mark.parametrize("scorer", [*SCORERS, *OURS])
def test_map_without_signal_is_zero(scorer: str) -> None:
    masks = make_masks(PERTURBERS["window"], IMAGE)
    reference = np.zeros((1, 3), np.float32)
    perturbed = np.zeros((1, len(masks), 3), np.float32)
    maps = make_scorers({scorer: SCORERS.get(scorer, {})}, masks).actor(reference, perturbed)
    np.testing.assert_array_equal(maps, np.zeros((1, *SHAPE)))


@pytest.mark.parametrize("perturber", PERTURBERS)
@pytest.mark.parametrize("scorer", [*SCORERS, *OURS])
def test_map_does_not_depend_on_other_frames(perturber: str, scorer: str) -> None:
    masks = make_masks(PERTURBERS[perturber], IMAGE)
    reference, perturbed = outputs(masks, 7, 6, 5, 1.0)
    score = make_scorers({scorer: SCORERS.get(scorer, {})}, masks).actor
    together = score(reference, perturbed)
    alone = np.concatenate([score(reference[i : i + 1], perturbed[i : i + 1]) for i in range(7)])
    np.testing.assert_array_equal(together, alone)
