"""How far a network's answer has changed: of the policy, and of the value.

Of a policy, it is the total variation of its probabilities, 0 to 1. Q-networks have no probabilities: there it is half
the sum of the changes of the advantages Q - mean Q, in the units of Q. The two are never compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from searchlight.agents.policy import Output, Policy, channels_first

# Observations in one pass: a fixed number, because results depend on it by rounding. 64 take a third longer each.
BATCH = 32


class Answers(NamedTuple):
    """A network's answers to some observations.

    Attributes:
        outputs: (n, action) float64, logits or Q-values.
        values: (n,) float64.
    """

    outputs: np.ndarray
    values: np.ndarray


@torch.inference_mode()
def answers(policy: Policy, observations: np.ndarray, memory: Mapping[str, Tensor]) -> Answers:
    """Return a network's answers.

    Args:
        policy: the network, on the CPU.
        observations: (n, height, width, channel) float32.
        memory: arrays of (1, size), which all share, or (n, size).
    """
    outputs, values = [], []
    for start in range(0, len(observations), BATCH):
        some = observations[start : start + BATCH]
        given = {
            name: array.expand(len(some), -1) if len(array) == 1 else array[start : start + BATCH]
            for name, array in memory.items()
        }
        # A copy, because torch chooses its arithmetic by strides, also those of an axis of one.
        found, value, _ = policy.step(channels_first(np.array(some, order="C")), given)
        outputs.append(found.double().numpy())
        values.append(value.double().numpy())
    return Answers(np.concatenate(outputs), np.concatenate(values))


def policy_changes(reference: np.ndarray, outputs: np.ndarray, output: Output) -> np.ndarray:
    """Return how far the policy has changed, (n,) float64.

    Args:
        reference: (action,) or (n, action), the outputs before.
        outputs: (n, action), the outputs after.
        output: kind of the outputs.
    """
    before, after = (_compared(np.asarray(one, np.float64), output) for one in (reference, outputs))
    return 0.5 * np.abs(after - before).sum(axis=-1)


def _compared(outputs: np.ndarray, output: Output) -> np.ndarray:
    """Return probabilities, or of Q-values the advantages."""
    if not output.softmax:
        return outputs - outputs.mean(axis=-1, keepdims=True)
    shifted = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def chosen_actions(outputs: np.ndarray, output: Output, action: int) -> np.ndarray:
    """Return an action's probability, or of Q-values its advantage, (n,) float64, from outputs (n, action)."""
    return _compared(np.asarray(outputs, np.float64), output)[:, action]


def named(output: Output) -> str:
    """Return what ``policy_changes`` gives, in words."""
    return "total variation of the policy" if output.softmax else "half the sum of changed advantages"


def curve(words: str, values: Sequence[float], units: str = "1") -> tuple[np.ndarray, dict[str, str]]:
    """Return a curve's values as an array, and its attributes."""
    return np.asarray(values, np.float64), {"long_name": words, "curve": words, "units": units}
