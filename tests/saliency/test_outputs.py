"""What methods compare of the network's answer: each output against its definition, and at its extremes."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax
from searchlight.config.outputs import OF_PROBABILITIES, Output
from searchlight.errors import SearchlightError
from searchlight.saliency.outputs import compared, described

ANSWERS = arrays(np.float32, (2, 5, 4), elements=st.floats(-30, 30, width=16))
OUTPUTS: tuple[Output, ...] = get_args(Output)


def split(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return rows[:, 0], rows[:, 1:]


def expected(rows: np.ndarray, given: str, output: Output, temperature: float | None) -> np.ndarray:
    """Return an output by its definition, for a reference in row 0."""
    values = rows.astype(np.float64)
    advantages = values - values.mean(axis=2, keepdims=True)
    logs = log_softmax(values / (temperature if temperature is not None and given == "q_values" else 1), axis=2)
    if output == "chosen_action":
        of_each = logs if given == "logits" else advantages
        return np.stack([one[:, [row[0].argmax()]] for one, row in zip(of_each, rows, strict=True)])
    return {
        "logits": values,
        "log_probabilities": logs,
        "probabilities": np.exp(logs),
        "advantages": advantages,
    }[output]


@pytest.mark.parametrize(("array", "temperature"), [("logits", None), ("logits", 2.0), ("q_values", 0.5)])
@pytest.mark.parametrize("output", OUTPUTS)
@settings(max_examples=20, deadline=None)
@given(rows=ANSWERS)
def test_output_equals_its_definition(array: str, temperature: float | None, output: Output, rows: np.ndarray) -> None:
    found = np.concatenate(
        [part[:, None] if part.ndim == 2 else part for part in compared(*split(rows), array, output, temperature)],
        axis=1,
    )
    # Changes within rounding count as none.
    np.testing.assert_allclose(found, expected(rows, array, output, temperature), atol=1e-3)


def test_logits_are_the_stored_arrays() -> None:
    reference, perturbed = split(np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32))
    found = compared(reference, perturbed, "logits", "logits")
    assert found[0] is reference
    assert found[1] is perturbed


def test_chosen_action_is_that_of_the_unperturbed_output() -> None:
    reference = np.array([[0, 3, 1]], np.float32)
    perturbed = np.array([[[9, 3, 1], [0, 5, 1]]], np.float32)
    found = compared(reference, perturbed, "logits", "chosen_action")
    logs = [log_softmax(np.array(row, float))[1] for row in ([0, 3, 1], [9, 3, 1], [0, 5, 1])]
    np.testing.assert_allclose(found[0], [[logs[0]]])
    np.testing.assert_allclose(found[1], [[[logs[1]], [logs[2]]]])
    found = compared(reference, perturbed, "q_values", "chosen_action")
    np.testing.assert_allclose(found[0], [[3 - 4 / 3]])
    np.testing.assert_allclose(found[1], [[[3 - 13 / 3], [5 - 2]]])


@pytest.mark.parametrize("output", [output for output in OUTPUTS if output != "logits"])
@pytest.mark.parametrize("size", [1.0, 50.0, 1e30])
def test_rounding_of_the_network_is_no_change(output: Output, size: float) -> None:
    reference = (size * np.array([[1, -0.7, 0.3, 0.999]])).astype(np.float32)
    perturbed = np.repeat(reference[:, None], 33, axis=1)
    perturbed[:, 1::2] *= np.float32(1 + 2e-6)
    of_reference, of_perturbed = compared(reference, perturbed, "logits", output)
    np.testing.assert_array_equal(of_perturbed, np.repeat(of_reference[:, None], 33, axis=1))


@pytest.mark.parametrize("output", OUTPUTS)
def test_extreme_logits_give_finite_outputs(output: Output) -> None:
    reference = np.array([[1e38, -1e38, 0], [0, 0, 0]], np.float32)
    perturbed = np.array([[[-1e38, 1e38, 0]], [[1e4, -1e4, 800]]], np.float32)
    for part in compared(reference, perturbed, "logits", output):
        assert np.isfinite(part).all()


@pytest.mark.parametrize("output", OUTPUTS)
def test_output_of_a_frame_does_not_depend_on_others(output: Output) -> None:
    rows = np.random.default_rng(1).normal(size=(7, 13, 6)).astype(np.float32)
    together = compared(*split(rows), "logits", output)
    for frame in range(7):
        for alone, one in zip(compared(*split(rows[frame : frame + 1]), "logits", output), together, strict=True):
            np.testing.assert_array_equal(alone[0], one[frame])


@pytest.mark.parametrize("output", OF_PROBABILITIES)
def test_q_values_have_no_probabilities_without_temperature(output: Output) -> None:
    rows = np.zeros((1, 2, 3), np.float32)
    with pytest.raises(SearchlightError) as caught:
        compared(*split(rows), "q_values", output)
    assert str(caught.value).startswith(f"temperature: missing for the {output} of a network of Q-values, allowed: a ")


@pytest.mark.parametrize(
    ("array", "output", "temperature", "words"),
    [
        ("logits", "logits", None, "logits"),
        ("q_values", "logits", None, "Q-values"),
        ("logits", "chosen_action", None, "log-probability of the chosen action"),
        ("q_values", "chosen_action", None, "advantage of the chosen action"),
        ("q_values", "probabilities", 0.5, "probabilities of all actions at temperature 0.5"),
        ("logits", "probabilities", 0.5, "probabilities of all actions"),
        ("logits", "advantages", None, "advantages of all actions"),
    ],
)
def test_output_in_words(array: str, output: Output, temperature: float | None, words: str) -> None:
    assert described(array, output, temperature) == words
