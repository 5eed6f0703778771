"""Registries: folders of the package whose files are what a config may name.

The file's name is the name in the config; case and underscores do not count. To add a member is to add one file. A file
whose name begins with an underscore is no member. What a member has is said in the ``__init__`` of its folder.

A name in the config may have arguments: ``NAME`` or ``{NAME: {argument: value}}``; where there is but one argument,
``{NAME: value}`` too. The member's ``Arguments``, a pydantic model whose docstring describes the member, checks them.
Users see the file's name, or the member's ``NAME``, which differs from it in case and underscores alone.

To check a config imports the members that it names. Those of fills, scorers, perturbers and preprocessings load nothing
heavy by that: they take NumPy from ``searchlight.lazy``, and import what else they need in their functions.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

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


def name_of(folder: str, name: str) -> str:
    """Return the name of a member's file; nothing is imported.

    Raises:
        SearchlightError: there is no such member.
    """
    path = file_of(folder, name)
    if path is None:
        raise SearchlightError(f"found '{name}', allowed: {', '.join(names(folder))}")
    return path.stem


def load(folder: str, name: str) -> ModuleType:
    """Return the module of a member.

    Raises:
        SearchlightError: there is no such member.
    """
    return import_module(".".join((PACKAGE.name, *folder.split("/"), name_of(folder, name))))


def members(folder: str) -> dict[str, ModuleType]:
    """Return the modules of all members by the names that users see."""
    modules = {name: load(folder, name) for name in names(folder)}
    return {getattr(module, "NAME", name): module for name, module in modules.items()}


class WrongArgumentsError(SearchlightError):
    """Arguments of a member that its model refuses.

    Attributes:
        name: that users see.
        model: the member's ``Arguments``.
        error: what pydantic says. ``searchlight.config.messages`` says it in a user's words.
    """

    def __init__(self, name: str, model: type[BaseModel], error: ValidationError) -> None:
        first = error.errors()[0]
        super().__init__(f"{'.'.join(map(str, (name, *first['loc'])))}: {first['msg']}")
        self.name, self.model, self.error = name, model, error


class Chosen(NamedTuple):
    """A member with its arguments.

    Attributes:
        name: that users see.
        module: of the member.
        arguments: the member's ``Arguments``, complete.
    """

    name: str
    module: ModuleType
    arguments: Any

    @property
    def spec(self) -> dict[str, dict[str, Any]]:
        """The one form that all ways to write it have in common: ``{NAME: {argument: value}}``, in plain types."""
        return {self.name: self.arguments.model_dump(mode="json")}

    def get(self, attribute: str, default: Any = None) -> Any:
        """Return what a member may have or not."""
        return getattr(self.module, attribute, default)


def choose(folder: str, spec: Any) -> Chosen:
    """Return the member that a specification of the config names, with its arguments.

    Args:
        folder: of the registry.
        spec: ``NAME``, ``{NAME: {argument: value}}``, or ``{NAME: value}`` for a member with one argument.

    Raises:
        SearchlightError: the specification has another form, an unknown name or wrong arguments.
    """
    name, given = name_and_value(spec)
    module = load(folder, name)
    name, model = getattr(module, "NAME", name_of(folder, name)), module.Arguments
    if len(model.model_fields) == 1 and not isinstance(given, dict):
        given = {next(iter(model.model_fields)): given}
    try:
        return Chosen(name, module, model(**_table(name, given)))
    except ValidationError as error:
        raise WrongArgumentsError(name, model, error) from error


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
    name, given = name_and_value(spec)
    return name, _table(name, given)


def name_and_value(spec: Any) -> tuple[str, Any]:
    """Return the two parts of ``NAME`` or ``{NAME: anything}``; no arguments are an empty table."""
    spec = without_nulls({spec: None} if isinstance(spec, str) else spec)
    if not isinstance(spec, dict) or len(spec) != 1:
        raise SearchlightError(f"found {spec!r}, allowed: one name, or one name with its arguments")
    ((name, given),) = spec.items()
    return str(name), {} if given is None else given


def _table(name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
        raise SearchlightError(f"found {given!r} as the arguments of {name}, allowed: a table of names and values")
    return given
