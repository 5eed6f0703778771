"""Registries: folders of the package whose files are what a config may name.

The file's name is the name in the config, in lower case and without underscores: ``occlusion_scoring.py`` is
``OcclusionScoring``. To add one is to add one file. A file whose name begins with an underscore is no member.

Each file has a class ``Arguments``, a pydantic model of what the config may say of it; its docstring is the member's
description. ``NAME`` is how documents spell the member, where that is not the file's name. What else a file has is said
in the ``__init__`` of its folder.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import RootModel, ValidationError

from searchlight.errors import SearchlightError, one_line

PACKAGE = Path(__file__).parent


@cache
def files(folder: str) -> dict[str, Path]:
    """Return the members' files by their names without underscores; ``folder`` is relative to the package."""
    paths = sorted((PACKAGE / folder).glob("*.py"))
    return {path.stem.replace("_", ""): path for path in paths if not path.name.startswith("_")}


def file_of(folder: str, name: str) -> Path | None:
    """Return the file of a member, or None where there is no such member."""
    return files(folder).get(name.replace("_", "").lower())


def load(folder: str, name: str) -> ModuleType:
    """Return the module of a member.

    Raises:
        SearchlightError: there is no such member.
    """
    path = file_of(folder, name)
    if path is None:
        raise SearchlightError(f"found '{name}', allowed: {', '.join(names(folder))}")
    return import_module(".".join(("searchlight", *folder.split("/"), path.stem)))


def name_of(member: ModuleType) -> str:
    """Return how documents spell a member's name."""
    return getattr(member, "NAME", member.__name__.rpartition(".")[2])


def members(folder: str) -> dict[str, ModuleType]:
    """Return all members by their names, sorted by file."""
    found = [load(folder, path.stem) for path in files(folder).values()]
    return {name_of(member): member for member in found}


def names(folder: str) -> list[str]:
    """Return the names of all members."""
    return list(members(folder))


def without_nulls(table: Any) -> Any:
    """Return a table of several entries without those that are None: an overlay takes out the default's by `null`."""
    if isinstance(table, dict) and len(table) > 1:
        return {name: value for name, value in table.items() if value is not None}
    return table


def check(folder: str, spec: Any, elsewhere: Callable[[str, dict[str, Any]], object] | None = None) -> dict[str, Any]:
    """Return a specification, ``NAME`` or ``{NAME: arguments}``, complete and in plain types.

    Args:
        folder: the registry.
        spec: as the config has it.
        elsewhere: builds what is no member of the registry from its name and arguments, or raises SearchlightError.

    Raises:
        SearchlightError: the specification has another form, an unknown name or wrong arguments.
    """
    if isinstance(spec, str):
        spec = {spec: None}
    spec = without_nulls(spec)
    if not isinstance(spec, dict) or len(spec) != 1:
        raise SearchlightError(f"found {spec!r}, allowed: one name, or one name with its arguments")
    ((name, given),) = spec.items()
    if not isinstance(name, str):
        raise SearchlightError(f"found {spec!r}, allowed: one name, or one name with its arguments")
    if file_of(folder, name) is None and elsewhere is not None:
        arguments = _table(name, given)
        elsewhere(name, arguments)
        return {name: arguments}
    member = load(folder, name)
    name, model = name_of(member), member.Arguments
    if issubclass(model, RootModel):
        given = () if given is None else (given,)
        try:
            return {name: model(*given).model_dump(mode="json")}
        except ValidationError as error:
            raise SearchlightError(f"{name}: {_found(error)}") from error
    try:
        return {name: model(**_table(name, given)).model_dump(mode="json")}
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        allowed = ", ".join(model.model_fields) or "no arguments"
        if first["type"] == "missing":
            what = f"{name}.{key} is missing"
        elif first["type"] == "extra_forbidden":
            what = f"{name} has no argument '{key}'"
        else:
            what = f"{name}.{key}: {_found(error)}"
        raise SearchlightError(f"{what}, allowed: {allowed}") from error


def _table(name: str, arguments: Any) -> dict[str, Any]:
    arguments = {} if arguments is None else arguments
    if not isinstance(arguments, dict) or not all(isinstance(key, str) for key in arguments):
        raise SearchlightError(f"found {arguments!r} as the arguments of {name}, allowed: a table of names and values")
    return arguments


def _found(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"found {first['input']!r} ({one_line(ValueError(first['msg']))})"
