"""What a method compares of the network's answer: ``output`` of a method, computed from stored responses.

- ``logits``: what the network gives, a policy's logits or a Q-network's Q-values, as they are.
- ``log_probabilities``, ``probabilities``: of each action. A policy's are the softmax of its logits. A Q-network's are
  the softmax of its Q-values divided by a temperature, which a user must choose.
- ``advantages``: logits or Q-values less their mean. What is added to all of them changes no action, and no advantage.
- ``chosen_action``: one number for the action with the highest unperturbed output, also where actions are sampled. For
  policies it is the log-probability, which an offset of all logits leaves as it is. Where the policy is nearly certain,
  it changes little, but its drop has no bound. For Q-networks, which have no probabilities, it is the advantage
  Q - mean Q.

All but ``logits`` are computed in float64. An output that changes by rounding alone counts as unchanged.
"""

from __future__ import annotations

import numpy as np

from searchlight.config.outputs import OF_PROBABILITIES, Output
from searchlight.errors import SearchlightError
from searchlight.saliency.hidden_sums import changes_of

# Name of the array of a policy's outputs in stores; any other network gives Q-values.
_LOGITS = "logits"
_WORDS = {
    "log_probabilities": "log-probabilities of all actions",
    "probabilities": "probabilities of all actions",
    "advantages": "advantages of all actions",
}


def check(given: str, output: Output, temperature: float | None) -> None:
    """Check that a network's answer has an output.

    Args:
        given: name of the array that the network gives, ``logits`` or ``q_values``.
        output: of the method.
        temperature: of the method.

    Raises:
        SearchlightError: the output is of probabilities, but Q-values have none without a temperature.
    """
    if given != _LOGITS and output in OF_PROBABILITIES and temperature is None:
        raise SearchlightError(
            f"temperature: missing for the {output} of a network of Q-values, allowed: a number greater than 0; or "
            "output: logits, advantages or chosen_action, where the scorer takes them"
        )


def described(given: str, output: Output, temperature: float | None) -> str:
    """Return an output in words, as stores, pages and reports give it."""
    is_policy = given == _LOGITS
    if output == "logits":
        return "logits" if is_policy else "Q-values"
    if output == "chosen_action":
        return f"{'log-probability' if is_policy else 'advantage'} of the chosen action"
    softened = "" if is_policy or temperature is None else f" at temperature {temperature:g}"
    return _WORDS[output] + (softened if output in OF_PROBABILITIES else "")


def compared(
    reference: np.ndarray,
    perturbed: np.ndarray,
    given: str,
    output: Output,
    temperature: float | None = None,
    chosen: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what a method compares.

    Args:
        reference: (frame, action) float32, logits or Q-values.
        perturbed: (frame, mask, action) float32, those under each mask.
        given: name of their array, ``logits`` or ``q_values``.
        output: of the method.
        temperature: divisor of Q-values before their softmax; logits are not divided.
        chosen: (frame,) int64, the chosen actions; without it, those with the highest unperturbed output.

    Returns:
        The same for another output: (frame, n) and (frame, mask, n), where n is 1 for ``chosen_action`` and the number
        of actions otherwise. ``logits`` are the given arrays; other outputs are float64.

    Raises:
        SearchlightError: the network does not have this output.
    """
    check(given, output, temperature)
    if output == "logits":
        return reference, perturbed
    # The reference is row 0, so that equal rows have equal results.
    changed = changes_of(reference, perturbed) != 0
    rows = np.concatenate([reference[:, None], np.where(changed, perturbed, reference[:, None])], axis=1)
    rows = _values(rows.astype(np.float64), given == _LOGITS, output, temperature)
    if output == "chosen_action":
        action = (reference.argmax(axis=1) if chosen is None else chosen)[:, None, None]
        rows = np.take_along_axis(rows, np.broadcast_to(action, (*rows.shape[:2], 1)), axis=2)
    # Vector instructions may round equal rows differently.
    same = ~changed.any(axis=2, keepdims=True)
    return rows[:, 0], np.where(same, rows[:, :1], rows[:, 1:])


def _values(rows: np.ndarray, is_policy: bool, output: Output, temperature: float | None) -> np.ndarray:
    """Return a value for each action, (frame, row, action), from logits or Q-values of that shape."""
    if output == "advantages" or (output == "chosen_action" and not is_policy):
        return rows - rows.mean(axis=2, keepdims=True)
    if not is_policy and temperature is not None:
        rows = rows / temperature
    logs = log_softmax(rows)
    return np.exp(logs) if output == "probabilities" else logs


def log_softmax(values: np.ndarray) -> np.ndarray:
    """Return the logarithm of the softmax along the last axis, without overflow."""
    shifted = values - values.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
