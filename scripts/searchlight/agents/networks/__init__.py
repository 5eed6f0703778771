"""Networks: the policies whose checkpoints can be read. A registry (``searchlight.registry``).

A member has:

- ``TENSORS``, the tensors of its checkpoints, in words;
- ``fits(shapes)``, whether names and shapes of tensors look like its own;
- ``build(tensors, source)``, which returns a ``searchlight.agents.policy.Policy``, or raises a ``SearchlightError``
  that names the tensor that does not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from searchlight import registry
from searchlight.errors import SearchlightError, printable

if TYPE_CHECKING:
    import numpy as np

    from searchlight.agents.policy import Policy

FOLDER = "agents/networks"


def find(shapes: Mapping[str, tuple[int, ...]], source: str, named: str | None = None) -> str:
    """Return the name of the network that has tensors with these names and shapes.

    Args:
        shapes: shapes of the tensors, by name.
        source: name of the checkpoint in errors.
        named: the only allowed network; None for any.

    Raises:
        SearchlightError: the tensors fit no network, or do not fit the named one.
    """
    names = registry.names(FOLDER) if named is None else [named]
    members = {name: registry.load(FOLDER, name) for name in names}
    for name, member in members.items():
        if member.fits(shapes):
            return name
    what = "a known network" if named is None else f"the network '{named}'"
    allowed = "; or ".join(member.TENSORS for member in members.values())
    raise SearchlightError(f"{source}: not {what}: found the tensors {some(shapes)}; allowed: {allowed}")


def fits(shapes: Mapping[str, tuple[int, ...]], named: str | None = None) -> bool:
    """Return whether tensors with these names and shapes look like a known network's, or like the named one's."""
    names = registry.names(FOLDER) if named is None else [named]
    return any(registry.load(FOLDER, name).fits(shapes) for name in names)


def build(name: str, tensors: Mapping[str, np.ndarray], source: str) -> Policy:
    """Return a policy with weights, ready to be evaluated.

    Raises:
        SearchlightError: the network does not exist, or the tensors do not fit it.
    """
    return registry.load(FOLDER, name).build(tensors, source)


def some(names: Iterable[str]) -> str:
    """Return the first six names in one text; they come from an untrusted file, so they are escaped."""
    shown = [printable(name) for name in sorted(names)]
    return ", ".join(shown[:6]) + (f" and {len(shown) - 6} more" if len(shown) > 6 else "") if shown else "none"
