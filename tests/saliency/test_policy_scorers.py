"""Scorers of policies: equal to their definitions, and finite where the policy is certain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.scores import IMAGE, PERTURBERS, outputs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy
from searchlight.saliency import scorers
from searchlight.saliency.masks import Masks, make_masks
from searchlight.saliency.outputs import compared
from searchlight.saliency.score import make_scorers
from searchlight.saliency.scorers.sarfa import scores

NAMES = ("SARFA", "TotalVariation", "KL")


def strength(name: str, before: np.ndarray, after: np.ndarray) -> float:
    """Return what a mask counts for, by the definition, from the probabilities (action,)."""
    if name == "TotalVariation":
        return float(np.abs(before - after).sum() / 2)
    if name == "KL":
        return float(entropy(before, after))
    chosen = before.argmax()
    drop = before[chosen] - after[chosen]
    if drop <= 0:
        return 0.0
    kept = 1 / (1 + entropy(np.delete(before, chosen), np.delete(after, chosen)))  # scipy divides by their sums
    return float(2 * kept * drop / (kept + drop))


def actor_maps(name: str, masks: Masks, reference: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
    spec: dict[str, Any] = {name: {}}
    made = compared(reference, perturbed, "logits", scorers.told(spec, "OUTPUT"))
    return make_scorers(spec, masks).actor(*made)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("perturber", ["window", "radial"])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**16), actions=st.integers(2, 18), scale=st.sampled_from([0.1, 1.0, 5.0]))
def test_map_equals_definition(name: str, perturber: str, seed: int, actions: int, scale: float) -> None:
    masks = make_masks(PERTURBERS[perturber], IMAGE)
    reference, perturbed = outputs(masks, 2, actions, seed, scale)
    before, after = (softmax(array.astype(np.float64), axis=-1) for array in (reference, perturbed))
    hidden = 1 - masks.dense(0, len(masks)).astype(np.float64)
    maps = actor_maps(name, masks, reference, perturbed)
    for frame in range(2):
        each = np.array([strength(name, before[frame], one) for one in after[frame]])
        covered = hidden.sum(axis=0)
        expected = np.tensordot(each, hidden, 1) / np.where(covered == 0, 1, covered)
        np.testing.assert_allclose(maps[frame], expected, atol=1e-5)
    assert maps.any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "logits",
    [
        [[1e4, 0, -5], [-1e4, 0, 9]],  # the others' probabilities are too small for a number
        [[800, 0, 0], [800, 700, -700]],
        [[1e30, -1e30, 0], [-1e30, 1e30, 0]],
        [[0, 0, 0], [0, 0, 0]],
        [[5, 5, 5], [5, 5, -1e30]],
    ],
    ids=str,
)
def test_extreme_policies_have_finite_maps(name: str, logits: list[list[float]]) -> None:
    masks = make_masks(PERTURBERS["window"], IMAGE)
    reference = np.array([logits[0]], np.float32)
    perturbed = np.repeat(np.array([[logits[1]]], np.float32), len(masks), axis=1)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        maps = actor_maps(name, masks, reference, perturbed)
    assert np.isfinite(maps).all()
    assert maps.min() >= 0
    assert name == "KL" or maps.max() <= 1 + 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_agent_of_one_action_has_a_zero_map(name: str) -> None:
    masks = make_masks(PERTURBERS["window"], IMAGE)
    reference, perturbed = outputs(masks, 1, 1, 3, 1.0)
    assert not actor_maps(name, masks, reference, perturbed).any()


@pytest.mark.parametrize("name", NAMES)
@given(offset=st.floats(-50, 50, width=32))
@settings(max_examples=10, deadline=None)
def test_map_of_agent_that_ignores_input_is_zero(name: str, offset: float) -> None:
    masks = make_masks(PERTURBERS["rise"], IMAGE)
    reference = np.array([[offset, 3 - offset, 0.1]], np.float32)
    perturbed = np.repeat(reference[:, None], len(masks), axis=1) * np.float32(1 + 1e-6)
    assert not actor_maps(name, masks, reference, perturbed).any()


@pytest.mark.parametrize("name", NAMES)
def test_critic_map_is_half_the_squared_change(name: str) -> None:
    masks = make_masks(PERTURBERS["radial"], IMAGE)
    reference, perturbed = outputs(masks, 3, 1, 3, 1.0)
    expected = make_scorers({"SquaredDifference": {}}, masks).critic(reference, perturbed)
    np.testing.assert_array_equal(make_scorers({name: {}}, masks).critic(reference, perturbed), expected)


@pytest.mark.parametrize("name", NAMES)
def test_map_does_not_depend_on_other_frames(name: str) -> None:
    masks = make_masks(PERTURBERS["rise"], IMAGE)
    reference, perturbed = outputs(masks, 7, 6, 5, 1.0)
    together = actor_maps(name, masks, reference, perturbed)
    alone = [actor_maps(name, masks, reference[i : i + 1], perturbed[i : i + 1]) for i in range(7)]
    np.testing.assert_array_equal(together, np.concatenate(alone))


def test_sarfa_counts_drops_of_the_chosen_action_alone() -> None:
    before = np.log([0.5, 0.3, 0.2])
    raised, specific, broad = np.log([[0.7, 0.2, 0.1], [0.3, 0.42, 0.28], [0.3, 0.02, 0.68]])
    found = scores(before, np.stack([raised, specific, broad]))
    assert found[0] == 0
    assert found[1] == pytest.approx(2 * 0.2 / 1.2), "the others keep their shares: K is 1"
    assert 0 < found[2] < found[1]


def test_sarfa_of_certain_policy_sees_a_drop() -> None:
    """The others' probabilities are 0 as numbers, where the quotient of the definition is 0/0."""
    found = scores(np.array([0.0, -1e4, -1e4 - 1]), np.array([[-5.0, -0.01, -1.01]]))
    assert found == pytest.approx(2 * (1 - np.exp(-5)) / (2 - np.exp(-5)))


@pytest.mark.parametrize("scorer", ["RISE", "SquaredDifference", "OcclusionScoring"])
@pytest.mark.parametrize("output", ["chosen_action", "probabilities"])
def test_changes_of_a_nearly_certain_policy_are_no_rounding(scorer: str, output: Any) -> None:
    masks = make_masks(PERTURBERS["window"], IMAGE)
    reference = np.array([[14, 0, 0, 0]], np.float32)
    perturbed = np.repeat(reference[:, None], len(masks), axis=1)
    perturbed[0, : len(masks) // 2, 1] = 0.7
    score = make_scorers({scorer: {}}, masks)
    assert score.actor(*compared(reference, perturbed, "logits", output)).any()
