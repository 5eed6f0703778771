"""Interface of an agent's network: ``step(observation, memory) -> outputs, value, memory``.

Memory is a mapping of named arrays, such as ``h`` and ``c`` of an LSTM. Only the network's own file knows these names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeGuard

import numpy as np
import torch
from torch import Tensor, device, nn

Memory = Mapping[str, Tensor]


@dataclass(frozen=True)
class Output:
    """Kind of the values that a network gives for each action.

    Attributes:
        name: name of their array in stores, and value of the stores' attribute ``output``.
        long_name: description in words.
        softmax: whether their softmax is the probability of each action. Episodes then hold it, and pages show it.
        value: description of the value beside them.
    """

    name: str
    long_name: str
    softmax: bool
    value: str = "critic's estimate of the return"


LOGITS = Output("logits", "actor's logits", softmax=True)
Q_VALUES = Output(
    "q_values", "Q-values", softmax=False, value="value of the state: of the dueling head, else the largest Q-value"
)


def channels_first(observations: np.ndarray) -> Tensor:
    """Return observations (batch, height, width, channel) as networks take them, (batch, channel, height, width)."""
    return torch.from_numpy(observations).permute(0, 3, 1, 2)


class Policy(Protocol):
    """A network: plain torch, differentiable.

    Attributes:
        actions: number of actions.
        output: kind of the values that it gives for each action.
    """

    actions: int
    output: Output

    def initial_memory(self) -> dict[str, Tensor]:
        """Return the memory before the first frame, an array of (1, size) each; empty for a network without memory."""

    def step(self, observation: Tensor, memory: Memory) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Evaluate the network on observations.

        Args:
            observation: (batch, channel, height, width) float32 in 0..1.
            memory: arrays of (batch, size).

        Returns:
            Outputs (batch, action), value (batch,), and the memory after the step, (batch, size) each.
        """

    def to(self, target: device | str) -> Policy:
        """Return the network on a device."""


class Factored(Policy, Protocol):
    """A network in parts, which ``searchlight.saliency.engine`` evaluates incrementally.

    Attributes:
        convolutions: the convolutions in order, each followed by the activation.
        activation: name of the activation; the engine must know it.
    """

    convolutions: Sequence[nn.Conv2d]
    activation: str

    @property
    def product(self) -> tuple[Tensor, Tensor]:
        """The first product of the flattened features: weight (product, features) and bias (product,)."""

    def decide(self, product: Tensor, memory: Memory) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Evaluate the network after the first product.

        Args:
            product: (batch, product), the features times the weight of ``self.product``, plus its bias.
            memory: arrays of (batch, size), or of (1, size) that the batch shares.

        Returns:
            As ``step`` does.
        """


def is_factored(policy: Policy) -> TypeGuard[Factored]:
    """Return whether a network has the parts of a ``Factored`` one."""
    # isinstance() does not see modules within modules from Python 3.12 on.
    return all(hasattr(policy, name) for name in ("convolutions", "activation", "product", "decide"))
