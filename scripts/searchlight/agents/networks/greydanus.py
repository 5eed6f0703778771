"""The networks of Greydanus et al. (2018). Names and shapes of a checkpoint's tensors determine the architecture.

A network has convolutions ``conv1``, ``conv2``, … (3x3, stride 2, padding 1), each followed by ELU. A recurrent cell
follows, ``lstm`` or ``gru``, then ``actor_linear`` and ``critic_linear``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from searchlight.agents.networks import _cells, some
from searchlight.agents.policy import LOGITS, Memory
from searchlight.config.arguments import Table
from searchlight.errors import SearchlightError

TENSORS = "conv1, conv2, … (3x3), one of lstm or gru, actor_linear, critic_linear"
STRIDE, PADDING = 2, 1
GATES = {"lstm": 4, "gru": 3}
MEMORY = {"lstm": ("h", "c"), "gru": ("h",)}


class Arguments(Table):
    """Networks of Greydanus et al. (2018): 3x3 convolutions with ELU, an LSTM or GRU, heads for actor and critic."""


@dataclass(frozen=True)
class Architecture:
    """The sizes of a network.

    Attributes:
        cell: ``lstm`` or ``gru``.
        channels: input channels of the first convolution, then output channels of each.
        kernel: side of the convolutions' kernels.
        features: number of values that the convolutions give for an observation.
        hidden: size of the recurrent memory.
        actions: number of actions.
    """

    cell: str
    channels: tuple[int, ...]
    kernel: int
    features: int
    hidden: int
    actions: int


def fits(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Return whether tensors with these names and shapes look like this network's."""
    return any(f"{cell}.weight_ih" in shapes for cell in GATES) and len(shapes.get("conv1.weight", ())) == 4


def read_architecture(shapes: Mapping[str, tuple[int, ...]], source: str) -> Architecture:
    """Return the architecture that has tensors with these names and shapes.

    Raises:
        SearchlightError: they have another architecture; the line names ``source`` and the mismatch.
    """

    def refuse(found: str) -> SearchlightError:
        return SearchlightError(f"{source}: not a known network: {found}; allowed: {TENSORS}")

    cells = [cell for cell in GATES if f"{cell}.weight_ih" in shapes]
    if len(cells) > 1:
        raise refuse(f"found both {' and '.join(cells)}")
    cell = cells[0]
    convolutions = 0
    while f"conv{convolutions + 1}.weight" in shapes:
        convolutions += 1
    for name, shape in sorted(shapes.items()):
        if not shape or 0 in shape:
            raise refuse(f"found {some([name])} of shape {list(shape)}")
    inputs, *sides = shapes["conv1.weight"][1:]
    if sides != [2 * PADDING + 1] * 2:
        raise refuse(f"found convolutions of {'x'.join(map(str, sides))}")
    widths = [shapes[f"conv{index}.weight"][0] for index in range(1, convolutions + 1)]
    gates = shapes[f"{cell}.weight_ih"]
    # The comparison of shapes below refuses a tensor of another rank.
    features, hidden = gates[-1], gates[0] // GATES[cell]
    actions = shapes.get("actor_linear.weight", (0,))[0]
    found = Architecture(cell, (inputs, *widths), sides[0], features, hidden, actions)
    for name, shape in expected_shapes(found).items():
        if name not in shapes:
            raise refuse(f"found no {name}")
        if tuple(shapes[name]) != shape:
            raise refuse(f"found {name} of shape {list(shapes[name])} in place of {list(shape)}")
    extra = sorted(set(shapes) - set(expected_shapes(found)))
    if extra:
        raise refuse(f"found also {some(extra)}")
    if features % widths[-1]:
        raise refuse(f"found {cell}.weight_ih of {features} columns, which {widths[-1]} channels do not divide")
    if inputs != 1:
        raise refuse(f"found {inputs} input channels in place of 1")
    return found


def expected_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor of a network."""
    shapes: dict[str, tuple[int, ...]] = {}
    kernel, cell = architecture.kernel, architecture.cell
    for index, (before, after) in enumerate(pairwise(architecture.channels), start=1):
        shapes[f"conv{index}.weight"] = (after, before, kernel, kernel)
        shapes[f"conv{index}.bias"] = (after,)
    gates = GATES[cell] * architecture.hidden
    shapes[f"{cell}.weight_ih"] = (gates, architecture.features)
    shapes[f"{cell}.weight_hh"] = (gates, architecture.hidden)
    shapes[f"{cell}.bias_ih"] = (gates,)
    shapes[f"{cell}.bias_hh"] = (gates,)
    for head, outputs in (("actor_linear", architecture.actions), ("critic_linear", 1)):
        shapes[f"{head}.weight"] = (outputs, architecture.hidden)
        shapes[f"{head}.bias"] = (outputs,)
    return shapes


def elu(layer: Tensor) -> Tensor:
    """Return ELU as ``max(x, exp(min(x, 0)) - 1)``: its gradient is finite, and it is faster than torch's ``expm1``."""
    return torch.maximum(layer, torch.exp(layer.clamp(max=0)) - 1)


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
        follow = {"lstm": _cells.lstm, "gru": _cells.gru}[self.architecture.cell]
        after = follow(product, recurrent, memory)
        return self.actor_linear(after["h"]), self.critic_linear(after["h"])[:, 0], after

    def initial_memory(self) -> dict[str, Tensor]:
        """Return the memory before the first frame: zeros, (1, hidden) each."""
        return {name: torch.zeros(1, self.architecture.hidden) for name in MEMORY[self.architecture.cell]}

    def step(self, observation: Tensor, memory: Memory) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return outputs, value and new memory for observations; the batch shares a memory of (1, hidden)."""
        return self.decide(nn.functional.linear(self.trunk(observation), *self.product), memory)


def build(tensors: Mapping[str, np.ndarray], arguments: Arguments, source: str) -> GreydanusPolicy:  # noqa: ARG001
    """Return a network with the weights of a checkpoint, ready to be evaluated.

    Raises:
        SearchlightError: the tensors belong to another network.
    """
    policy = GreydanusPolicy(read_architecture({name: array.shape for name, array in tensors.items()}, source))
    policy.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
    return policy.eval().requires_grad_(False)
