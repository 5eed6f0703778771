"""Values of a config that are silently misread, because Snakemake reads YAML 1.1 and most people write YAML 1.2."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

REPEATED = object()


class Misread(NamedTuple):
    """A misread scalar: its line, its key, its text, and the value that Snakemake reads.

    The value is ``REPEATED`` if a table has the key a second time, because Snakemake then ignores the first.
    """

    line: int
    key: str
    text: str
    read: Any

    def __str__(self) -> str:
        if self.read is REPEATED:
            return f"line {self.line}: {self.key}: found a second one, allowed: one"
        return (
            f"line {self.line}: {self.key}: found {self.text or 'nothing'}, read as {self.read!r}, allowed: a text in "
            "quotes, a number in plain digits, true or false"
        )


# YAML 1.2's core schema. Some of its numbers, such as 1e3, are texts in YAML 1.1 and so for Snakemake.
_NULL, _BOOL, _INT, _FLOAT = (
    re.compile(pattern)
    for pattern in (
        r"null|Null|NULL|~|",
        r"true|True|TRUE|false|False|FALSE",
        r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    )
)
_TAGS = {"null": _NULL, "bool": _BOOL, "int": _INT, "float": _FLOAT}
_PREFIX = "tag:yaml.org,2002:"


def differing_scalars(path: str | Path) -> list[Misread]:
    """Return plain scalars of a config that YAML 1.1 and 1.2 read differently, and keys that change or get lost.

    JSON files have none, because Snakemake reads them as JSON. Broken YAML has none, because Snakemake refuses it.
    """
    text = Path(path).read_text(encoding="utf-8")
    try:
        json.loads(text)
    except ValueError:
        pass
    else:
        return []
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
    except yaml.YAMLError:
        return []
    finally:
        loader.dispose()
    found, keys = [], set()
    for node, key, is_key in _scalars(root, (), set()):
        if is_key and key in keys and node.value != "<<":
            found.append(Misread(node.start_mark.line + 1, ".".join(key), node.value, REPEATED))
        keys |= {key} if is_key else set()
        if node.style is not None or loader.resolve(yaml.ScalarNode, node.value, (True, False)) != node.tag:
            continue  # the scalar is in quotes, or has an explicit tag
        kind = node.tag.removeprefix(_PREFIX)
        read = loader.construct_object(node) if kind in (*_TAGS, "str", "timestamp") else node.value
        if kind != "merge" and (_differs(kind, node.value, read) or (is_key and str(read) != node.value)):
            found.append(Misread(node.start_mark.line + 1, ".".join(key), node.value, read))
    return found


def _differs(kind: str, text: str, read: Any) -> bool:
    core = next((name for name, pattern in _TAGS.items() if pattern.fullmatch(text)), "str")
    if core == kind == "int":
        return bool(read != int(text, 0 if text[:2] in ("0o", "0x") else 10))
    return core != kind and (kind, core) != ("str", "float")


def _scalars(
    node: Any, key: tuple[str, ...], seen: set[int]
) -> Iterator[tuple[yaml.ScalarNode, tuple[str, ...], bool]]:
    """Yield all scalars below a node with their keys, and whether they are keys themselves."""
    if isinstance(node, yaml.ScalarNode):
        yield node, key, False
    elif node is not None and id(node) not in seen:  # an alias may point to a table that contains it
        seen.add(id(node))
        for number, entry in enumerate(node.value):
            name, value = entry if isinstance(node, yaml.MappingNode) else (None, entry)
            inner = (*key, str(number) if name is None else str(name.value))
            if isinstance(name, yaml.ScalarNode):
                yield name, inner, True
            yield from _scalars(value, inner, seen)
