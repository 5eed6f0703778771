"""Randomisation: layers become random from the heads down, and maps are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.networks import SB3, filled, policy_of
from helpers.networks import arrays as weights_of
from helpers.played import Played, play
from helpers.project import BUNDLED
from helpers.sb3 import new_agent
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.networks import _own
from searchlight.agents.networks._greydanus import GreydanusPolicy
from searchlight.agents.networks.greydanus import Architecture
from searchlight.agents.policy_file import load_policy
from searchlight.agents.rollout import play_episode
from searchlight.clips.measure_method import measure_method
from searchlight.errors import SearchlightError
from searchlight.measures import Measured, MethodScene, Results, randomisation
from searchlight.measures._randomised import cascade, layers
from searchlight.measures._similarity import SIMILARITIES, hog_correlation, spearman, ssim
from searchlight.saliency.single_maps import Maps
from searchlight.store.zarr import create, load
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


@pytest.mark.parametrize("shape", [(6, 6), (84, 5), (3, 3), (2, 9), (1, 1)])
def test_small_maps_have_numbers_or_none(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    image, other = random.random(shape, np.float32), random.random(shape, np.float32)
    for name, similar in SIMILARITIES.items():
        found = similar(image, other)
        assert np.isfinite(found) or min(shape) < 3, name
        assert np.isnan(found) or -1 <= found <= 1


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


class Drawn:
    """A maker of maps: the agent's are by chance; those of other networks are given."""

    space, without_signal = "observation", "by chance"

    def __init__(self, other: Callable[[np.ndarray], np.ndarray]) -> None:
        self.other, self.foreign = other, False

    def maps(self, moment: Any) -> Maps:
        actor, critic = np.random.default_rng(moment.decision).random((2, 24, 24), np.float32)
        return Maps(self.other(actor), self.other(critic)) if self.foreign else Maps(actor, critic)

    def null_maps(self, moment: Any, random: np.random.Generator) -> Maps:
        return Maps(*random.random((2, 24, 24), np.float32))

    def hidden(self, moment: Any) -> None:
        return None

    def by(self, policy: Any) -> Drawn:
        found = Drawn(self.other)
        found.foreign = True
        return found


@pytest.fixture(scope="module")
def breakout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with play("breakout", tmp_path_factory.mktemp("breakout"), 12) as played:
        yield played


def measured(
    played: Played, other: Callable[[np.ndarray], np.ndarray], frames: int = 4, policy: Any = None
) -> Measured:
    scene, maker = played.scene(range(12)), Drawn(other)
    if policy is not None:
        scene = replace(scene, policy=policy)
    fields = {name: getattr(scene, name) for name in ("episode", "recorded", "policy", "frames", "key")}
    given = MethodScene(**fields, method="m", space="observation", maps=maker.maps, maker=maker, of_clip=None)
    return randomisation.of_method(given, randomisation.Arguments(frames=frames))


def test_numbers_are_those_of_each_frame(breakout: Played) -> None:
    found = measured(breakout, lambda image: -image)
    np.testing.assert_allclose(found.variables["Spearman_actor"].data, np.full((4, 6), -1))
    np.testing.assert_allclose(found.variables["SSIM_critic"].data, np.ones((4, 6)), err_msg="signs do not count")
    maps = Drawn(lambda image: image).maps
    own = [maps(moment) for moment in breakout.scene(range(12)).moments(list(found.time))]
    expected = [spearman(own[index].critic, own[(index + 1) % 4].critic) for index in range(4)]
    np.testing.assert_array_equal(found.variables["Spearman_critic_other"].data, expected)
    assert found.notices == []


def test_constant_maps_of_random_networks_are_counted(breakout: Played) -> None:
    found = measured(breakout, np.zeros_like)
    assert np.isnan(found.variables["SSIM_actor"].data).all()
    assert found.notices == [
        "48 of 48 of the maps of networks with random layers are constant: they have no similarity"
    ]


def test_one_frame_has_no_other(breakout: Played) -> None:
    assert np.isnan(measured(breakout, lambda image: image, 1).variables["HOG_actor_other"].data).all()


def test_fewer_frames_than_asked_for_are_said(breakout: Played) -> None:
    assert measured(breakout, lambda image: image, 13).notices == [
        "found 12 frames, asked for 13: all of the episode are measured"
    ]


def test_errors_name_the_clip(breakout: Played) -> None:
    with pytest.raises(SearchlightError, match=r"^clips\.demo: measures: randomisation: found a network without"):
        measured(breakout, lambda image: image, policy=Bare())


def stored(path: Path, found: Measured) -> None:
    with create(path) as writer:
        for name, variable in found.variables.items():
            writer.variable(name, variable)
        writer.variable("time", replace(found.variables["SSIM_actor_other"], data=np.array(found.time)))
        writer.attributes(found.attributes)


def test_table_compares_methods_frame_by_frame_and_figure_holds_all(breakout: Played, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    stored(tmp_path / "one", measured(breakout, lambda image: image))
    stored(tmp_path / "two", measured(breakout, lambda image: -image))
    with load(tmp_path / "one") as one, load(tmp_path / "two") as two:
        results, arguments = Results(None, {"one": one, "two": two}), randomisation.Arguments()
        rows = randomisation.table(results, arguments)
        figure = Figure()
        randomisation.draw(figure, results, rows, arguments)
    found = {row.of: row for row in rows if row.quantity == "Spearman of the actor, random down to heads"}
    assert (found["one"].value, found["two"].value) == (pytest.approx(1), pytest.approx(-1))
    assert np.isnan(found["one"].less)
    assert (found["two"].less, found["two"].less_low, found["two"].less_high) == pytest.approx((-2, -2, -2))
    assert figure.axes[0].get_ylim()[0] < -1
