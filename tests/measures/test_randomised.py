"""Networks whose layers become random, from the heads down: of every kind, and of users' own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.networks import SB3, filled, policy_of
from helpers.networks import arrays as weights_of
from helpers.project import BUNDLED
from helpers.sb3 import new_agent
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.networks import _own
from searchlight.agents.networks._greydanus import GreydanusPolicy
from searchlight.agents.networks.greydanus import Architecture
from searchlight.agents.policy_file import load_policy
from searchlight.errors import SearchlightError
from searchlight.measures._randomised import cascade, layers
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


def test_layers_of_one_size_are_drawn_apart(policies: dict[str, Any]) -> None:
    policy = policies["breakout"]
    *_, last = cascade(policy, observed(policy), policy.initial_memory(), SEED)
    third, fourth = (getattr(last.policy, name).weight for name in ("conv3", "conv4"))
    assert third.shape == fourth.shape
    assert not torch.equal(third, fourth)


RECURRENT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "two memories": ({}, ["heads", "lstm", "dense"]),
    "two layers": ({"n_lstm_layers": 2}, ["heads", "lstm 2", "lstm 1", "dense"]),
    "linear critic": ({"enable_critic_lstm": False}, ["heads", "lstm and dense", "dense"]),
}


@pytest.mark.parametrize(("arguments", "stages"), RECURRENT.values(), ids=RECURRENT)
def test_recurrent_layer_is_one_stage(arguments: dict[str, Any], stages: list[str]) -> None:
    policy = policy_of(weights_of(new_agent("RecurrentPPO", lstm_hidden_size=9, **arguments).policy))
    found = cascade(policy, stack(), policy.initial_memory(), SEED)
    assert [stage.name for stage in found] == [*stages, "convolution 3", "convolution 2", "convolution 1"]


def stack() -> np.ndarray:
    return np.random.default_rng(0).random((84, 84, 4), np.float32)


def impala() -> Any:
    """Return IMPALA's network with Q-values, in CleanRL's names."""
    sizes = {"0.conv": (3, 4), "1.conv": (5, 3), "2.conv": (5, 5)}
    for sequence, channels in enumerate((3, 5, 5)):
        names = (f"{sequence}.res_block{block}.conv{number}" for block in (0, 1) for number in (0, 1))
        sizes |= dict.fromkeys(names, (channels, channels))
    modules = {f"network.{name}": nn.Conv2d(inputs, outputs, 3) for name, (outputs, inputs) in sizes.items()}
    modules |= {"network.5": nn.Linear(5 * 11 * 11, 9), "network.7": nn.Linear(9, 4)}
    tensors = {
        f"{name}.{part}": array for name, one in modules.items() for part, array in weights_of(filled(one)).items()
    }
    return policy_of(tensors, network="impala")


def greydanus_gru() -> Any:
    return filled(GreydanusPolicy(Architecture("gru", (4, 4, 4), 3, 4 * 21 * 21, 6, 3)))


OTHERS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "gru": (greydanus_gru, ["heads", "gru", "convolution 2", "convolution 1"]),
    "dqn": (
        lambda: policy_of(weights_of(new_agent("DQN").policy), {**SB3, "algorithm": "dqn"}),
        ["heads", "dense", "convolution 3", "convolution 2", "convolution 1"],
    ),
    "impala": (impala, ["heads", "dense", *(f"convolution {15 - number}" for number in range(15))]),
    "net_arch": (
        lambda: policy_of(
            weights_of(new_agent("PPO", net_arch={"pi": [7, 6], "vf": [5]}).policy),
            {**SB3, "algorithm": "actor_critic"},
        ),
        ["heads", "dense 3", "dense 2", "dense 1", "convolution 3", "convolution 2", "convolution 1"],
    ),
}


@pytest.mark.parametrize(("make", "stages"), OTHERS.values(), ids=OTHERS)
def test_every_layer_of_other_networks_becomes_random(make: Callable[[], Any], stages: list[str]) -> None:
    policy = make()
    found = list(cascade(policy, stack(), policy.initial_memory(), SEED))
    assert [stage.name for stage in found] == stages
    before = dict(policy.named_parameters())
    same = [
        name
        for name, array in found[-1].policy.named_parameters()
        if array.numel() and torch.equal(array, before[name])
    ]
    assert same == []


def merged(arguments: dict[str, Any]) -> tuple[Any, Any]:
    """Return an agent's network whose convolutions are merged or scaled, and the same with random layers."""
    tensors = weights_of(new_agent("A2C", **arguments).policy)
    facts = {**SB3, "algorithm": "actor_critic", "normalize_images": arguments.get("normalize_images", True)}
    policy = policy_of(tensors, facts)
    *_, last = cascade(policy, stack(), {}, SEED)
    return policy, last.policy


