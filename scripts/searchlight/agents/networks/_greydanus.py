"""The networks of Greydanus et al. (2018) in torch; ``searchlight.agents.networks.greydanus`` says which."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from searchlight.agents.networks import _cells
from searchlight.agents.networks._files import MEMORY
from searchlight.agents.networks.greydanus import PADDING, STRIDE, Architecture
from searchlight.agents.policy import LOGITS, Memory


def elu(layer: Tensor) -> Tensor:
    """Return ELU as ``max(x, exp(min(x, 0)) - 1)``: its gradient is finite, and it is faster than torch's ``expm1``."""
    if torch.is_grad_enabled():
        return torch.maximum(layer, torch.exp(layer.clamp(max=0)) - 1)
    # The same bits with one new array in place of three.
    below = torch.exp(layer).clamp_(max=1).sub_(1)
    return torch.maximum(layer, below, out=below)


class GreydanusPolicy(nn.Module):
    """Convolutions with ELU, a recurrent cell, and linear heads for the actor and the critic; a ``Factored``."""

    output = LOGITS
    activation = "elu"
    pointwise = staticmethod(elu)

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.actions = architecture.actions
        self.convolutions: list[nn.Conv2d] = []
        for index, (before, after) in enumerate(pairwise(architecture.channels), start=1):
            convolution = nn.Conv2d(before, after, architecture.kernel, stride=STRIDE, padding=PADDING)
            self.convolutions.append(convolution)
            self.add_module(f"conv{index}", convolution)  # the names that checkpoints use
        kind = {"lstm": nn.LSTMCell, "gru": nn.GRUCell}[architecture.cell]
        self.add_module(architecture.cell, kind(architecture.features, architecture.hidden))
        self.actor_linear = nn.Linear(architecture.hidden, architecture.actions)
        self.critic_linear = nn.Linear(architecture.hidden, 1)

    def trunk(self, observation: Tensor) -> Tensor:
        """Return the flattened features (batch, features) of observations (batch, 1, height, width)."""
        for convolution in self.convolutions:
            observation = self.pointwise(convolution(observation))
        return observation.flatten(1)

    @property
    def cell(self) -> nn.RNNCellBase:
        """The recurrent cell; its attribute is named after its kind, ``lstm`` or ``gru``."""
        return getattr(self, self.architecture.cell)

    @property
    def product(self) -> tuple[Tensor, Tensor]:
        """The first product of the features: weight (product, features) and bias (product,)."""
        return self.cell.weight_ih, self.cell.bias_ih

    def decide(self, product: Tensor, memory: Memory) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Evaluate the network after the first product: the rest of the recurrent cell, and the heads."""
        recurrent = nn.functional.linear(memory["h"], self.cell.weight_hh, self.cell.bias_hh)
        follow = _cells.STEPS[self.architecture.cell]
        after = follow(product, recurrent, memory)
        return self.actor_linear(after["h"]), self.critic_linear(after["h"])[:, 0], after

    def initial_memory(self) -> dict[str, Tensor]:
        """Return the memory before the first frame: zeros, (1, hidden) each."""
        return {name: torch.zeros(1, self.architecture.hidden) for name in MEMORY[self.architecture.cell]}

    def step(self, observation: Tensor, memory: Memory) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return outputs, value and new memory for observations; the batch shares a memory of (1, hidden)."""
        return self.decide(nn.functional.linear(self.trunk(observation), *self.product), memory)
