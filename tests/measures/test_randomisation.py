"""Randomisation: layers become random from the heads down, and maps are compared."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.project import BUNDLED
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.policy_file import load_policy
from searchlight.agents.rollout import play_episode
from searchlight.clips.measure_method import measure_method
from searchlight.errors import SearchlightError
from searchlight.measures import Results, randomisation
from searchlight.measures._randomised import cascade, layers, named
from searchlight.measures._similarity import SIMILARITIES, hog_correlation, spearman, ssim
from searchlight.store.zarr import load
from torch import Tensor, nn

SEED = 3


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The bundled agents: one recurrent network, one of a stack."""
    folder = tmp_path_factory.mktemp("policies")
    for name in ("breakout", "pong"):
        fetch_checkpoint(f"bundled:{name}", None, None, BUNDLED, folder / name, print)
    return {name: load_policy(folder / name) for name in ("breakout", "pong")}


def observed(policy: Any) -> np.ndarray:
    channels, side = (4, 84) if policy.actions == 6 else (1, 80)
    return np.random.default_rng(0).random((side, side, channels), np.float32)


STAGES = {
    "breakout": ["heads", "lstm", "convolution 4", "convolution 3", "convolution 2", "convolution 1"],
    "pong": ["heads", "dense", "convolution 3", "convolution 2", "convolution 1"],
}


@pytest.mark.parametrize("name", STAGES)
def test_layers_become_random_from_the_heads_down(policies: dict[str, Any], name: str) -> None:
    policy = policies[name]
    before = {key: array.clone() for key, array in policy.state_dict().items()}
    stages = list(cascade(policy, observed(policy), policy.initial_memory(), SEED))
    assert [stage.name for stage in stages] == STAGES[name]
    changed = [
        {key for key, array in stage.policy.state_dict().items() if not torch.equal(array, before[key])}
        for stage in stages
    ]
    for fewer, more in pairwise(changed):
        assert fewer < more
    assert {key for key in before if before[key].numel()} == changed[-1]
    assert all(torch.equal(array, before[key]) for key, array in policy.state_dict().items())
    assert not any(parameter.requires_grad for parameter in policy.parameters())


def test_heads_of_both_are_the_first_stage(policies: dict[str, Any]) -> None:
    policy = policies["breakout"]
    first = next(cascade(policy, observed(policy), policy.initial_memory(), SEED)).policy
    for head in ("actor_linear", "critic_linear"):
        assert not torch.equal(getattr(first, head).weight, getattr(policy, head).weight)
    assert torch.equal(first.lstm.weight_hh, policy.lstm.weight_hh)


