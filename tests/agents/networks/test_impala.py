"""IMPALA's residual network, in CleanRL's names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.networks import arrays, close, filled, policy_of
from helpers.sb3 import stacks
from searchlight.agents.policy import LOGITS, Q_VALUES, is_factored
from searchlight.errors import SearchlightError
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv0, self.conv1 = (
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, given: Tensor) -> Tensor:
        return self.conv1(torch.relu(self.conv0(torch.relu(given)))) + given


class Sequence(nn.Module):
    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, 3, padding=1)
        self.res_block0, self.res_block1 = Block(channels), Block(channels)

    def forward(self, given: Tensor) -> Tensor:
        pooled = nn.functional.max_pool2d(self.conv(given), kernel_size=3, stride=2, padding=1)
        return self.res_block1(self.res_block0(pooled))


def layers() -> list[nn.Module]:
    sequences = [Sequence(4, 3), Sequence(3, 5), Sequence(5, 5)]
    return [*sequences, nn.Flatten(), nn.ReLU(), nn.Linear(5 * 11 * 11, 9), nn.ReLU()]


def test_q_values_are_those_of_qdagger() -> None:
    agent = filled(nn.ModuleDict({"network": nn.Sequential(*layers(), nn.Linear(9, 4))}))
    for prefix in ("network.", ""):
        weights = {f"{prefix}{name}": array for name, array in arrays(agent["network"]).items()}
        policy = policy_of(weights, network="impala")
        assert not is_factored(policy)
        assert policy.output is Q_VALUES
        q_values, value, memory = policy.step(stacks() / 255, policy.initial_memory())
        close(q_values, agent["network"](stacks() / 255))
        close(value, q_values.amax(dim=1))
        assert memory == {}


def test_heads_of_actor_and_critic_are_read() -> None:
    heads = {"actor": nn.Linear(9, 4), "critic": nn.Linear(9, 1)}
    agent = filled(nn.ModuleDict({"network": nn.Sequential(*layers()), **heads}))
    policy = policy_of(arrays(agent), network="impala")
    assert policy.output is LOGITS
    hidden = agent["network"](stacks() / 255)
    logits, value, _ = policy.step(stacks() / 255, {})
    close(logits, agent["actor"](hidden))
    close(value, agent["critic"](hidden)[:, 0])


@pytest.mark.parametrize(
    ("name", "shape", "found"),
    [
        ("network.1.res_block0.conv1.weight", (5, 5, 5, 5), "network.1.res_block0.conv1.weight of shape [5, 5, 5, 5]"),
        ("network.5.weight", (9, 604), "network.5.weight of 604 columns, which 5 channels do not divide"),
        ("network.7.weight", (4, 8), "network.7.weight of shape [4, 8] in place of [4, 9]"),
        ("norm.weight", (4,), "also norm.weight"),
    ],
)
def test_tensor_that_does_not_fit_is_named(name: str, shape: tuple[int, ...], found: str) -> None:
    weights = arrays(nn.ModuleDict({"network": nn.Sequential(*layers(), nn.Linear(9, 4))}))
    with pytest.raises(SearchlightError) as refused:
        policy_of({**weights, name: np.ones(shape, np.float32)})
    assert str(refused.value).startswith(f"weights.pt: not a known network: found {found}")
