"""Where the weights are: alone, under any key, beside counters, settings and optimizers."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from helpers.checkpoints import network
from searchlight.agents.state_dicts import find_weights
from searchlight.errors import SearchlightError

STATE = network()
OTHER = network(seed=1)
OPTIMIZER = {"state": {0: {"exp_avg": torch.zeros(3, 3)}}, "param_groups": [{"lr": 1e-4}]}

HOLDING: dict[str, Any] = {
    "alone": STATE,
    "ordered": OrderedDict(STATE),
    "under policy": {"policy": STATE},
    "under net, beside a counter": {"step": 3, "net": STATE},
    "under a name of its own": {"greatest_agent_ever": STATE, "scores": [1.0, 2.0]},
    "beside a tensor": {"net": STATE, "step": torch.tensor(3), "scores": torch.zeros(100)},
    "beside an optimizer": {"agent": STATE, "optimizer": OPTIMIZER},
    "beside an optimizer of any name": {"agent": STATE, "adam": OPTIMIZER},
    "beside a target network": {"policy_net": STATE, "target_net": OTHER},
    "beside an average": {"net": STATE, "net_ema": OTHER},
    "preferred to what is beside it": {"encoder": OTHER, "model": STATE},
    "in a table in a table": {"checkpoint": {"step": 1, "q_network": {"state_dict": STATE}}},
    "in a list": [STATE, {"mean": torch.zeros(4)}],
    "with entries that are no tensors": {**STATE, "_metadata": {"version": 1}, "steps": 40},
    "under a number": {0: STATE},
}


@pytest.mark.parametrize("content", HOLDING.values(), ids=HOLDING)
def test_weights_are_found(content: Any) -> None:
    found = find_weights(content, "agent.pt")
    assert found.keys() == STATE.keys()
    assert all(found[name] is STATE[name] for name in STATE)


def test_parts_are_joined_by_their_keys() -> None:
    parts = {"actor": {"0.weight": torch.zeros(2, 2)}, "critic": {"0.weight": torch.ones(2, 2)}, "optimizer": OPTIMIZER}
    assert set(find_weights(parts, "agent.pt")) == {"actor.0.weight", "critic.0.weight"}


def in_itself() -> dict[str, Any]:
    content: dict[str, Any] = {"step": 1}
    content |= {f"part{number}": content for number in range(50)}
    return content


WITHOUT: dict[str, tuple[Any, tuple[str, ...]]] = {
    "nothing": ({}, ("an empty table",)),
    "an optimizer alone": (
        {"epoch": 3, "optimizer": OPTIMIZER, "best": None, "rewards": [1, 2]},
        ("epoch (int)", "optimizer (optimizer)", "best (None)", "rewards (list of 2)", "a state dict"),
    ),
    "nested": (
        {"log": {"loss": 1, "score": 2, "kl": 3, "entropy": 4}},
        ("log (table of loss, score, kl, …)",),
    ),
    "a target network alone": ({"target_net": STATE}, ("target_net (table of conv1.weight, ",)),
    "many keys": ({f"value{number}": number for number in range(20)}, ("value7 (int), 12 more",)),
    "an unprintable key": ({"\x1b[2J\n" * 20: 1}, (r"\x1b[2J\n", "…")),
    "itself": (in_itself(), ("step (int)", "part0 (table of step, part0, part1, …)")),
    "keys of other types": ({(1, (2,)): 1, None: 2}, ("tuple (int), NoneType (int)",)),
    "a counter": ({"step": torch.tensor(3)}, ("step (tensor [])",)),
}


@pytest.mark.parametrize(("content", "said"), WITHOUT.values(), ids=WITHOUT)
def test_keys_are_said_where_nothing_is_found(content: Any, said: tuple[str, ...]) -> None:
    with pytest.raises(SearchlightError, match=r"^agent\.pt: found no weights of layers, but ") as refusal:
        find_weights(content, "agent.pt")
    line = str(refusal.value)
    assert line.isprintable()
    assert len(line) < 800
    for words in said:
        assert words in line


@pytest.mark.parametrize(("content", "kind"), [(3, "int"), (None, "None"), (torch.zeros(3), r"tensor \[3\]")])
def test_other_content_is_refused_by_its_type(content: Any, kind: str) -> None:
    with pytest.raises(SearchlightError, match=f"found {kind}, allowed: a state dict"):
        find_weights(content, "agent.pt")
