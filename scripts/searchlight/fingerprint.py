"""Fingerprints: digests of the code and the settings behind a result.

A job's parameters hold the lineage of its result: a digest of everything behind the result, back to the checkpoint. A
job is out of date when its lineage has changed; the dates of files do not count.

The digest of a script's code covers the script and all modules of the package that it imports, also indirectly. It
covers the registry members that its settings name, too. Modules are found by import statements, so nobody keeps a list.
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

# Endings of the files beside Python that are code, such as a page's template.
DATA = {".html"}


def lineage(*parts: Any) -> str:
    """Return a digest of a result's sources: its code, its settings in plain types, and its inputs."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def digest_of_code(script: Path, members: Mapping[str, Iterable[str | Path] | None]) -> str:
    """Return a digest of a script's code, from the names and contents of files. Their folder does not count.

    Args:
        script: the script.
        members: for each registry, the members that the script may load, by name; None for all. A path is that of a
            user's own file, which takes a member's place. Registries that the script does not import are left out.
    """
    used = {*closure(script)}
    roots = [script]
    for folder, named in members.items():
        if PACKAGE / folder / "__init__.py" in used:
            found = files(folder) if named is None else [_file(folder, name) for name in named]
            roots += [path for path in found if path is not None]
            # A member may use another registry, which follows in ``members``.
            used |= {other for path in found if path is not None for other in closure(path)}
    paths = {path for root in roots for path in (root, *closure(root))}
    return lineage(sorted((_name(path), _digest(path)) for path in paths))


def _file(folder: str, member: str | Path) -> Path | None:
    return member if isinstance(member, Path) else file_of(folder, member)


@cache
def closure(path: Path) -> frozenset[Path]:
    """Return the files of the package that a Python file imports, directly or not, with their data files.

    Data files are the files beside an ``__init__`` that are not Python, such as a page's template.
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
    """Return the files of the package that a Python file imports directly, and the ``__init__`` of parent packages."""
    found: set[Path] = set()
    for module in _modules(ast.parse(path.read_bytes())):
        parts = module.split(".")
        if parts[0] == PACKAGE.name:
            folders = [PACKAGE.joinpath(*parts[1:length]) for length in range(1, len(parts) + 1)]
            places = [place for folder in folders for place in (folder / "__init__.py", folder.with_suffix(".py"))]
            found |= {place for place in places if place.is_file() and place != path}
    return frozenset(found)


def _modules(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names of imported modules and objects; imports under ``TYPE_CHECKING`` are left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from _modules(ast.Module(node.orelse, []))
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            yield from _modules(node)


def _data(folder: Path) -> Iterator[Path]:
    """Yield the data files of a package, without those of its subpackages, and without what an editor leaves."""
    for path in sorted(folder.iterdir()) if folder != PACKAGE else ():
        if path.is_dir():
            if path.name != "__pycache__" and not (path / "__init__.py").exists():
                yield from _data(path)
        elif path.suffix in DATA and not path.name.startswith("."):
            yield path


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE.parent).as_posix() if path.is_relative_to(PACKAGE) else path.name


_digest = cache(digest_of)
