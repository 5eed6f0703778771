"""Fingerprints: digests of the code and of the settings that a result is made from.

A job has the lineage of its result among its parameters: a short text that changes with anything that the result is
made from, back to the checkpoint. So a job is out of date when its lineage has changed, whatever the dates of files.

The digest of a script's code covers the script, all modules of the package that it imports, directly or not, and the
files of registries that its settings name. It is derived from the import statements, so nobody keeps a list.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from searchlight.registry import PACKAGE, file_of, files
from searchlight.store.files import digest_of


def lineage(*parts: Any) -> str:
    """Return a digest of what a result is made from: of code, of settings in plain types, of what it reads."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def digest_of_code(script: Path, members: Mapping[str, Iterable[str] | None]) -> str:
    """Return a digest of a script's code: of names and contents of files, in whatever folder they are.

    Args:
        script: the script.
        members: for each registry, the members that the script may load; None for all. A registry that the script
            does not import counts for nothing.
    """
    used = closure(script)
    roots = [script]
    for folder, named in members.items():
        if PACKAGE / folder / "__init__.py" in used:
            found = files(folder) if named is None else [file_of(folder, name) for name in named]
            roots += [path for path in found if path is not None]
    paths = {path for root in roots for path in (root, *closure(root))}
    return lineage(sorted((_name(path), _digest(path)) for path in paths))


@cache
def closure(path: Path) -> frozenset[Path]:
    """Return the files of the package that a Python file imports, directly or not, and what lies beside them.

    Beside the ``__init__`` of a package lie the files that are no Python, such as a page's template.
    """
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        new = imported(waiting.pop()) - found
        found |= new
        waiting += new
    beside = {other for one in found if one.name == "__init__.py" for other in _data(one.parent)}
    return frozenset(found | beside)


@cache
def imported(path: Path) -> frozenset[Path]:
    """Return the files of the package that a Python file imports by itself, packages on the way included."""
    found: set[Path] = set()
    for module in _modules(ast.parse(path.read_bytes())):
        parts = module.split(".")
        if parts[0] == PACKAGE.name:
            folders = [PACKAGE.joinpath(*parts[1:length]) for length in range(1, len(parts) + 1)]
            places = [place for folder in folders for place in (folder / "__init__.py", folder.with_suffix(".py"))]
            found |= {place for place in places if place.is_file() and place != path}
    return frozenset(found)


def _modules(tree: ast.AST) -> Iterator[str]:
    """Yield the names that import statements may mean; those for type checkers alone are left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            yield from _modules(node)


def _data(folder: Path) -> Iterator[Path]:
    """Yield the files of a package that are no Python, those of packages in it left out."""
    for path in sorted(folder.iterdir()) if folder != PACKAGE else ():
        if path.is_dir():
            if path.name != "__pycache__" and not (path / "__init__.py").exists():
                yield from _data(path)
        elif path.suffix != ".py":
            yield path


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE.parent).as_posix() if path.is_relative_to(PACKAGE) else path.name


_digest = cache(digest_of)
