"""A network of the user's own: the example of the docs, mistakes in one line, and its file's part in lineages."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.checkpoints import torch_bytes
from helpers.networks import arrays, close, filled, policy_of
from helpers.project import BUNDLED, ROOT
from helpers.sb3 import stacks
from searchlight.agents import networks
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.policy import LOGITS, Q_VALUES
from searchlight.agents.policy_file import load_policy, read_metadata
from searchlight.config.members import members_of
from searchlight.config.read import read_config
from searchlight.errors import SearchlightError
from searchlight.fingerprint import digest_of_code
from torch import nn

EXAMPLE = ROOT / "docs" / "own_network.py"
SPEC = {"module": str(EXAMPLE), "class": "MyNetwork", "arguments": {"actions": 3, "width": 8}}


class Known(nn.Module):
    """The example's layers, written out again."""

    def __init__(self) -> None:
        super().__init__()
        self.see, self.remember = nn.Linear(4 * 84 * 84, 8), nn.GRUCell(8, 8)
        self.actor, self.critic = nn.Linear(8, 3), nn.Linear(8, 1)


def test_example_of_the_docs_runs_from_checkpoint_to_answers(tmp_path: Path) -> None:
    known = filled(Known())
    checkpoint = tmp_path / "weights.pt"
    checkpoint.write_bytes(torch_bytes({"state_dict": known.state_dict()}))
    output = tmp_path / "policy.safetensors"
    fetch_checkpoint(str(checkpoint), None, None, BUNDLED, output, lambda line: None, SPEC)
    assert read_metadata(output)["network"] == SPEC
    policy = load_policy(output, SPEC)
    assert policy.output is LOGITS
    assert policy.actions == 3
    memory = policy.initial_memory()
    assert {name: tuple(array.shape) for name, array in memory.items()} == {"h": (1, 8)}
    hidden = torch.zeros(1, 8)
    for observation in stacks()[:, None] / 255:
        logits, value, memory = policy.step(observation, memory)
        hidden = known.remember(torch.relu(known.see(observation.flatten(1))), hidden)
        close(logits, known.actor(hidden))
        close(value, known.critic(hidden)[:, 0])


def test_docs_show_the_example_s_own_names() -> None:
    text = (ROOT / "docs" / "own_network.md").read_text(encoding="utf-8")
    shown = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])["agents"]["mine"]["network"]
    assert shown == {"module": EXAMPLE.name, "class": "MyNetwork", "arguments": {"actions": 4}}


def test_prefix_that_one_side_alone_has_does_not_matter() -> None:
    weights = arrays(filled(Known()))
    expected = policy_of(weights, named=SPEC).initial_memory()
    assert policy_of(
        {f"model.{name}": array for name, array in weights.items()}, named=SPEC
    ).initial_memory().keys() == (expected.keys())


WORKING = """
import torch

class Net(torch.nn.Module):
    actions = 2
    output = "q_values"

    def __init__(self, offset=0.0):
        super().__init__()
        self.net = torch.nn.Linear(4, 2)
        self.offset = offset

    def step(self, observation, memory):
        seen = self.net(observation.mean(dim=(2, 3))) + self.offset
        return seen, seen.amax(dim=1), {}
"""
WEIGHTS = {"net.weight": np.ones((2, 4), np.float32), "net.bias": np.zeros(2, np.float32)}


def network(folder: Path, text: str = WORKING, **arguments: Any) -> dict[str, Any]:
    path = folder / "mine.py"
    path.write_text(text)
    return {"module": str(path), "class": "Net", "arguments": arguments}


def test_module_without_memory_gives_q_values_on_request(tmp_path: Path) -> None:
    policy = policy_of(WEIGHTS, named=network(tmp_path, offset=2.0))
    assert policy.output is Q_VALUES
    assert policy.initial_memory() == {}
    q_values, value, _ = policy.step(torch.ones(3, 4, 5, 5), {})
    close(q_values, torch.full((3, 2), 6.0))
    close(value, torch.full((3,), 6.0))


MISTAKES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "no-class": ("class Net", "class Other", {}, "found no class Net of torch.nn.Module"),
    "no-module": ("class Net(torch.nn.Module)", "class Net", {}, "found no class Net of torch.nn.Module"),
    "import": ("import torch\n", "import torch, nowhere\n", {}, ", line 2: import: ModuleNotFoundError: No module"),
    "argument": ("", "", {"width": 3}, "Net: TypeError: "),
    "constructor": ("= offset", "= offset.other", {"offset": 1}, ", line 11: Net: AttributeError: 'int' object"),
    "no-actions": ("actions = 2", "count = 2", {}, "Net: found actions None, allowed: the number of actions"),
    "text-actions": ("actions = 2", "actions = 'two'", {}, "Net: found actions 'two', allowed: the number"),
    "output": ('"q_values"', '"values"', {}, "Net: found output 'values', allowed: logits, q_values"),
    "no-step": ("def step", "def forward", {}, "Net.step: TypeError: 'NoneType' object is not callable"),
    "step-fails": ("seen.amax(dim=1)", "seen.amax(dim=5)", {}, ", line 15: Net.step: IndexError: "),
    "two-values": (", {}\n", "\n", {}, "Net: step returned type tuple, allowed: outputs, value, memory"),
    "outputs": ("return seen,", "return seen[:, :1],", {}, "step returned outputs of shape [1, 1], allowed: a tensor"),
    "value": (
        "seen.amax(dim=1)",
        "seen[:, :1]",
        {},
        "step returned value of shape [1, 1], allowed: a tensor of shape [1]",
    ),
    "memory": (", {}\n", ", None\n", {}, "step returned the memory type NoneType, allowed: a table of tensors"),
    "new-memory": (", {}\n", ", {'h': seen}\n", {}, "Net: step returned the memory h, allowed: none"),
}


