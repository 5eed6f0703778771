"""Results that the config does not name any more: found by their paths, and deleted.

What no rule could have written is not a result, and is left alone: a user's own files, and all behind a linked folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

from searchlight.store.files import PARTIAL, remove


def find_unused(results: str | Path, patterns: Iterable[str], used: Container[str]) -> list[Path]:
    """Return the results that are not used, and what jobs that were killed left of such, sorted.

    Args:
        results: the folder of all results.
        patterns: paths that the rules write, from where ``results`` is, with wildcards in braces.
        used: such paths that the config names.
    """
    shapes = re.compile("|".join(sorted({_shape(pattern) for pattern in patterns})))
    found = []
    for path in _entries(Path(results)):
        names = [owner.as_posix() for owner in _owners(path)]
        of_rules = [name for name in names if shapes.fullmatch(name)]
        if of_rules and not any(name in used for name in of_rules):
            found.append(path)
    return sorted(found)


def in_short(unused: Sequence[Path]) -> str:
    """Return the number and the size of results in words."""
    return f"{len(unused)} unused, {sum(map(_size, unused)) / 1e6:.1f} MB"


def delete(results: str | Path, unused: Iterable[Path]) -> None:
    """Delete results, and the folders in ``results`` that this leaves empty."""
    for path in unused:
        remove(path)
        for folder in path.parents:
            if folder == Path(results) or any(folder.iterdir()):
                break
            folder.rmdir()


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files)


def _shape(pattern: str) -> str:
    """Return the regular expression of a path whose wildcards may have any value."""
    parts = re.split(r"\{[^{}]*\}", pattern)
    return "[^/]+".join(re.escape(part) for part in parts)


def _entries(results: Path) -> Iterator[Path]:
    """Yield the files in a folder, and the folders that are partial results as a whole."""
    for folder, folders, files in os.walk(results):
        yield from (Path(folder, name) for name in (*files, *folders) if name in files or name.startswith(PARTIAL))
        folders[:] = [name for name in folders if not name.startswith(PARTIAL)]


def _owners(path: Path) -> list[Path]:
    """Return the result that a path is, or those that it may be a part of."""
    if not path.name.startswith(PARTIAL):
        return [path]
    name = path.name.removeprefix(PARTIAL)
    return [path.with_name(owner) for owner in (name, name.rpartition(".")[0]) if owner]
