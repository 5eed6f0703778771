"""Q-networks: Q-values and values equal the library's own; they are no logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.agents import real_agent
from helpers.networks import arrays, close, filled, policy_in, policy_of
from helpers.sb3 import answers, new_agent, stacks
from searchlight.agents.policy import Q_VALUES, is_factored
from searchlight.errors import SearchlightError
from torch import Tensor, nn

AGENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "dqn": ("DQN", {}),
    "dqn-net_arch": ("DQN", {"net_arch": [7, 6]}),
    "dqn-net_arch-tanh": ("DQN", {"net_arch": [7], "activation_fn": nn.Tanh}),
    "qrdqn": ("QRDQN", {"n_quantiles": 7}),
    "qrdqn-net_arch": ("QRDQN", {"n_quantiles": 5, "net_arch": [6]}),
}


@pytest.mark.parametrize(("algorithm", "arguments"), AGENTS.values(), ids=AGENTS)
def test_zip_answers_as_the_library(tmp_path: Path, algorithm: str, arguments: dict[str, Any]) -> None:
    agent = new_agent(algorithm, **arguments)
    agent.save(tmp_path / "agent.zip")
    policy = policy_in(tmp_path / "agent.zip", "q_network")
    assert is_factored(policy)
    assert policy.output is Q_VALUES
    assert policy.actions == 4
    for found, expected in zip(policy.step(stacks() / 255, {}), answers(agent, stacks()), strict=False):
        close(found, expected)


def test_number_of_quantiles_is_asked_for_where_no_file_says_it() -> None:
    weights = arrays(new_agent("QRDQN", n_quantiles=7).policy)
    line = r"quantile_net\.quantile_net\.0 gives some quantiles of each action.*network: {q_network: {quantiles: 200}}"
    with pytest.raises(SearchlightError, match=line):
        policy_of(weights)
    assert policy_of(weights, named={"q_network": {"quantiles": 7}}).actions == 4
    with pytest.raises(SearchlightError, match="of 28 values, which 6 quantiles do not divide"):
        policy_of(weights, named={"q_network": {"quantiles": 6}})


def convolutions() -> list[nn.Module]:
    return [
        *(nn.Conv2d(4, 5, 8, stride=4), nn.ReLU(), nn.Conv2d(5, 6, 4, stride=2), nn.ReLU()),
        *(nn.Conv2d(6, 7, 3), nn.ReLU(), nn.Flatten()),
    ]


@pytest.mark.parametrize("name", ["network.", "net.", ""])
def test_plain_network_answers_as_it_does(name: str) -> None:
    network = filled(nn.Sequential(*convolutions(), nn.Linear(343, 12), nn.ReLU(), nn.Linear(12, 6)))
    policy = policy_of({f"{name}{key}": array for key, array in arrays(network).items()}, network="q_network")
    q_values, value, _ = policy.step(stacks() / 255, {})
    close(q_values, network(stacks() / 255))
    close(value, network(stacks() / 255).amax(dim=1))


def test_c51_of_cleanrl_is_the_atoms_expected_value() -> None:
    network = filled(nn.Sequential(*convolutions(), nn.Linear(343, 12), nn.ReLU(), nn.Linear(12, 3 * 11)))
    atoms = torch.linspace(-10, 10, 11)
    weights = {"atoms": atoms.numpy(), **{f"network.{name}": array for name, array in arrays(network).items()}}
    policy = policy_of(weights, network="q_network")
    # As the script does: the atoms of one action stand together.
    probabilities = torch.softmax(network(stacks() / 255).view(len(stacks()), 3, 11), dim=2)
    close(policy.step(stacks() / 255, {})[0], (probabilities * atoms).sum(2))


class Dueling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(*convolutions())
        self.fc, self.A, self.V = nn.Linear(343, 12), nn.Linear(12, 4), nn.Linear(12, 1)

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.relu(self.fc(self.conv(seen)))
        advantage, value = self.A(hidden), self.V(hidden)
        return value + advantage - advantage.mean(dim=1, keepdim=True), value[:, 0]


def test_value_of_a_dueling_network_is_its_value_head_s() -> None:
    agent = filled(Dueling())
    policy = policy_of(arrays(agent), network="q_network")
    assert is_factored(policy)
    expected = agent(stacks() / 255)
    for found, wanted in zip(policy.step(stacks() / 255, {}), expected, strict=False):
        close(found, wanted)


def test_noise_of_noisy_layers_is_left_out() -> None:
    weights = arrays(filled(Dueling()))
    expected = policy_of(weights).step(stacks() / 255, {})[0]
    noisy = {}
    for name, array in weights.items():
        if name.startswith(("A.", "V.")):
            noisy |= {f"{name}_mu": array, f"{name}_sigma": array + 1, f"{name}_epsilon": array + 2}
        else:
            noisy[name] = array
    close(policy_of(noisy, network="q_network").step(stacks() / 255, {})[0], expected)


def test_one_head_of_a_dueling_network_alone_is_refused() -> None:
    weights = {name: array for name, array in arrays(Dueling()).items() if not name.startswith("V.")}
    with pytest.raises(SearchlightError, match="found one of the heads A and V"):
        policy_of(weights)


def test_real_dqn_zip_answers_as_the_library_and_as_the_author_s_file() -> None:
    import stable_baselines3

    path = real_agent("sb3/dqn-PongNoFrameskip-v4.zip")
    answered = policy_in(path, "q_network").step(stacks() / 255, {})
    for found, expected in zip(
        answered, answers(stable_baselines3.DQN.load(path, device="cpu"), stacks()), strict=False
    ):
        close(found, expected)
    for name in ("torch/DQN_PongNoFrameskip-v4_900.pth", "cleanrl/PongNoFrameskip-v4-dqn_atari.cleanrl_model"):
        close(policy_in(real_agent(f"{name}"), "q_network").step(stacks() / 255, {})[0], answered[0])


def test_real_dueling_file_is_read() -> None:
    path = real_agent("torch/Double-Duel-DQN_EnduroNoFrameskip-v4_900k.pth")
    policy = policy_in(path, "q_network")
    q_values, value, _ = policy.step(stacks() / 255, {})
    assert policy.actions == 9
    # The mean of the advantages is taken off, so the mean of Q is the value.
    close(q_values.mean(dim=1), value)
    assert np.ptp(q_values.numpy(), axis=1).min() > 0
