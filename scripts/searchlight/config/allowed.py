"""What a type of the config allows, in words, where pydantic's own words are several or hard to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


@dataclass(frozen=True)
class Allowed:
    """Marker in an annotation: the allowed values, in words. It replaces all errors of the type before it.

    Without it, pydantic reports a type such as ``int | tuple[int, ...]`` once for each of its members. A validator
    with an error text of its own stands after the marker.
    """

    words: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the type's own schema with this marker around it."""
        return core_schema.no_info_wrap_validator_function(self._validate, handler(source))

    def _validate(self, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(value)
        except ValidationError as error:
            raise not_allowed(repr(value), self.words) from error


def not_allowed(found: str, allowed: str) -> PydanticCustomError:
    """Return the error that says what was found and what is allowed."""
    return PydanticCustomError("not_allowed", "found {found}, allowed: {allowed}", {"found": found, "allowed": allowed})
