"""What network a checkpoint holds, read from the names and shapes of its tensors, never guessed.

The family is that of Greydanus et al. (2018): convolutions ``conv1``, ``conv2``, … of 3x3, stride 2, padding 1, each
followed by ELU; a recurrent cell, ``lstm`` or ``gru``; ``actor_linear`` and ``critic_linear``. This module needs no
torch: ``searchlight.policy`` builds the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from searchlight.errors import SearchlightError
from searchlight.preprocessing import OBSERVATION

STRIDE, PADDING = 2, 1
GATES = {"lstm": 4, "gru": 3}
MEMORY = {"lstm": ("h", "c"), "gru": ("h",)}


@dataclass(frozen=True)
class Architecture:
    """The sizes of a network.

    Attributes:
        cell: ``lstm`` or ``gru``.
        channels: input and output channels of the convolutions, so one more than there are of them.
        kernel: side of the convolutions' kernels.
        hidden: size of the recurrent memory.
        actions: number of actions.
    """

    cell: str
    channels: tuple[int, ...]
    kernel: int
    hidden: int
    actions: int

    @property
    def memory(self) -> tuple[str, ...]:
        """Names of the memory's arrays, each of shape (hidden,)."""
        return MEMORY[self.cell]


def read_architecture(shapes: Mapping[str, tuple[int, ...]], source: str) -> Architecture:
    """Return the architecture that tensors of these names and shapes make up.

    Raises:
        SearchlightError: they are of another architecture; the line names ``source`` and what does not fit.
    """

    def refuse(found: str) -> SearchlightError:
        return SearchlightError(
            f"{source}: not a known network: {found}; allowed: conv1, conv2, … (3x3), one of lstm or gru, "
            f"actor_linear, critic_linear on a {OBSERVATION[0]}x{OBSERVATION[1]} observation"
        )

    cells = [cell for cell in GATES if f"{cell}.weight_ih" in shapes]
    if len(cells) > 1:
        raise refuse(f"found both {' and '.join(cells)}")
    if not cells:
        raise refuse(f"found the tensors {_some(shapes)}")
    cell = cells[0]
    convolutions = 0
    while f"conv{convolutions + 1}.weight" in shapes:
        convolutions += 1
    if not convolutions or len(shapes["conv1.weight"]) != 4:
        raise refuse(f"found the tensors {_some(shapes)}")
    for name, shape in sorted(shapes.items()):
        if not shape or 0 in shape:
            raise refuse(f"found {_some([name])} of shape {list(shape)}")
    inputs, *sides = shapes["conv1.weight"][1:]
    if sides != [2 * PADDING + 1] * 2:
        raise refuse(f"found convolutions of {'x'.join(map(str, sides))}")
    kernel = sides[0]
    widths = [shapes[f"conv{index}.weight"][0] for index in range(1, convolutions + 1)]
    channels = [inputs, *widths]
    hidden = shapes[f"{cell}.weight_ih"][0] // GATES[cell]
    actions = shapes.get("actor_linear.weight", (0,))[0]
    found = Architecture(cell, tuple(channels), kernel, hidden, actions)
    for name, shape in expected_shapes(found).items():
        if name not in shapes:
            raise refuse(f"found no {name}")
        if tuple(shapes[name]) != shape:
            raise refuse(f"found {name} of shape {list(shapes[name])} in place of {list(shape)}")
    extra = sorted(set(shapes) - set(expected_shapes(found)))
    if extra:
        raise refuse(f"found also {_some(extra)}")
    if inputs != 1:
        raise refuse(f"found {inputs} input channels in place of 1")
    return found


def expected_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor of a network."""
    shapes: dict[str, tuple[int, ...]] = {}
    height, width = OBSERVATION
    kernel, channels = architecture.kernel, architecture.channels
    for index, (before, after) in enumerate(pairwise(channels), start=1):
        shapes[f"conv{index}.weight"] = (after, before, kernel, kernel)
        shapes[f"conv{index}.bias"] = (after,)
        height = (height + 2 * PADDING - kernel) // STRIDE + 1
        width = (width + 2 * PADDING - kernel) // STRIDE + 1
    gates = GATES[architecture.cell] * architecture.hidden
    shapes[f"{architecture.cell}.weight_ih"] = (gates, channels[-1] * height * width)
    shapes[f"{architecture.cell}.weight_hh"] = (gates, architecture.hidden)
    shapes[f"{architecture.cell}.bias_ih"] = (gates,)
    shapes[f"{architecture.cell}.bias_hh"] = (gates,)
    for head, outputs in (("actor_linear", architecture.actions), ("critic_linear", 1)):
        shapes[f"{head}.weight"] = (outputs, architecture.hidden)
        shapes[f"{head}.bias"] = (outputs,)
    return shapes


def _some(names: Mapping[str, object] | list[str]) -> str:
    # Names are a stranger's: on one line, without codes that a terminal would obey.
    names = [name if name.isprintable() else name.encode("unicode_escape").decode() for name in sorted(names)]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "") if names else "none"
