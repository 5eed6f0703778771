"""Measures as a registry: what each member has, frames that are evenly spread, and the check of arguments."""

from __future__ import annotations

import inspect
from itertools import pairwise
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from searchlight import measures, registry
from searchlight.config.arguments import Table
from searchlight.errors import SearchlightError
from searchlight.measures import Results, Scene, spread

MEMBERS = registry.members(measures.FOLDER)


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.fixture(params=MEMBERS)
def member(request: pytest.FixtureRequest) -> ModuleType:
    found: ModuleType = MEMBERS[request.param]
    return found


def test_member_has_what_the_interface_says(member: ModuleType) -> None:
    assert member.FRAMES in ("clip", "episode")
    assert issubclass(member.Arguments, Table)
    assert member.Arguments.__doc__
    assert member.__doc__
    parts = [name for name in ("of_clip", "of_method") if hasattr(member, name)]
    assert parts
    for name in parts:
        assert parameters(getattr(member, name)) == ["scene", "arguments"]
    assert parameters(member.table) == ["results", "arguments"]
    assert parameters(member.draw) == ["figure", "results", "rows", "arguments"]
    for name in (*parts, "table", "draw"):
        assert inspect.getdoc(getattr(member, name)), f"{name} has a docstring"


@given(st.lists(st.integers(0, 60), unique=True).map(sorted))
def test_moments_are_read_in_runs_of_consecutive_frames(decisions: list[int]) -> None:
    read: list[range] = []

    def moments(frames: range) -> Any:
        read.append(frames)
        yield from frames

    scene = Scene(Any, SimpleNamespace(moments=moments), Any, range(61), "clips.demo")  # type: ignore[arg-type]
    assert [*scene.moments(decisions)] == decisions
    assert all(0 < len(frames) <= measures.RUN for frames in read)
    for one, other in pairwise(read):
        assert other.start > one.stop or len(one) == measures.RUN, "a run ends at a gap, or is full"


def test_member_s_options_are_of_their_kind(member: ModuleType) -> None:
    for name in ("USES_MAPS", "USES_OBJECTS"):
        assert isinstance(getattr(member, name, False), bool)
    if getattr(member, "USES_MAPS", False):
        assert hasattr(member, "of_method"), "maps are of a method"
    if hasattr(member, "window"):
        assert hasattr(member, "of_clip"), "the background is for of_clip"
        window = member.window(member.Arguments())
        assert window is None or window == "episode" or window > 0


def test_defaults_are_complete_and_read_again(member: ModuleType) -> None:
    name = member.__name__.rpartition(".")[2]
    spec = measures.check(name)
    assert list(spec[name]) == list(member.Arguments.model_fields)
    assert measures.check(spec) == spec
    assert measures.told(name, "FRAMES") == member.FRAMES
    assert measures.told(name, "no such thing") is None
    assert (measures.window(spec) is not None) <= hasattr(member, "window")
    assert all(field.description for field in member.Arguments.model_fields.values())


def wrong(name: str) -> list[tuple[Any, str]]:
    return [
        ({name: {"beauty": 1}}, f"{name}.beauty: "),
        ({name: {1: 1}}, f"found {{1: 1}} as the arguments of {name}, allowed: a table of names and values"),
        ({name: "many"}, ""),
        ({name: {"frames": 0}}, f"{name}.frames: "),
        ({name: {"frames": "9"}}, f"{name}.frames: "),
        ({name: {"frames": True}}, f"{name}.frames: "),
        ({name: {}, "beauty": {}}, "found {"),
    ]


@pytest.mark.parametrize("number", range(7))
def test_wrong_arguments_are_one_line(member: ModuleType, number: int) -> None:
    name = member.__name__.rpartition(".")[2]
    spec, line = wrong(name)[number]
    with pytest.raises(SearchlightError) as caught:
        measures.check(spec)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "spec", ["beauty", {"beauty": 3}, "_changes", "__init__", "games", "", 3, None, [], ["memory"]], ids=repr
)
def test_what_is_no_measure_is_one_line(spec: Any) -> None:
    with pytest.raises(SearchlightError, match=r"^found .*, allowed: [^\n]+$"):
        measures.check(spec)


def test_no_result_is_one_line() -> None:
    with pytest.raises(SearchlightError, match=r"^found no result of a measure, allowed: one or more$"):
        _ = Results(None, {}).any


@given(st.integers(0, 5000), st.integers(1, 700), st.integers(1, 3), st.integers(1, 400))
def test_frames_are_evenly_spread(first: int, length: int, step: int, count: int) -> None:
    frames = range(first, first + length * step, step)
    found = spread(frames, count)
    assert len(found) == min(count, length)
    assert found == sorted(set(found))
    assert set(found) <= set(frames)
    if count > 1:
        assert (found[0], found[-1]) == (frames[0], frames[-1])
    gaps = [later - earlier for earlier, later in pairwise(found)]
    assert not gaps or max(gaps) - min(gaps) <= 2 * step


def test_few_frames_are_all_and_one_is_in_the_middle() -> None:
    assert spread(range(3, 6), 9) == [3, 4, 5]
    assert spread(range(3, 6), 3) == [3, 4, 5]
    assert spread(range(0), 3) == []
    assert spread(range(100, 201), 1) == [150]
    assert spread(range(11), 3) == [0, 5, 10]
