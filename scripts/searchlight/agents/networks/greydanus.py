"""The networks of Greydanus et al. (2018). Names and shapes of a checkpoint's tensors determine the architecture.

A network has convolutions ``conv1``, ``conv2``, … (3x3, stride 2, padding 1), each followed by ELU. A recurrent cell
follows, ``lstm`` or ``gru``, then ``actor_linear`` and ``critic_linear``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from searchlight.agents.networks import some
from searchlight.agents.networks._files import GATES
from searchlight.config.arguments import Table
from searchlight.errors import SearchlightError

if TYPE_CHECKING:
    import numpy as np

    from searchlight.agents.networks._greydanus import GreydanusPolicy

TENSORS = "conv1, conv2, … (3x3), one of lstm or gru, actor_linear, critic_linear"
STRIDE, PADDING = 2, 1


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


def build(tensors: Mapping[str, np.ndarray], arguments: Arguments, source: str) -> GreydanusPolicy:  # noqa: ARG001
    """Return a network with the weights of a checkpoint, ready to be evaluated.

    Raises:
        SearchlightError: the tensors belong to another network.
    """
    import torch

    from searchlight.agents.networks._greydanus import GreydanusPolicy

    policy = GreydanusPolicy(read_architecture({name: array.shape for name, array in tensors.items()}, source))
    policy.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
    return policy.eval().requires_grad_(False)
