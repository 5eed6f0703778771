"""Changes of a network's answers: against plain restatements, on toys and on bundled agents."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.networks import new_nature, policy_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from searchlight.agents.policy import LOGITS, Q_VALUES, channels_first
from searchlight.agents.policy_file import load_policy
from searchlight.measures._changes import BATCH, answers, chosen_actions, curve, named, policy_changes

QUICK = settings(max_examples=60, deadline=None)
SIZES = st.tuples(st.integers(1, 5), st.integers(2, 6))
ROWS = SIZES.flatmap(
    lambda size: st.tuples(*[arrays(np.float64, size, elements=st.floats(-30, 30, width=32)) for _ in range(2)])
)


def probabilities(row: np.ndarray) -> list[float]:
    parts = [math.exp(one - row.max()) for one in row.tolist()]
    return [part / sum(parts) for part in parts]


def advantages(row: np.ndarray) -> list[float]:
    return [one - sum(row.tolist()) / len(row) for one in row.tolist()]


@given(ROWS)
@QUICK
def test_change_of_a_policy_is_the_total_variation(rows: tuple[np.ndarray, np.ndarray]) -> None:
    before, after = rows
    found = policy_changes(before, after, LOGITS)
    pairs = [(probabilities(one), probabilities(other)) for one, other in zip(before, after, strict=True)]
    # The largest difference of the chance of any set of actions.
    expected = [sum(max(0, b - a) for a, b in zip(one, other, strict=True)) for one, other in pairs]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert ((found >= 0) & (found <= 1 + 1e-12)).all()
    np.testing.assert_allclose(policy_changes(after, before, LOGITS), found, atol=1e-12)
    assert not policy_changes(before, before, LOGITS).any()


@given(ROWS)
@QUICK
def test_change_of_q_values_is_half_the_sum_of_changed_advantages(rows: tuple[np.ndarray, np.ndarray]) -> None:
    before, after = rows
    found = policy_changes(before, after, Q_VALUES)
    for number, (one, other) in enumerate(zip(before, after, strict=True)):
        changes = [abs(b - a) for a, b in zip(advantages(one), advantages(other), strict=True)]
        assert found[number] == pytest.approx(sum(changes) / 2, abs=1e-9)


@given(ROWS, st.floats(-1000, 1000))
@QUICK
@pytest.mark.parametrize("output", [LOGITS, Q_VALUES], ids=lambda one: one.name)
def test_shift_of_all_outputs_changes_nothing(output: Any, rows: tuple[np.ndarray, np.ndarray], shift: float) -> None:
    before, after = rows
    np.testing.assert_allclose(policy_changes(before, before + shift, output), 0, atol=1e-9)
    found, shifted = policy_changes(before, after, output), policy_changes(before, after + shift, output)
    np.testing.assert_allclose(shifted, found, atol=1e-9)
    np.testing.assert_allclose(chosen_actions(after + shift, output, 1), chosen_actions(after, output, 1), atol=1e-9)


@given(ROWS)
@QUICK
def test_one_row_before_stands_for_all(rows: tuple[np.ndarray, np.ndarray]) -> None:
    before, after = rows
    for output in (LOGITS, Q_VALUES):
        found = policy_changes(before[0], after, output)
        np.testing.assert_array_equal(found, policy_changes(np.repeat(before[:1], len(after), axis=0), after, output))


def test_certain_policies_have_no_overflow() -> None:
    before, after = np.array([1e5, -1e5, 0]), np.array([[-1e5, 1e5, 0], [1e5, -1e5, 0]])
    assert policy_changes(before, after, LOGITS).tolist() == [1, 0]


def test_single_precision_is_computed_in_double() -> None:
    before = np.array([0.1, 0.2, 3.7], np.float32)
    after = np.array([[0.1, 0.2, 3.7], [9.3, 0.2, 0.1]], np.float32)
    for output in (LOGITS, Q_VALUES):
        found = policy_changes(before, after, output)
        assert found[0] == 0, "what has not changed"
        np.testing.assert_allclose(found, policy_changes(before, after.astype(np.float64), output), rtol=1e-12)


@given(ROWS)
@QUICK
def test_chosen_action_is_its_probability_or_advantage(rows: tuple[np.ndarray, np.ndarray]) -> None:
    outputs, _ = rows
    for number, row in enumerate(outputs):
        assert chosen_actions(outputs, LOGITS, 1)[number] == pytest.approx(probabilities(row)[1])
        assert chosen_actions(outputs, Q_VALUES, 1)[number] == pytest.approx(advantages(row)[1], abs=1e-9)


def test_kinds_are_named_apart_and_curves_are_named() -> None:
    assert named(LOGITS) == "total variation of the policy"
    assert named(Q_VALUES) == "half the sum of changed advantages"
    values, about = curve("ball: effect", [1, 2], "pixels")
    assert values.dtype == np.float64
    assert about == {"long_name": "ball: effect", "curve": "ball: effect", "units": "pixels"}


@pytest.fixture(scope="module", params=["greydanus", "nature"])
def policy(request: pytest.FixtureRequest, policy_path: Path) -> Iterator[Any]:
    """The bundled agent, which has a memory, and one without memory that sees stacks."""
    if request.param == "greydanus":
        yield load_policy(policy_path)
    else:
        yield policy_of(new_nature({"sb3": {"size": 60}}, (210, 160), 5), network="nature")


@pytest.mark.parametrize("count", [1, BATCH, BATCH + 3])
@pytest.mark.parametrize("shared", [True, False])
def test_answers_are_those_of_single_forwards(policy: Any, count: int, shared: bool) -> None:
    random, torch_random = np.random.default_rng(0), torch.Generator().manual_seed(0)
    names = policy.initial_memory()
    shape = (80, 80, 1) if names else (60, 60, 4)
    observations = random.random((count, *shape), np.float32)
    memory = {
        name: torch.randn(1 if shared else count, array.shape[1], generator=torch_random)
        for name, array in names.items()
    }
    found = answers(policy, observations, memory)
    assert found.outputs.shape == (count, policy.actions)
    assert found.values.shape == (count,)
    assert found.outputs.dtype == found.values.dtype == np.float64
    for number in range(count):
        row = 0 if shared else number
        given_memory = {name: array[row : row + 1] for name, array in memory.items()}
        outputs, value, _ = policy.step(channels_first(observations[number : number + 1]), given_memory)
        np.testing.assert_allclose(found.outputs[number], outputs[0], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found.values[number], value[0], rtol=1e-4, atol=1e-4)
    assert len(np.unique(found.values)) == count, "observations differ, so answers do"


def test_answers_of_parts_of_arrays_that_do_not_lie_together(policy: Any) -> None:
    shape = (80, 80, 1) if policy.initial_memory() else (60, 60, 4)
    observations = np.random.default_rng(0).random((4, *shape), np.float32)
    apart = np.asfortranarray(observations)[::2]
    assert not apart.flags.c_contiguous
    memory = policy.initial_memory()
    for one, other in zip(
        answers(policy, apart, memory), answers(policy, observations[::2].copy(), memory), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_one_observation_is_answered_alike_however_it_lies_in_memory(policy: Any) -> None:
    """Torch chooses its arithmetic by the strides also of an axis of one, which NumPy sets to 0 in ``[None]``."""
    shape = (80, 80, 1) if policy.initial_memory() else (60, 60, 4)
    random, memory = np.random.default_rng(0), policy.initial_memory()
    for _ in range(20):
        observation = random.random(shape, np.float32)
        one, other = (answers(policy, given, memory) for given in (observation[None], observation[None].copy()))
        np.testing.assert_array_equal(one.outputs, other.outputs)
        np.testing.assert_array_equal(one.values, other.values)
