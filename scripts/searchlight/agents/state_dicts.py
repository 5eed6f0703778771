"""Where the weights are in what torch loads: alone, or in tables beside counters, settings and optimizers.

A table that holds layers, that is tensors of two or more dimensions, is gone into whatever its key is. Optimizers,
schedulers and copies (target networks, running averages) are passed by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from searchlight.errors import SearchlightError, printable

if TYPE_CHECKING:
    from torch import Tensor

# Keys of whole networks, preferred to other tables beside them.
WHOLE = ("state_dict", "model", "model_state_dict", "model_weights", "agent", "agent_state_dict")
_PASSED_BY = re.compile(r"optim|sched|target|(^|_)ema(_|$)", re.IGNORECASE)
_DEEPEST = 8


class Found(NamedTuple):
    """Tables of layers in what torch loads.

    Attributes:
        keys: keys from the outermost table to the one that holds ``tables``.
        tables: the tables of layers by their keys; one without a key if the keys lead to it.
    """

    keys: list[Any]
    tables: dict[Any, Mapping[Any, Any]]


def find_weights(content: Any, source: str) -> dict[str, Tensor]:
    """Return the tensors of a network by name, from what ``torch.load`` gave.

    Several tables of layers, as ``actor`` and ``critic``, are joined: their keys come before the names.

    Raises:
        SearchlightError: no table holds layers; the line says which keys there are.
    """
    if _table(content) is None:
        raise SearchlightError(f"{source}: found {_kind(content)}, allowed: a state dict")
    if (found := find_tables(content)) is None:
        raise SearchlightError(
            f"{source}: found no weights of layers, but {_described(content)}; allowed: a state dict, by itself or "
            "under any key but an optimizer's or a target network's"
        )
    joined = {key: _tensors(table) for key, table in found.tables.items()}
    if list(joined) == [None]:
        return joined[None]
    return {f"{key}.{name}": tensor for key, part in joined.items() for name, tensor in part.items()}


def find_tables(content: Any) -> Found | None:
    """Return where the layers are in what ``torch.load`` gave; None if there are none."""
    table = _table(content)
    keys: list[Any] = []
    while table is not None and len(keys) < _DEEPEST:  # a limit, because a table may contain itself
        tables = {key: inner for key, value in _looked_into(table) if (inner := _leading_to_layers(value)) is not None}
        within = [key for key in WHOLE if key in tables] or ([] if _has_layers(table) else list(tables))
        if not within:
            return Found(keys, {None: table}) if _has_layers(table, dimensions=1) else None
        if len(within) > 1 and within[0] not in WHOLE:
            return Found(keys, tables) if all(map(_has_layers, tables.values())) else None
        keys.append(within[0])
        table = tables[within[0]]
    return None


def _described(content: Any, most: int = 8) -> str:
    """Return the keys of a table with what they are, on one line; keys come from an untrusted file."""
    table = _table(content) or {}
    shown = [f"{_key(key)} ({_kind(value)})" for key, value in list(table.items())[:most]]
    if len(table) > most:
        shown.append(f"{len(table) - most} more")
    return ", ".join(shown) or "an empty table"


def _leading_to_layers(value: Any) -> Mapping[Any, Any] | None:
    return _table(value) if _leads_to_layers(value, _DEEPEST, set()) else None


def _leads_to_layers(value: Any, depth: int, seen: set[int]) -> bool:
    """Return whether a value is a table that holds layers, or leads to one that does."""
    table = _table(value)
    if table is None or id(value) in seen or _is_optimizer(table):
        return False
    seen.add(id(value))  # each is looked at once, because tables may repeat or contain themselves
    deeper = depth > 0 and any(_leads_to_layers(inner, depth - 1, seen) for _, inner in _looked_into(table))
    return deeper or _has_layers(table)


def _looked_into(table: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    return [(key, value) for key, value in table.items() if not _PASSED_BY.search(_text(key))]


def _table(value: Any) -> Mapping[Any, Any] | None:
    """Return a table, or a list as a table of its first entries; None for anything else."""
    if isinstance(value, (list, tuple)):
        return dict(enumerate(value[:16]))
    return value if isinstance(value, Mapping) else None


def _is_optimizer(table: Mapping[Any, Any]) -> bool:
    return "param_groups" in table


def _has_layers(table: Mapping[Any, Any], dimensions: int = 2) -> bool:
    import torch

    return any(isinstance(value, torch.Tensor) and value.dim() >= dimensions for value in table.values())


def _tensors(table: Mapping[Any, Any]) -> dict[str, Tensor]:
    import torch

    return {_text(name): value for name, value in table.items() if isinstance(value, torch.Tensor)}


def _kind(value: Any) -> str:
    import torch

    if isinstance(value, torch.Tensor):
        return f"tensor {list(value.shape)}"
    if isinstance(value, Mapping):
        inner = ", ".join(map(_key, list(value)[:3])) + (", …" if len(value) > 3 else "")
        return "optimizer" if _is_optimizer(value) else f"table of {inner}" if value else "empty table"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__} of {len(value)}"
    return "None" if value is None else getattr(type(value), "DESCRIPTION", type(value).__name__)


def _text(key: Any) -> str:
    """Return a key as text; of another type than text or a number, which may be nested endlessly, the type's name."""
    return str(key) if isinstance(key, (str, int, float)) else type(key).__name__


def _key(key: Any) -> str:
    text = printable(_text(key))
    return text if len(text) <= 40 else f"{text[:40]}…"