@pytest.mark.parametrize(("old", "new", "arguments", "line"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_one_line_that_names_the_file(
    tmp_path: Path, old: str, new: str, arguments: dict[str, Any], line: str
) -> None:
    spec = network(tmp_path, WORKING.replace(old, new), **arguments)
    with pytest.raises(SearchlightError) as refused:
        policy_of(WEIGHTS, named=spec).step(torch.ones(1, 4, 5, 5), {})
    assert str(refused.value).startswith(spec["module"])
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


def test_mistake_in_a_file_of_the_working_directory_names_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = network(tmp_path, WORKING.replace("seen.amax(dim=1)", "seen.amax(dim=5)"))
    monkeypatch.chdir(tmp_path)
    policy = policy_of(WEIGHTS, named={**spec, "module": "mine.py"})
    with pytest.raises(SearchlightError, match=r"^mine\.py, line 15: Net\.step: IndexError"):
        policy.step(torch.ones(1, 4, 5, 5), {})


def test_file_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    spec = {**network(tmp_path), "module": "~/mine.py"}
    assert networks.check(spec) == spec
    assert networks.module_of(spec) == tmp_path / "mine.py"
    assert policy_of(WEIGHTS, named=spec).actions == 2


def test_what_a_module_is_given_is_its_own_to_change(tmp_path: Path) -> None:
    spec = network(tmp_path, WORKING.replace("        seen =", "        observation *= 255\n        seen ="))
    observation = torch.ones(1, 4, 5, 5)
    policy_of(WEIGHTS, named=spec).step(observation, {})
    assert observation.max() == 1


@pytest.mark.parametrize(
    ("weights", "line"),
    [
        ({"net.weight": WEIGHTS["net.weight"]}, "weights.pt: found no net.bias, which Net of "),
        ({**WEIGHTS, "more": WEIGHTS["net.bias"]}, "weights.pt: found also more, which Net of "),
        ({**WEIGHTS, "net.bias": np.zeros(3, np.float32)}, "weights.pt: found net.bias of shape [3] in place of [2]"),
    ],
    ids=["fewer", "more", "shape"],
)
def test_tensors_must_be_the_module_s_own(tmp_path: Path, weights: dict[str, np.ndarray], line: str) -> None:
    with pytest.raises(SearchlightError) as refused:
        policy_of(weights, named=network(tmp_path))
    assert str(refused.value).startswith(line)


def config(**agent: Any) -> Any:
    default = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    changed = copy.deepcopy(default)
    changed["agents"]["breakout"] |= agent
    return read_config(changed, ROOT / "config" / "catalogue.yaml")


def test_file_of_the_network_is_code_of_all_that_runs_it(tmp_path: Path) -> None:
    spec = network(tmp_path)
    members = members_of(config(network=spec), "breakout")
    # The network runs in these jobs; the others do not load it.
    digests = {}
    for edited in (False, True):
        if edited:
            path = tmp_path / "edited" / "mine.py"
            path.parent.mkdir()
            path.write_text(WORKING + "# edited\n")
            members = {**members, "agents/networks": [path]}
        for name in ("fetch_checkpoint", "rollout", "perturb", "score", "render"):
            digests.setdefault(name, []).append(digest_of_code(ROOT / "scripts" / f"{name}.py", members))
    assert {name for name, (before, after) in digests.items() if before != after} == {
        "fetch_checkpoint",
        "rollout",
        "perturb",
    }


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"module": "nowhere.py"}, "module: found 'nowhere.py', allowed: a Python file that exists"),
        ({"class": None}, "class: missing"),
        ({"arguments": [1]}, "arguments: found [1], allowed: a "),
        ({"argument": {}}, "argument: unknown key, allowed: module, class, arguments"),
    ],
    ids=["file", "class", "arguments", "unknown"],
)
def test_mistake_in_the_config_is_one_line(tmp_path: Path, change: dict[str, Any], line: str) -> None:
    with pytest.raises(SearchlightError) as refused:
        config(network={**network(tmp_path), **change})
    assert f"agents.breakout.network: {line}" in str(refused.value)


def test_file_that_is_no_python_is_one_line(tmp_path: Path) -> None:
    line = r"agents\.breakout\.network: module: .*mine\.py: cannot be read as Python: .*line 4"
    with pytest.raises(SearchlightError, match=line):
        config(network=network(tmp_path, WORKING.replace("class Net(", "class Net((")))


def test_full_form_is_what_a_job_gets(tmp_path: Path) -> None:
    spec = {key: value for key, value in network(tmp_path).items() if key != "arguments"}
    found = config(network=spec).agents["breakout"].network
    assert found == {**spec, "arguments": {}}
    assert json.loads(json.dumps(found)) == found
