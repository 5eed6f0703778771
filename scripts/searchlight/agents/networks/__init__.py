"""Networks: the policies whose checkpoints can be read. A registry (``searchlight.registry``).

A member has ``TENSORS``, what such a checkpoint holds, in words; ``fits(shapes)``, whether tensors of these names look
like its own; and ``build(tensors, source)``, which returns a ``searchlight.agents.policy.Policy`` or raises
``SearchlightError`` with what does not fit.
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
    """Return the name of the network that tensors of these names and shapes make up.

    Args:
        shapes: of the tensors.
        source: for errors.
        named: the only network that they may be of; None for any.

    Raises:
        SearchlightError: no network, or not the named one, has such tensors.
    """
    names = registry.names(FOLDER) if named is None else [named]
    members = {name: registry.load(FOLDER, name) for name in names}
    for name, member in members.items():
        if member.fits(shapes):
            return name
    what = "a known network" if named is None else f"the network '{named}'"
    allowed = "; or ".join(member.TENSORS for member in members.values())
    raise SearchlightError(f"{source}: not {what}: found the tensors {some(shapes)}; allowed: {allowed}")


def build(name: str, tensors: Mapping[str, np.ndarray], source: str) -> Policy:
    """Return a policy with weights, ready to be evaluated.

    Raises:
        SearchlightError: there is no such network, or the tensors are not its own.
    """
    return registry.load(FOLDER, name).build(tensors, source)


def some(names: Iterable[str]) -> str:
    """Return the first of some names, which are a stranger's."""
    shown = [printable(name) for name in sorted(names)]
    return ", ".join(shown[:6]) + (f" and {len(shown) - 6} more" if len(shown) > 6 else "") if shown else "none"
