"""Registries: folders of the package. Each file in one is a member that a config may name.

The file's name is the name in the config; case and underscores do not count. One new file adds a member. A file whose
name begins with an underscore is no member. The ``__init__`` of the folder says what a member has.

A name in the config may have arguments: ``NAME`` or ``{NAME: {argument: value}}``. If a member has only one argument,
``{NAME: value}`` works too. The member's ``Arguments``, a pydantic model, checks them; its docstring describes the
member. Users see the file's name, or the member's ``NAME``, which differs only in case and underscores.

The check of a config imports the members that it names. Members must therefore import quickly: they take NumPy from
``searchlight.lazy``, and import other libraries inside functions.
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
    """Return the file of a member, or None if it does not exist."""
    return next((path for path in files(folder) if _plain(path.stem) == _plain(name)), None)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def name_of(folder: str, name: str) -> str:
    """Return the name of a member's file; nothing is imported.

    Raises:
        SearchlightError: the member does not exist.
    """
    path = file_of(folder, name)
    if path is None:
        raise SearchlightError(f"found '{name}', allowed: {', '.join(names(folder))}")
    return path.stem


def load(folder: str, name: str) -> ModuleType:
    """Return the module of a member.

    Raises:
        SearchlightError: the member does not exist.
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
        name: name that users see.
        module: module of the member.
        arguments: the member's ``Arguments``, with defaults filled in.
    """

    name: str
    module: ModuleType
    arguments: Any

    @property
    def spec(self) -> dict[str, dict[str, Any]]:
        """The full form, ``{NAME: {argument: value}}``, in plain types."""
        return {self.name: self.arguments.model_dump(mode="json")}

    def get(self, attribute: str, default: Any = None) -> Any:
        """Return an optional attribute of the member's module, or the default."""
        return getattr(self.module, attribute, default)


def choose(folder: str, spec: Any) -> Chosen:
    """Return the member that a specification of the config names, with its arguments.

    Args:
        folder: folder of the registry.
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
    """Return a table of several entries without the None ones, because `null` in an overlay removes a default."""
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
    """Return the two parts of ``NAME`` or ``{NAME: anything}``; the second is ``{}`` if there are no arguments."""
    spec = without_nulls({spec: None} if isinstance(spec, str) else spec)
    if not isinstance(spec, dict) or len(spec) != 1:
        raise SearchlightError(f"found {spec!r}, allowed: one name, or one name with its arguments")
    ((name, given),) = spec.items()
    return str(name), {} if given is None else given


def _table(name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
        raise SearchlightError(f"found {given!r} as the arguments of {name}, allowed: a table of names and values")
    return given
