"""Keys of the config that name a member of a registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BeforeValidator

from searchlight.config.messages import in_words


def named_member(check: Callable[[Any], Any]) -> BeforeValidator:
    """Return the validator of a key that names a member of a registry, with or without arguments."""

    def validate(spec: Any) -> Any:
        return None if spec is None else in_words(check, spec)

    return BeforeValidator(validate, json_schema_input_type=str | dict[str, Any])
