"""The agent's network as the rest of the package sees it: ``step(observation, memory) -> outputs, value, memory``.

Memory is a mapping of named arrays that the network defines (``h`` and ``c`` for an LSTM, ``h`` for a GRU); nothing
outside of the network's own file knows which there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, device, nn

Memory = Mapping[str, Tensor]


@dataclass(frozen=True)
class Output:
    """What a network gives for each action.

    Attributes:
        name: of its array in stores, and of their attribute ``output``.
        long_name: what it is, in words.
        softmax: whether its softmax is the probability of each action. Episodes then hold that too, and pages show it.
    """

    name: str
    long_name: str
    softmax: bool


LOGITS = Output("logits", "actor's logits", softmax=True)


@runtime_checkable
class Policy(Protocol):
    """A network: plain torch, differentiable.

    Attributes:
        actions: number of actions.
        output: what it gives for each.
    """

    actions: int
    output: Output

    def initial_memory(self) -> dict[str, Tensor]:
        """Return the memory before the first frame, an array of (1, size) each; empty where there is none."""

    def step(self, observation: Tensor, memory: Memory) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Look at observations and decide.

        Args:
            observation: (batch, 1, height, width) float32 in 0..1.
            memory: arrays of (batch, size).

        Returns:
            Outputs (batch, action), value (batch,), and the memory after the step, (batch, size) each.
        """

    def to(self, target: device | str) -> Policy:
        """Return the network on a device."""


@runtime_checkable
class Factored(Policy, Protocol):
    """A network in parts, which ``searchlight.saliency.engine`` evaluates incrementally.

    Attributes:
        convolutions: from the observation on, each followed by the activation.
        activation: its name, one that the engine knows.
    """

    convolutions: Sequence[nn.Conv2d]
    activation: str

    @property
    def product(self) -> tuple[Tensor, Tensor]:
        """The first product of the flattened features: weight (product, features) and bias (product,)."""

    def decide(self, product: Tensor, memory: Memory) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Do what follows the first product.

        Args:
            product: (batch, product), the features' product with ``product``'s weight, bias included.
            memory: arrays of (batch, size), or (1, size) to be shared by the batch.

        Returns:
            As ``step`` does.
        """
