"""Lines about mistakes: each states the key, the found value and the allowed values."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from searchlight import registry
from searchlight.agents import preprocessings
from searchlight.config.allowed import Allowed
from searchlight.config.arguments import Float, Int, Table
from searchlight.config.messages import lines, mistake, refuse
from searchlight.config.models import Config
from searchlight.saliency import fills, perturbers, scorers


class Inner(Table):
    size: Int | tuple[Int, ...] = 1
    worded: Annotated[Int | tuple[Int, ...], Allowed("a number, or a list of them")] = 1
    even: Int = 0
    low: Float = 0
    high: Float = Field(1, description="The end: the largest. Not more.")

    @field_validator("even")
    @classmethod
    def _even(cls, even: int) -> int:
        if even % 2:
            raise ValueError(f"found {even}, allowed:\n  even")
        return even

    @model_validator(mode="after")
    def _low_before_high(self) -> Inner:
        if self.low > self.high:
            refuse([mistake(("low",), "{allowed}", "{found}"), mistake(("high",), "less", "more")])
        return self


class Outer(Table):
    inner: Inner
    entries: dict[Annotated[str, Field(max_length=3), Allowed("3 letters")], Inner] = Field(description="What: is in.")
    needed: Annotated[Literal["a", "b"], Allowed("a or b")]


def told(model: type[BaseModel], given: Any, *above: str) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    return lines(caught.value, model, *above)


@pytest.mark.parametrize(
    ("inner", "line"),
    [
        ({"worded": "x"}, "worded: found 'x', allowed: a number, or a list of them"),
        ({"worded": ["x"]}, "worded: found ['x'], allowed: a number, or a list of them"),
        ({"even": 3}, "even: found 3, allowed: even"),
        ({"even": 2.5}, "even: found 2.5, allowed: a whole number"),
        ({"low": "x"}, "low: found 'x', allowed: a number"),
        ({"other": 1}, "other: unknown key, allowed: size, worded, even, low, high"),
    ],
)
def test_line_of_mistake_starts_with_full_key(inner: dict[str, Any], line: str) -> None:
    assert told(Inner, inner) == [line]
    assert told(Inner, inner, "a", "b") == [f"a.b.{line}"]
    whole = {"inner": inner, "entries": {"one": inner}, "needed": "a"}
    assert told(Outer, whole) == [f"inner.{line}", f"entries.one.{line}"]


def test_mistakes_of_several_keys_keep_their_own_text() -> None:
    expected = ["inner.low: found {allowed}, allowed: {found}", "inner.high: found less, allowed: more"]
    assert told(Outer, {"inner": {"low": 2}, "entries": {}, "needed": "a"}) == expected


def test_missing_key_states_allowed_values_or_its_meaning() -> None:
    assert told(Outer, {}) == ["inner: missing", "entries: missing (what)", "needed: missing, allowed: a or b"]


def test_mistake_in_entry_name_is_reported_at_its_table() -> None:
    given = {"inner": {}, "entries": {"four": {}}, "needed": "a"}
    assert told(Outer, given) == ["entries: found the name 'four', allowed: 3 letters"]


def test_valid_table_raises_no_error() -> None:
    refuse([])


def without_words(kind: Any, metadata: tuple[Any, ...], key: str) -> Iterator[str]:
    """Yield keys of a type that have several forms but no text for the allowed values."""
    if any(isinstance(one, Allowed) for one in metadata):
        return
    if get_origin(kind) is Annotated:
        yield from without_words(get_args(kind)[0], kind.__metadata__, key)
    elif get_origin(kind) in (Union, UnionType, tuple, list):
        forms = [form for form in get_args(kind) if form not in (type(None), ...)]
        if len(forms) > 1:
            yield key
        for form in forms:
            yield from without_words(form, (), key)
    elif get_origin(kind) is dict:
        yield from without_words(get_args(kind)[1], (), key)
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            yield from without_words(field.annotation, tuple(field.metadata), f"{key}.{name}")


def test_keys_of_several_forms_state_allowed_values_in_words() -> None:
    assert list(without_words(Inner, (), "inner")) == ["inner.size"]
    folders = (preprocessings.FOLDER, fills.FOLDER, perturbers.FOLDER, scorers.FOLDER)
    members = [member.Arguments for folder in folders for member in registry.members(folder).values()]
    for model in (Config, *members):
        assert list(without_words(model, (), model.__name__)) == []