def test_weights_between_separate_networks_stay_zero() -> None:
    """Otherwise the actor of the random network would see by the critic's convolutions."""
    own, drawn = merged({"share_features_extractor": False})
    for one, other in ((own.convolutions[1], drawn.convolutions[1]), (own.first, drawn.first)):
        assert (one.weight == 0).any()
        assert torch.equal(other.weight == 0, one.weight == 0)
    # Each is drawn as if it were alone: 12 features each.
    inputs = drawn.first.in_features // 2
    assert 0.98 * inputs**-0.5 < float(drawn.first.weight.abs().max()) <= inputs**-0.5


def test_scale_of_the_observation_stays_in_the_first_layer() -> None:
    kwargs = {"normalize_images": False, "features_extractor_kwargs": {"normalized_image": True}}
    _, drawn = merged(kwargs)
    first = drawn.convolutions[0]
    bound = (4 * 8 * 8) ** -0.5
    assert 0.98 * 255 * bound < float(first.weight.abs().max()) <= 255 * bound
    assert float(first.bias.abs().max()) <= bound


def test_recurrent_layers_are_drawn_by_their_own_initialiser() -> None:
    """By the memory's size, as torch.nn.LSTM does, and not by the number of inputs."""
    policy = policy_of(
        weights_of(new_agent("RecurrentPPO", lstm_hidden_size=4, shared_lstm=True, enable_critic_lstm=False).policy)
    )
    *_, last = cascade(policy, stack(), policy.initial_memory(), SEED)
    (lstm,) = (layer for layer in last.policy.shared if hasattr(layer, "recurrent"))
    for product in (lstm.product, lstm.recurrent):
        assert 0.45 < float(product.weight.abs().max()) <= 0.5
    assert lstm.product.in_features == 12


SMALL = np.ones((6, 6, 1), np.float32)


