"""Registries: folders of the package whose files are what a config may name.

The file's name is the name in the config; case and underscores do not count. To add a member is to add one file. A file
whose name begins with an underscore is no member. What a member has is said in the ``__init__`` of its folder.

A name in the config may have arguments: ``NAME`` or ``{NAME: {argument: value}}``. A pydantic model checks them.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ValidationError

from searchlight.config.messages import lines
from searchlight.errors import SearchlightError

PACKAGE = Path(__file__).parent


@cache
def files(folder: str) -> tuple[Path, ...]:
    """Return the members' files, sorted; ``folder`` is relative to the package."""
    return tuple(path for path in sorted((PACKAGE / folder).glob("*.py")) if not path.name.startswith("_"))


def names(folder: str) -> tuple[str, ...]:
    """Return the names of all members; nothing is imported."""
    return tuple(path.stem for path in files(folder))


def file_of(folder: str, name: str) -> Path | None:
    """Return the file of a member, or None where there is no such member."""
    return next((path for path in files(folder) if _plain(path.stem) == _plain(name)), None)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def load(folder: str, name: str) -> ModuleType:
    """Return the module of a member.

    Raises:
        SearchlightError: there is no such member.
    """
    path = file_of(folder, name)
    if path is None:
        raise SearchlightError(f"found '{name}', allowed: {', '.join(names(folder))}")
    return import_module(".".join((PACKAGE.name, *folder.split("/"), path.stem)))


def without_nulls(table: Any) -> Any:
    """Return a table of several entries without those that are None: an overlay takes out the default's by `null`."""
    if isinstance(table, dict) and len(table) > 1:
        return {name: value for name, value in table.items() if value is not None}
    return table


def name_and_arguments(spec: Any) -> tuple[str, dict[str, Any]]:
    """Return the two parts of ``NAME`` or ``{NAME: {argument: value}}``.

    Raises:
        SearchlightError: the specification has another form.
    """
    spec = without_nulls({spec: {}} if isinstance(spec, str) else spec)
    if not isinstance(spec, dict) or len(spec) != 1:
        raise SearchlightError(f"found {spec!r}, allowed: one name, or one name with its arguments")
    ((name, arguments),) = spec.items()
    arguments = {} if arguments is None else arguments
    if not isinstance(arguments, dict) or not all(isinstance(key, str) for key in arguments):
        raise SearchlightError(f"found {arguments!r} as the arguments of {name}, allowed: a table of names and values")
    return str(name), arguments


def complete(name: str, model: type[BaseModel], arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments as a model has them, defaults included, in plain types.

    Raises:
        SearchlightError: an argument is missing, unknown or of a wrong type; the line names it.
    """
    try:
        return model(**arguments).model_dump(mode="json")
    except ValidationError as error:
        raise SearchlightError(lines(error, model, name)[0]) from error