def test_seed_alone_decides_what_is_drawn(policies: dict[str, Any]) -> None:
    policy = policies["breakout"]

    def weights(seed: int) -> list[Tensor]:
        return [stage.policy.conv1.weight for stage in cascade(policy, observed(policy), policy.initial_memory(), seed)]

    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = weights(SEED)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    for first, second in zip(one, weights(SEED), strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(weights(SEED + 1)[-1], one[-1])


class Own(nn.Module):
    """A user's module with an own parameter, and layers that are registered in no order."""

    actions = 3

    def __init__(self) -> None:
        super().__init__()
        self.critic = nn.Linear(4, 1)
        self.scale = nn.Parameter(torch.full((1,), 2.0))
        self.actor = nn.Linear(4, 3)
        self.middle = nn.Linear(5, 4)
        self.seen = nn.Conv2d(1, 5, 3)

    def step(self, observation: Tensor, memory: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        features = self.middle(torch.relu(self.seen(observation * self.scale)).mean(dim=(2, 3)))
        return self.actor(features), self.critic(features)[:, 0], {}


def test_order_follows_what_the_network_does() -> None:
    policy = Own().requires_grad_(False)
    found = named(layers(policy, np.ones((6, 6, 1), np.float32), {}))
    assert [name for name, _ in found] == ["heads", "dense", "convolution", "Own"]
    assert {*found[0][1]} == {policy.actor, policy.critic}
    last = list(cascade(policy, np.ones((6, 6, 1), np.float32), {}, SEED))[-1].policy
    assert float(last.scale) != 2.0


class Detached(Own):
    """A module whose outputs torch does not follow."""

    def step(self, observation: Tensor, memory: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        return *(one.detach() for one in super().step(observation, memory)[:2]), {}


def test_modules_that_torch_does_not_follow_are_taken_from_the_last() -> None:
    policy = Detached()
    found = layers(policy, np.ones((6, 6, 1), np.float32), {})
    assert found == [[policy.seen], [policy.middle], [policy.actor], [policy.critic], [policy]]


class Bare:
    """A network that is no torch module."""

    def step(self, observation: Tensor, memory: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        return torch.zeros(1, 2), torch.zeros(1), {}


def test_network_without_parameters_is_one_line() -> None:
    with pytest.raises(SearchlightError, match=r"^found a network without parameters"):
        next(cascade(Bare(), np.ones((6, 6, 1), np.float32), {}, SEED))


MAPS = arrays(np.float32, (24, 24), elements=st.floats(0, 1, width=32))


@given(MAPS)
@settings(max_examples=30, deadline=None)
def test_map_is_most_alike_to_itself(image: np.ndarray) -> None:
    for similar in SIMILARITIES.values():
        value = similar(image, image)
        assert np.isnan(value) or value == pytest.approx(1)


@given(MAPS, MAPS)
@settings(max_examples=30, deadline=None)
def test_similarities_are_symmetric_and_bounded(one: np.ndarray, other: np.ndarray) -> None:
    for similar in SIMILARITIES.values():
        value = similar(one, other)
        assert np.isnan(value) or -1.0001 <= value <= 1.0001
        np.testing.assert_allclose(similar(other, one), value, atol=1e-9)


def test_constant_maps_have_no_similarity() -> None:
    image = np.random.default_rng(0).random((24, 24))
    for similar in (spearman, ssim, hog_correlation):
        assert np.isnan(similar(np.zeros((24, 24)), image))


def test_structure_counts_and_not_only_the_order() -> None:
    image = np.zeros((24, 24))
    image[4:8, 4:8] = 1
    moved = np.roll(image, 12, axis=1)
    assert ssim(image, moved) < ssim(image, 0.5 * image + 1e-6)
    assert hog_correlation(image, moved) < 0.5


HOW = {
    "gradient": None,
    "scorer": {"SquaredDifference": {}},
    "output": "logits",
    "temperature": None,
    "signed": False,
    "perturbation": {
        "space": "screen",
        "perturber": {"SlidingWindow": {"window_size": [20, 20], "stride": [20, 20]}},
        "fill": {"level": {"value": 0.0}},
        "stack": "all",
        "memory_lag": 0,
    },
}


def test_store_has_every_stage_of_real_maps(tmp_path: Path) -> None:
    fetch_checkpoint("bundled:breakout", None, None, BUNDLED, tmp_path / "policy", print)
    world = {"agent": "breakout", "env": "Breakout-v0", "wrappers": "none", "preprocessing": "cv2"}
    play_episode(tmp_path / "policy", tmp_path / "episode", **world, actions="greedy", seed=1, max_steps=20)
    notices: list[str] = []
    for output in ("one", "two"):
        measure_method(
            tmp_path / "policy",
            tmp_path / "episode",
            [],
            tmp_path / output,
            clip="clip",
            method="black",
            how=HOW,
            name="randomisation",
            arguments={"frames": 3, "seed": 0},
            frames=None,
            notice=notices.append,
        )
    with load(tmp_path / "one") as store, load(tmp_path / "two") as again:
        assert store.attributes["stages"] == STAGES["breakout"]
        assert store.read("time").tolist() == [0, 10, 19]
        assert store.shape("Spearman_actor") == (3, 6)
        for name in store.names():
            np.testing.assert_array_equal(store.read(name), again.read(name))
        assert np.isfinite(store.read("SSIM_critic")).all()
        # Networks with random layers make other maps than the agent's.
        assert (store.read("SSIM_actor") < 0.99).all()
        results = Results(None, {"black": store})
        rows = randomisation.table(results, randomisation.Arguments())
    stages = [row for row in rows if row.is_method and row.quantity.startswith("SSIM of the actor")]
    assert [row.quantity.rpartition(" down to ")[2] for row in stages] == STAGES["breakout"]
    assert {row.of for row in rows if not row.is_method} == {"black: without signal", "black: other frames"}
    assert notices == []
