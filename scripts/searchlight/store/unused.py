"""Unused results, which the config does not name any more: found by their paths, and deleted.

A file is a result only if a rule can write to its path. All other files are the user's own, and stay. Results behind a
linked folder count too, because they may be on another disk. A used result stays used under any other path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from searchlight.store.files import PARTIAL, remove


def find_unused(results: str | Path, patterns: Iterable[str], used: Iterable[str]) -> list[Path]:
    """Return the unused results, with partial files of killed jobs, sorted.

    Args:
        results: the folder of all results.
        patterns: paths that the rules write, with wildcards in braces, relative to the same folder as ``results``.
        used: paths of the results that the config names, relative to the same folder.
    """
    shapes = [_shape(pattern) for pattern in patterns]
    files = _any_of("/".join(parts) for parts in shapes)
    folders = _any_of("/".join(parts[:depth]) for parts in shapes for depth in range(1, len(parts)))
    real = cache(os.path.realpath)
    kept = {(real(path.parent), path.name) for path in map(Path, used)}
    found = []
    for path in _entries(Path(results), folders):
        owners = [owner for owner in _owners(path) if files.fullmatch(owner.as_posix())]
        if owners and not any((real(owner.parent), owner.name) in kept for owner in owners):
            found.append(path)
    return sorted(found)


def in_short(unused: Sequence[Path]) -> str:
    """Return the number and the size of results in words."""
    return f"{len(unused)} unused, {sum(map(_size, unused)) / 1e6:.1f} MB"


def delete(results: str | Path, unused: Iterable[Path]) -> None:
    """Delete results, and then the folders in ``results`` that have become empty."""
    for path in unused:
        remove(path)
        for folder in path.parents:
            if folder == Path(results) or folder.is_symlink() or any(folder.iterdir()):
                break
            folder.rmdir()


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files)


def _shape(pattern: str) -> list[str]:
    """Return the regular expressions of a path's parts, whose wildcards may have any value."""
    any_value = "\0"  # no path contains it
    parts = re.sub(r"\{[^{}]*\}", any_value, pattern).split("/")
    return [re.escape(part).replace(any_value, "[^/]+") for part in parts]


def _any_of(shapes: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(sorted(set(shapes))))


def _entries(results: Path, shapes: re.Pattern[str]) -> Iterator[Path]:
    """Yield the files in folders that rules write to, and the folders that are partial results.

    Linked folders are followed, except those whose target is inside ``results``.
    """
    inside = Path(os.path.realpath(results))
    for folder, folders, files in os.walk(results, followlinks=True):
        yield from (Path(folder, name) for name in (*files, *folders) if name in files or name.startswith(PARTIAL))
        paths = [Path(folder, name) for name in folders if not name.startswith(PARTIAL)]
        folders[:] = [
            path.name
            for path in paths
            if shapes.fullmatch(path.as_posix())
            and not (path.is_symlink() and Path(os.path.realpath(path)).is_relative_to(inside))
        ]


def _owners(path: Path) -> list[Path]:
    """Return the result at a path, or the results that a partial file may belong to."""
    if not path.name.startswith(PARTIAL):
        return [path]
    name = path.name.removeprefix(PARTIAL)
    return [path.with_name(owner) for owner in (name, name.rpartition(".")[0]) if owner]