class Own(nn.Module):
    """A user's module with an own parameter, and layers that are registered in no order."""

    actions = 3

    def __init__(self) -> None:
        super().__init__()
        self.critic = nn.Linear(4, 1)
        self.scale = nn.Parameter(torch.full((1,), 2.0))
        self.actor = nn.Linear(4, 3)
        self.unused = nn.Linear(4, 3)
        self.middle = nn.Linear(5, 4)
        self.seen = nn.Conv2d(1, 5, 3)

    def features(self, observation: Tensor) -> Tensor:
        return torch.relu(self.seen(observation * self.scale)).mean(dim=(2, 3))

    def step(self, observation: Tensor, memory: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        features = self.middle(self.features(observation))
        return self.actor(features), self.critic(features)[:, 0], {}


def test_order_follows_what_the_network_does() -> None:
    policy = filled(Own())
    found = layers(policy, SMALL, {})
    assert [group.name for group in found] == ["heads", "dense", "convolution", "Own"]
    assert {*found[0].modules} == {policy.actor, policy.critic}
    last = list(cascade(policy, SMALL, {}, SEED))[-1].policy
    assert not torch.equal(last.scale, policy.scale)
    assert not any(parameter.requires_grad for parameter in policy.parameters())


class Memorising(Own):
    """A module with torch's own LSTM of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, 4, num_layers=2)

    def initial_memory(self) -> dict[str, Tensor]:
        return {"h": torch.zeros(1, 8), "c": torch.zeros(1, 8)}

    def step(self, observation: Tensor, memory: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        count = len(observation)
        given = [memory[name].view(count, 2, 4).transpose(0, 1).contiguous() for name in ("h", "c")]
        shown, after = self.lstm(self.features(observation)[None], tuple(given))
        kept = {name: array.transpose(0, 1).reshape(count, 8) for name, array in zip(("h", "c"), after, strict=True)}
        return self.actor(shown[0]), self.critic(shown[0])[:, 0], kept


def test_lstm_of_several_layers_is_one_stage() -> None:
    policy = filled(Memorising())
    found = layers(policy, SMALL, policy.initial_memory())
    assert [group.name for group in found] == ["heads", "lstm", "convolution", "Memorising"]


class Detached(Own):
    """A module whose features torch does not follow."""

    def features(self, observation: Tensor) -> Tensor:
        return super().features(observation).detach()


class Numpy(Own):
    """A module that computes by numpy, which refuses tensors with gradients."""

    def features(self, observation: Tensor) -> Tensor:
        return torch.from_numpy(super().features(observation).numpy())


@pytest.mark.parametrize("kind", [Detached, Numpy])
def test_modules_of_a_network_that_torch_does_not_follow_keep_their_own_names(kind: Any) -> None:
    names = ["seen", "middle", "actor", "critic", kind.__name__]
    policy = filled(kind())
    before = {name: array.clone() for name, array in policy.state_dict().items()}
    assert [group.name for group in layers(policy, SMALL, {})] == names
    assert all(torch.equal(array, before[name]) for name, array in policy.state_dict().items())
    last = list(cascade(policy, SMALL, {}, SEED))[-1].policy.state_dict()
    same = {name for name, array in last.items() if torch.equal(array, before[name])}
    assert same == {"unused.weight", "unused.bias"}


class Beside(Own):
    """A module of which torch follows one of two ways."""

    def __init__(self) -> None:
        super().__init__()
        self.aside = nn.Conv2d(1, 5, 3)

    def features(self, observation: Tensor) -> Tensor:
        return super().features(observation) + self.aside(observation).detach().mean(dim=(2, 3))


def test_module_that_torch_does_not_follow_comes_last() -> None:
    assert [group.name for group in layers(filled(Beside()), SMALL, {})] == [
        "heads",
        "dense",
        "convolution",
        "Beside",
        "aside",
    ]


class Resetting(Own):
    """A module whose own reset_parameters draws all of its layers."""

    def reset_parameters(self) -> None:
        nn.init.constant_(self.scale, 3.0)
        for layer in (self.actor, self.critic, self.middle, self.seen):
            layer.reset_parameters()

    def features(self, observation: Tensor) -> Tensor:
        return torch.relu(self.seen(observation)).mean(dim=(2, 3))

    def step(self, observation: Tensor, memory: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        outputs, value, memory = super().step(observation, memory)
        return self.scale * outputs, self.scale * value, memory


def test_modules_within_keep_their_turn() -> None:
    policy = filled(Resetting())
    first = next(cascade(policy, SMALL, {}, SEED)).policy
    assert float(first.scale) == 3.0
    for name in ("actor", "critic", "middle", "seen"):
        assert torch.equal(getattr(first, name).weight, getattr(policy, name).weight)


MINE = """
import torch
class Mine(torch.nn.Module):
    actions = 2
    def __init__(self):
        super().__init__()
        self.level = torch.nn.Parameter(torch.ones(1))
    def step(self, observation, memory):
        seen = self.level * observation.mean(dim=(1, 2, 3))
        return torch.stack([seen, -seen], dim=1), seen, {}
    def reset_parameters(self):
        raise RuntimeError("no\\nway")
"""


def test_mistakes_of_a_user_s_module_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    spec = {"module": str(tmp_path / "mine.py"), "class": "Mine", "arguments": {}}
    policy = _own.build(spec, {"level": np.ones(1, np.float32)}, "weights")
    with pytest.raises(SearchlightError, match=r"^Mine\.reset_parameters: RuntimeError: no way$"):
        next(cascade(policy, SMALL, {}, SEED))


@pytest.mark.parametrize("seed", [2**63, 2**64 - 1, 2**70])
def test_seeds_have_no_limit(seed: int) -> None:
    weights = [stage.policy.actor.weight for stage in cascade(filled(Own()), SMALL, {}, seed)]  # type: ignore[arg-type, attr-defined]
    again = [stage.policy.actor.weight for stage in cascade(filled(Own()), SMALL, {}, seed + 1)]  # type: ignore[arg-type, attr-defined]
    assert not torch.equal(weights[0], again[0])


class Bare:
    """A network that is no torch module."""

    def step(self, observation: Tensor, memory: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        return torch.zeros(1, 2), torch.zeros(1), {}


def test_network_without_parameters_is_one_line() -> None:
    with pytest.raises(SearchlightError, match=r"^found a network without parameters"):
        next(cascade(Bare(), np.ones((6, 6, 1), np.float32), {}, SEED))
