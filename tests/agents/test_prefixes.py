"""Prefixes of tensors' names: whatever is common to all comes off, and a network's own names stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from helpers.checkpoints import Fetch, assert_holds, network, torch_bytes
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save as safetensors_bytes
from searchlight.agents.prefixes import candidates, fitting, without_wrappers

PREFIXES = [
    "module.",
    "module.module.",
    "_orig_mod.",
    "module._orig_mod.",
    "_orig_mod.module.",
    "model.",
    "a.b.c.",
    "0.",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("write", [torch_bytes, safetensors_bytes], ids=["torch", "safetensors"])
def test_checkpoint_under_a_prefix_is_read(fetch: Fetch, prefix: str, write: Callable[..., bytes]) -> None:
    assert_holds(fetch(write({prefix + name: tensor for name, tensor in network().items()})), network())


def test_prefix_and_wrapping_together_are_read(fetch: Fetch) -> None:
    state = {f"_orig_mod.agent.{name}": tensor for name, tensor in network().items()}
    assert_holds(fetch(torch_bytes({"step": 3, "policy": {"net": state}})), network())


def test_part_that_was_compiled_alone_keeps_its_name() -> None:
    names = {"network._orig_mod.0.weight": 1, "actor.weight": 2}
    assert without_wrappers(names) == {"network.0.weight": 1, "actor.weight": 2}


def test_wrapper_of_a_part_stays() -> None:
    names = {"module.0.weight": 1, "actor.weight": 2}
    assert without_wrappers(names) == names


def begins_with(prefix: str) -> Callable[[Mapping[str, int]], bool]:
    return lambda names: all(name.startswith(prefix) for name in names)


def test_prefix_of_a_known_network_stays() -> None:
    names = {"agent.network.0.weight": 1, "agent.network.2.weight": 2}
    assert fitting(names, begins_with("network.")) == {"network.0.weight": 1, "network.2.weight": 2}
    assert fitting(names, begins_with("0.")) == names


@given(st.lists(st.text("ab_0", min_size=1, max_size=3), max_size=4), st.sets(st.text("ab.", min_size=1), min_size=1))
def test_candidates_end_where_nothing_is_common(parts: list[str], names: set[str]) -> None:
    prefixed = {".".join([*parts, name]): name for name in names}
    found = list(candidates(prefixed))
    assert found[0] == prefixed
    assert {name: name for name in names} in found
    assert all(sorted(candidate.values()) == sorted(names) for candidate in found)
