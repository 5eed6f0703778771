"""The agent's network: ``step(observation, memory) -> logits, value, memory``.

Memory is a mapping of named arrays that the family defines (``h`` and ``c`` for an LSTM, ``h`` for a GRU); nothing
outside this module and ``searchlight.architecture`` knows which there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from searchlight.architecture import PADDING, STRIDE, Architecture, read_architecture
from searchlight.checkpoint import read_policy
from searchlight.preprocessing import OBSERVATION

Memory = Mapping[str, Tensor]


class Policy(nn.Module):
    """Convolutions with ELU, a recurrent cell, and linear heads for the actor and the critic."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        channels = architecture.channels
        self.convolutions: list[nn.Conv2d] = []
        for index, (before, after) in enumerate(pairwise(channels), start=1):
            convolution = nn.Conv2d(before, after, architecture.kernel, stride=STRIDE, padding=PADDING)
            self.convolutions.append(convolution)
            self.add_module(f"conv{index}", convolution)  # the names that checkpoints use
        with torch.no_grad():
            features = self.trunk(torch.zeros(1, channels[0], *OBSERVATION)).shape[1]
        kind = {"lstm": nn.LSTMCell, "gru": nn.GRUCell}[architecture.cell]
        self.add_module(architecture.cell, kind(features, architecture.hidden))
        self.actor_linear = nn.Linear(architecture.hidden, architecture.actions)
        self.critic_linear = nn.Linear(architecture.hidden, 1)

    def trunk(self, observation: Tensor) -> Tensor:
        """Return the flattened features (batch, features) of observations (batch, 1, 80, 80)."""
        for convolution in self.convolutions:
            layer = convolution(observation)
            observation = self.activation(layer, out=layer)
        return observation.flatten(1)

    @staticmethod
    def activation(layer: Tensor, out: Tensor | None = None) -> Tensor:
        """Return ELU, which follows each convolution, as ``max(x, min(exp(x), 1) - 1)``.

        Twice as fast as torch's, whose ``expm1`` is slow; they differ by 1e-7 at most.
        """
        below = torch.exp(layer).clamp_(max=1).sub_(1)
        return torch.maximum(layer, below, out=out)

    @property
    def cell(self) -> nn.RNNCellBase:
        """The recurrent cell, which bears the name of its kind."""
        return getattr(self, self.architecture.cell)

    @property
    def product(self) -> tuple[Tensor, Tensor]:
        """The first product of the features: weight (product, features) and bias (product,)."""
        return self.cell.weight_ih, self.cell.bias_ih

    def decide(self, product: Tensor, memory: Memory) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Do what follows the first product: the rest of the recurrent cell, and the heads.

        Args:
            product: (batch, product), the features' product with ``product``'s weight, bias included.
            memory: arrays of (batch, hidden), or (1, hidden) to be shared by the batch.

        Returns:
            Logits (batch, action), value (batch,), and the memory after the step, (batch, hidden) each.
        """
        recurrent = nn.functional.linear(memory["h"], self.cell.weight_hh, self.cell.bias_hh)
        after = (
            _lstm(product, recurrent, memory) if self.architecture.cell == "lstm" else _gru(product, recurrent, memory)
        )
        hidden = after["h"]
        return self.actor_linear(hidden), self.critic_linear(hidden)[:, 0], after

    def initial_memory(self) -> dict[str, Tensor]:
        """Return the memory before the first frame: zeros, (1, hidden) each."""
        return {name: torch.zeros(1, self.architecture.hidden) for name in self.architecture.memory}

    def step(self, observation: Tensor, memory: Memory) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Look at observations and decide.

        Args:
            observation: (batch, 1, 80, 80) float32 in 0..1.
            memory: arrays of (batch, hidden), or (1, hidden) to be shared by the batch.

        Returns:
            Logits (batch, action), value (batch,), and the memory after the step, (batch, hidden) each.
        """
        return self.decide(nn.functional.linear(self.trunk(observation), *self.product), memory)


def _lstm(product: Tensor, recurrent: Tensor, memory: Memory) -> dict[str, Tensor]:
    entered, kept, written, shown = (product + recurrent).chunk(4, dim=1)
    cell = torch.sigmoid(kept) * memory["c"] + torch.sigmoid(entered) * torch.tanh(written)
    return {"h": torch.sigmoid(shown) * torch.tanh(cell), "c": cell}


def _gru(product: Tensor, recurrent: Tensor, memory: Memory) -> dict[str, Tensor]:
    (reset, kept, new), (reset_before, kept_before, new_before) = product.chunk(3, dim=1), recurrent.chunk(3, dim=1)
    proposed = torch.tanh(new + torch.sigmoid(reset + reset_before) * new_before)
    share = torch.sigmoid(kept + kept_before)
    return {"h": (memory["h"] - proposed) * share + proposed}


def load_policy(path: str | Path) -> Policy:
    """Load a policy from the safetensors that ``searchlight.checkpoint`` wrote, ready to be evaluated.

    Raises:
        SearchlightError: the file is missing or damaged.
    """
    tensors, _ = read_policy(path)
    policy = Policy(read_architecture({name: array.shape for name, array in tensors.items()}, str(path)))
    policy.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
    return policy.eval().requires_grad_(False)
