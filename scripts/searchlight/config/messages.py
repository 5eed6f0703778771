"""Mistakes in a config: how a check reports one, and the line that a user reads.

Pydantic knows the key of each mistake. A check reports a mistake in one of three ways:

- in one field: a validator of the field raises ``ValueError("found X, allowed: Y")``;
- in a field of several types, or of a pattern: ``Allowed`` in its annotation says what is allowed;
- in several keys or tables: a validator of their table calls ``refuse`` with a ``mistake`` for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, InitErrorDetails

from searchlight import registry
from searchlight.config.allowed import Allowed, not_allowed
from searchlight.errors import SearchlightError, one_line

# Users' words for pydantic's errors. Other errors begin with "Input should be", and their rest is readable.
_WORDS = {
    "bool_type": "true or false",
    "dict_type": "a table",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_type": "a whole number",
    "model_type": "a table",
    "string_type": "text",
    "tuple_type": "a list",
}


def mistake(key: tuple[str, ...], found: str, allowed: str) -> InitErrorDetails:
    """Return a mistake for ``refuse``: its key relative to the validated table, what was found, what is allowed."""
    return InitErrorDetails(type=not_allowed(found, allowed), loc=key, input=None)


def refuse(mistakes: Iterable[InitErrorDetails]) -> None:
    """Raise all mistakes, if there are any. Pydantic puts the key of the validated table before their keys."""
    if details := list(mistakes):
        raise ValidationError.from_exception_data("config", details)


def in_words(check: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a check returns, or raise what it refuses as pydantic takes it, in a user's words."""
    try:
        return check(*arguments)
    except registry.WrongArgumentsError as wrong:
        raise ValueError(lines(wrong.error, wrong.model, wrong.name)[0]) from wrong
    except SearchlightError as error:
        raise ValueError(str(error)) from error


def lines(error: ValidationError, model: type[BaseModel], *above: str) -> list[str]:
    """Return one line for each key with a mistake, in the model's order: the key, what was found, what is allowed.

    Args:
        error: error that the model's validation raised.
        model: the model.
        *above: the key of the table that was validated.
    """
    found: dict[str, str] = {}
    for details in error.errors(include_url=False):
        location, text = _explain(details, model)
        key = ".".join(str(part) for part in (*above, *location))
        found.setdefault(key, f"{key}: {text}" if key else text)
    return list(found.values())


def _explain(details: ErrorDetails, model: type[BaseModel]) -> tuple[tuple[str | int, ...], str]:
    """Return the key of a mistake, and the text after it."""
    key, kind, context = details["loc"], details["type"], details.get("ctx", {})
    if kind == "value_error":
        return key, one_line(context["error"])
    if kind == "extra_forbidden":
        table = _table(model, key[:-1])
        return key, "unknown key" + (f", allowed: {', '.join(table.model_fields) or 'none'}" if table else "")
    if kind == "missing":
        table = _table(model, key[:-1])
        return key, "missing" + _hint(table.model_fields.get(str(key[-1])) if table else None)
    found = context.get("found", repr(details["input"]))
    if kind == "not_allowed":
        allowed = context["allowed"]
    elif kind == "too_short":
        allowed = f"at least {context['min_length']} entry"
    else:
        allowed = _WORDS.get(kind, details["msg"].removeprefix("Input should be "))
    if key and key[-1] == "[key]":  # for a wrong name, pydantic gives (table, name, "[key]")
        key, found = key[:-2], f"the name {found}"
    return key, f"found {found}, allowed: {allowed}"


def _table(kind: Any, key: tuple[str | int, ...]) -> type[BaseModel] | None:
    """Return the model of the table at a key, relative to a model or another type; None if it has no model."""
    origin, members = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if not key:
            return kind
        field = kind.model_fields.get(str(key[0]))
        return _table(field.annotation, key[1:]) if field else None
    if origin is dict and key:
        return _table(members[1], key[1:])
    return None


def _hint(field: FieldInfo | None) -> str:
    """Return the allowed values of a missing key, or the beginning of its description."""
    if field is None:
        return ""
    if words := next((one.words for one in field.metadata if isinstance(one, Allowed)), None):
        return f", allowed: {words}"
    text = (field.description or "").partition(":")[0].partition(". ")[0].rstrip(".")
    return f" ({text[0].lower()}{text[1:]})" if text else ""
