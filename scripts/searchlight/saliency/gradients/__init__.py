"""Gradients: maps by derivatives of the network's outputs. A registry (``searchlight.registry``).

A member has ``Arguments`` and ``attributions(scene, arguments)``. It returns a map for each explained number and each
channel of the observation, (number, channel, height, width), or for all channels together, (number, 1, height, width).
Values may have either sign. Each frame's map depends on that frame alone. A member may have

- ``base(arguments)``: the fill from which its changes are counted (``searchlight.saliency.fills``);
- ``SIGNED``, if its maps have a sign: positive where what is there raises the number;
- ``words(arguments)``: the method's name on pages, if its name and its arguments are unclear.

Members import torch inside functions, because the check of a config imports the members that it names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from searchlight import registry
from searchlight.saliency import fills

if TYPE_CHECKING:
    from torch import Tensor

    from searchlight.saliency.explained import Explained

FOLDER = "saliency/gradients"


@dataclass(frozen=True)
class Scene:
    """What a member may use to explain one frame.

    Attributes:
        observation: (channel, height, width) float32 in 0..1.
        explained: the numbers that the network gives for an observation, and their gradients.
        padding: number of oldest channels that hold no picture, because the stack is young; they are zeros.
        base: returns the observation that the member's ``base`` makes, of the observation's shape.
    """

    observation: Tensor
    explained: Explained
    padding: int
    base: Callable[[], Tensor]


def check(spec: Any) -> dict[str, dict[str, Any]]:
    """Return a gradient of the config as ``{NAME: {argument: value}}``, complete and in plain types.

    Raises:
        SearchlightError: the gradient does not exist, or its arguments are wrong.
    """
    return registry.choose(FOLDER, spec).spec


def base(spec: Any) -> dict[str, dict[str, Any]] | None:
    """Return the fill that a gradient counts changes from, or None if it has none."""
    chosen = registry.choose(FOLDER, spec)
    of_member = chosen.get("base")
    return None if of_member is None else of_member(chosen.arguments)


def window(spec: Any) -> int | Literal["episode"] | None:
    """Return the window of the background that a gradient needs, or None (``searchlight.saliency.background``)."""
    fill = base(spec)
    return None if fill is None else fills.window(fill)


def words(spec: Any) -> str:
    """Return a gradient's description in words."""
    chosen = registry.choose(FOLDER, spec)
    values = [f"{name} {value}" for name, value in chosen.arguments]
    return chosen.get("words", lambda _: ", ".join([chosen.name, *values]))(chosen.arguments)


def signed_ones() -> list[str]:
    """Return the names of the gradients whose maps have a sign."""
    return [name for name, member in registry.members(FOLDER).items() if getattr(member, "SIGNED", False)]
