"""Prefixes of tensors' names that wrappers leave: ``_orig_mod.``, ``module.module.``, ``model.`` and any other.

A network's own names may share a prefix too: all of CleanRL's Q-network begin with ``network.``. So a prefix is taken
off only if a known network is then told, and as few parts as that needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

Value = TypeVar("Value")

# What people call the actor's own network.
_OF_POLICY = {"actor", "pi", "policy"}
# torch.compile adds it to a whole network or to parts of one; torch's parallel wrappers add `module.` to a whole one.
_COMPILED, _PARALLEL = "_orig_mod", "module."


def without_wrappers(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return values by name without the prefixes of torch's own wrappers, which are never a network's own names."""
    names = {name: ".".join(part for part in name.split(".") if part != _COMPILED) for name in values}
    while names and all(name.startswith(_PARALLEL) for name in names.values()):
        names = {before: name.removeprefix(_PARALLEL) for before, name in names.items()}
    return {names[before]: value for before, value in values.items()}


def candidates(values: Mapping[str, Value]) -> Iterator[dict[str, Value]]:
    """Yield values by name as they are, then with one more part of their common prefix taken off each time."""
    values = dict(values)
    yield values
    while values:
        prefix, dot, _ = next(iter(values)).partition(".")
        if not dot or not all(name.startswith(prefix + dot) for name in values):
            return
        values = {name.removeprefix(prefix + dot): value for name, value in values.items()}
        yield values


def prefix_of_policy(before: Mapping[str, Value], after: Mapping[str, Value]) -> str | None:
    """Return the part of a prefix that was taken off by which a file calls its tensors a policy's, or None."""
    parts = next(iter(before), "").removesuffix(next(iter(after), "")).split(".")
    return next((part for part in parts if part in _OF_POLICY), None)


def fitting(values: Mapping[str, Value], fits: Callable[[Mapping[str, Value]], bool]) -> dict[str, Value]:
    """Return the first of ``candidates`` that fits; values by name as they are if none does."""
    return next((candidate for candidate in candidates(values) if fits(candidate)), dict(values))
