"""IMPALA's residual network in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from searchlight.agents.networks.impala import IN_SEQUENCE
from searchlight.agents.policy import LOGITS, Q_VALUES, Memory


class Residual(nn.Module):
    """Sequences of convolution, pooling and residual blocks; dense layers; Q-values, or heads for actor and critic."""

    def __init__(
        self,
        sequences: Sequence[str],
        dense: Sequence[str],
        heads: Sequence[str],
        tensors: Mapping[str, np.ndarray],
    ) -> None:
        super().__init__()
        self.sequences = [[_module(f"{one}.{layer}", tensors) for layer in IN_SEQUENCE] for one in sequences]
        self.dense = nn.ModuleList(_module(layer, tensors) for layer in dense)
        self.heads = nn.ModuleList(_module(head, tensors) for head in heads)
        # Torch knows the modules in lists only through this.
        self.layers = nn.ModuleList([layer for sequence in self.sequences for layer in sequence])
        self.output = LOGITS if heads else Q_VALUES
        self.actions = len(tensors[f"{(*heads, dense[-1])[0]}.bias"])

    def initial_memory(self) -> dict[str, Tensor]:
        """Return no memory."""
        return {}

    def step(self, observation: Tensor, memory: Memory) -> tuple[Tensor, Tensor, dict[str, Tensor]]:  # noqa: ARG002
        """Return outputs (batch, action) and value (batch,); of Q-values, the largest is the value."""
        seen = observation
        for convolution, *blocks in self.sequences:
            seen = functional.max_pool2d(convolution(seen), kernel_size=3, stride=2, padding=1)
            for first, second in (blocks[:2], blocks[2:]):
                seen = second(torch.relu(first(torch.relu(seen)))) + seen
        given = seen.flatten(1)
        for layer in self.dense:
            given = layer(torch.relu(given))
        if not len(self.heads):
            return given, given.amax(dim=1), {}
        actor, critic = (head(torch.relu(given)) for head in self.heads)
        return actor, critic[:, 0], {}


def _module(name: str, tensors: Mapping[str, np.ndarray]) -> nn.Conv2d | nn.Linear:
    """Return a convolution (3x3, padding 1) or a dense layer with the weights of a checkpoint."""
    weight, bias = (torch.from_numpy(np.ascontiguousarray(tensors[f"{name}.{part}"])) for part in ("weight", "bias"))
    outputs, inputs = weight.shape[:2]
    module = nn.Conv2d(inputs, outputs, 3, padding=1) if weight.ndim == 4 else nn.Linear(inputs, outputs)
    module.load_state_dict({"weight": weight, "bias": bias})
    return module
