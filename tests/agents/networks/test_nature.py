"""The Nature network: logits and values equal the library's own, and what no tensor tells is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.agents import real_agent
from helpers.networks import SB3, arrays, close, filled, policy_in, policy_of
from helpers.sb3 import answers, new_agent, recurrent_answers, stacks, user_extractor
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from searchlight.agents.policy import is_factored
from searchlight.errors import SearchlightError
from torch import Tensor, nn

ACTOR_CRITIC = {**SB3, "algorithm": "actor_critic"}
# Algorithm, and arguments of the library's policy.
AGENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "ppo": ("PPO", {}),
    "separate-extractors": ("A2C", {"share_features_extractor": False}),
    "net_arch": ("PPO", {"net_arch": {"pi": [7, 6], "vf": [5]}}),
    "net_arch-of-one-side": ("A2C", {"net_arch": {"pi": [], "vf": [5, 4]}}),
    "net_arch-relu": ("PPO", {"net_arch": [7], "activation_fn": nn.ReLU}),
    "net_arch-after-separate-extractors": ("PPO", {"share_features_extractor": False, "net_arch": [6]}),
    "pixels-of-255": (
        "PPO",
        {"normalize_images": False, "features_extractor_kwargs": {"normalized_image": True}},
    ),
}


@pytest.mark.parametrize(("algorithm", "arguments"), AGENTS.values(), ids=AGENTS)
def test_zip_of_stable_baselines3_answers_as_the_library(
    tmp_path: Path, algorithm: str, arguments: dict[str, Any]
) -> None:
    agent = new_agent(algorithm, **arguments)
    agent.save(tmp_path / "agent.zip")
    policy = policy_in(tmp_path / "agent.zip", "nature")
    assert is_factored(policy)
    assert policy.initial_memory() == {}
    logits, value, _ = policy.step(stacks() / 255, {})
    expected_logits, expected_value = answers(agent, stacks())
    close(torch.log_softmax(logits, dim=1), expected_logits)
    close(value, expected_value)


RECURRENT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "two-memories": ({}, ["h", "c", "critic_h", "critic_c"]),
    "shared": ({"shared_lstm": True, "enable_critic_lstm": False}, ["h", "c"]),
    "linear-critic": ({"enable_critic_lstm": False}, ["h", "c"]),
    "two-layers": (
        {"n_lstm_layers": 2},
        ["h", "c", "h_2", "c_2", "critic_h", "critic_c", "critic_h_2", "critic_c_2"],
    ),
    "separate-extractors": ({"share_features_extractor": False}, ["h", "c", "critic_h", "critic_c"]),
    "separate-extractors-net_arch": (
        {"share_features_extractor": False, "enable_critic_lstm": False, "net_arch": [4]},
        ["h", "c"],
    ),
}


@pytest.mark.parametrize(("arguments", "names"), RECURRENT.values(), ids=RECURRENT)
def test_recurrent_zip_answers_as_the_library_along_an_episode(
    tmp_path: Path, arguments: dict[str, Any], names: list[str]
) -> None:
    agent = new_agent("RecurrentPPO", lstm_hidden_size=9, **arguments)
    agent.save(tmp_path / "agent.zip")
    policy = policy_in(tmp_path / "agent.zip", "nature")
    assert is_factored(policy)
    memory = policy.initial_memory()
    assert list(memory) == names
    for observation, (logits, value) in zip(stacks(), recurrent_answers(agent, stacks()), strict=True):
        found_logits, found_value, memory = policy.step(observation[None] / 255, memory)
        close(torch.log_softmax(found_logits, dim=1), logits)
        close(found_value, value)
        assert set(memory) == set(names)


def test_batch_shares_a_memory() -> None:
    policy = policy_of(arrays(new_agent("RecurrentPPO", lstm_hidden_size=9).policy))
    memory = {name: torch.randn(1, 9) for name in policy.initial_memory()}
    together = policy.step(stacks() / 255, memory)
    for index in range(len(stacks())):
        logits, value, after = policy.step(stacks()[index : index + 1] / 255, memory)
        close(together[0][index], logits[0])
        close(together[1][index], value[0])
        close(together[2]["critic_h"][index], after["critic_h"][0])


def test_old_zips_have_no_aliases_and_may_share_layers() -> None:
    agent = new_agent("PPO", net_arch=[6])
    weights = {name: array for name, array in arrays(agent.policy).items() if not name.startswith(("pi_", "vf_"))}
    rest = policy_of(weights, ACTOR_CRITIC)
    shared = weights | {
        "mlp_extractor.shared_net.0.weight": np.eye(12, dtype=np.float32),
        "mlp_extractor.shared_net.0.bias": np.zeros(12, np.float32),
    }
    policy = policy_of(shared, ACTOR_CRITIC)
    features = rest.shared[0](rest.first(rest.trunk(stacks() / 255)), {}, {})
    expected = [torch.tanh(features)] * 2
    for way, found in zip((rest.actor, rest.critic), policy.step(stacks() / 255, {})[:2], strict=True):
        given = expected[0]
        for layer in way:
            given = layer(given, {}, {})
        close(found.view(len(given), -1), given)


class CleanRL(nn.Module):
    """The agent of CleanRL's ``ppo_atari``, and with ``memory`` of its ``ppo_atari_lstm``, in the same names."""

    def __init__(self, memory: bool, channels: int = 4) -> None:
        super().__init__()
        self.network = nn.Sequential(
            *(nn.Conv2d(channels, 5, 8, stride=4), nn.ReLU(), nn.Conv2d(5, 6, 4, stride=2), nn.ReLU()),
            *(nn.Conv2d(6, 7, 3), nn.ReLU(), nn.Flatten(), nn.Linear(7 * 7 * 7, 12), nn.ReLU()),
        )
        if memory:
            self.lstm = nn.LSTM(12, 9)
        self.actor, self.critic = nn.Linear(9 if memory else 12, 4), nn.Linear(9 if memory else 12, 1)
        filled(self)

    def answer(self, seen: Tensor, state: Any = None) -> tuple[Tensor, Tensor, Any]:
        hidden = self.network(seen)
        if hasattr(self, "lstm"):
            hidden, state = self.lstm(hidden[None], state)
            hidden = hidden[0]
        return self.actor(hidden), self.critic(hidden)[:, 0], state


@pytest.mark.parametrize(("memory", "channels"), [(False, 4), (True, 1)], ids=["ppo_atari", "ppo_atari_lstm"])
def test_cleanrl_agent_answers_as_its_script(memory: bool, channels: int) -> None:
    agent = CleanRL(memory, channels)
    policy = policy_of(arrays(agent), network="nature")
    state, found = None, policy.initial_memory()
    for observation in stacks()[:, -channels:] / 255:
        logits, value, state = agent.answer(observation[None], state)
        found_logits, found_value, found = policy.step(observation[None], found)
        close(found_logits, logits)
        close(found_value, value)


def test_gru_in_the_names_of_ikostrikov_is_read() -> None:
    main = nn.Sequential(
        *(nn.Conv2d(4, 5, 8, stride=4), nn.ReLU(), nn.Conv2d(5, 6, 4, stride=2), nn.ReLU()),
        *(nn.Conv2d(6, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 7 * 7, 12), nn.ReLU()),
    )
    base, head = nn.ModuleDict({"main": main, "gru": nn.GRU(12, 9), "critic_linear": nn.Linear(9, 1)}), nn.Linear(9, 4)
    agent = filled(nn.ModuleDict({"base": base, "dist": nn.ModuleDict({"linear": head})}))
    policy = policy_of(arrays(agent), network="nature")
    memory, state = policy.initial_memory(), torch.zeros(1, 1, 9)
    for observation in stacks() / 255:
        hidden, state = base["gru"](main(observation[None])[None], state)
        logits, value, memory = policy.step(observation[None], memory)
        close(logits, head(hidden[0]))
        close(value, base["critic_linear"](hidden[0])[:, 0])


@pytest.mark.parametrize("name", ["a2c-BreakoutNoFrameskip-v4.zip", "ppo-PongNoFrameskip-v4.zip"])
def test_real_zip_answers_as_the_library(name: str) -> None:
    import stable_baselines3

    path = real_agent(f"sb3/{name}")
    agent = getattr(stable_baselines3, name.partition("-")[0].upper()).load(path, device="cpu")
    logits, value, _ = policy_in(path, "nature").step(stacks() / 255, {})
    expected_logits, expected_value = answers(agent, stacks())
    close(torch.log_softmax(logits, dim=1), expected_logits)
    close(value, expected_value)


def test_same_agent_in_cleanrl_names_answers_alike() -> None:
    zipped = real_agent("sb3/a2c-BreakoutNoFrameskip-v4.zip")
    plain = real_agent("cleanrl/BreakoutNoFrameskip-v4-ppo_atari.cleanrl_model")
    one, other = (policy_in(path, "nature").step(stacks() / 255, {}) for path in (zipped, plain))
    close(one[0], other[0])
    close(one[1], other[1])


def test_stride_of_an_unusual_kernel_is_asked_for_and_taken() -> None:
    agent = new_agent("PPO", features_extractor_class=user_extractor())
    weights = arrays(agent.policy)
    with pytest.raises(SearchlightError) as refused:
        policy_of(weights, ACTOR_CRITIC)
    assert str(refused.value) == (
        "weights.pt: the convolution features_extractor.cnn.2 of 5x5 has a stride, and no tensor tells it; add to the "
        "agent, with what is right for it:  network: {nature: {strides: [4, 1]}}"
    )
    logits, value, _ = policy_of(weights, ACTOR_CRITIC, {"nature": {"strides": [4, 3]}}).step(stacks() / 255, {})
    expected_logits, expected_value = answers(agent, stacks())
    close(torch.log_softmax(logits, dim=1), expected_logits)
    close(value, expected_value)


def test_activation_of_a_users_own_extractor_is_asked_for() -> None:
    weights, facts = arrays(new_agent("PPO").policy), {**ACTOR_CRITIC, "extractor": "Mine"}
    with pytest.raises(SearchlightError) as refused:
        policy_of(weights, facts)
    assert str(refused.value) == (
        "weights.pt: the extractor Mine is the user's own, and nothing tells its activation; add to the agent, with "
        "what is right for it:  network: {nature: {activation: relu}}"
    )
    assert policy_of(weights, facts, {"nature": {"activation": "elu"}}).activation == "elu"


def test_strides_that_give_other_features_are_one_line() -> None:
    weights = arrays(CleanRL(memory=False))
    with pytest.raises(SearchlightError, match=r"takes 343 features, but .* give 700 .* 84x84.* \[4, 2, 1\]$"):
        policy_of(
            {**weights, "network.4.weight": np.zeros((7, 6, 3, 3), np.float32)},
            named={"nature": {"strides": [4, 2, 1], "paddings": [0, 1, 1]}},
        ).step(stacks() / 255, {})
    with pytest.raises(SearchlightError, match=r"2 strides in network: .* for 3 convolutions"):
        policy_of(weights, named={"nature": {"strides": [4, 2]}})


def test_activation_of_further_layers_is_asked_for_where_no_file_says_it() -> None:
    agent = new_agent("PPO", net_arch=[7], activation_fn=nn.ELU)
    weights = arrays(agent.policy)
    line = r"mlp_extractor\.policy_net\.0 is followed by an activation.*network: {nature: {mlp_activation: tanh}}"
    with pytest.raises(SearchlightError, match=line):
        policy_of(weights)
    # The config wins over the file.
    policy = policy_of(weights, {**ACTOR_CRITIC, "activation": "tanh"}, {"nature": {"mlp_activation": "elu"}})
    close(policy.step(stacks() / 255, {})[1], answers(agent, stacks())[1])


def changed(**shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return CleanRL's weights with tensors of other shapes."""
    given = {name.replace("__", "."): np.ones(shape, np.float32) for name, shape in shapes.items()}
    return arrays(CleanRL(memory=True)) | given


# Weights, and what the line must name.
OTHERS: dict[str, tuple[dict[str, np.ndarray], str]] = {
    "more": (changed(norm__weight=(4,)), "found also norm.weight"),
    "wide-critic": (changed(critic__weight=(2, 9), critic__bias=(2,)), "found critic.weight of shape [2, 9]"),
    "odd-features": (changed(network__7__weight=(12, 340)), "found network.7.weight of 340 columns, which 7 channels"),
    "odd-channels": (changed(network__2__weight=(6, 4, 4, 4)), "found network.2.weight of shape [6, 4, 4, 4]"),
    "odd-actor": (changed(actor__weight=(4, 8)), "found actor.weight of shape [4, 8] in place of [4, 9]"),
    "odd-memory": (changed(lstm__weight_hh_l0=(36, 8)), "found lstm.weight_hh_l0 of shape [36, 8]"),
    "odd-bias": (changed(network__0__bias=(4,)), "found network.0.bias of shape [4] in place of [5]"),
    "no-sides": (changed(actor__weight=(0, 9)), "found actor.weight of shape [0, 9]"),
    "pooling": (
        {name.replace("network.2.", "network.3."): array for name, array in changed().items()},
        "found network.3 after network.0, with more than one activation",
    ),
}


@pytest.mark.parametrize(("kept", "found"), [("cnn", "found no layer after vf_features"), ("linear", "found no conv")])
def test_half_an_extractor_of_the_critic_is_one_line(kept: str, found: str) -> None:
    weights = arrays(new_agent("A2C", share_features_extractor=False).policy)
    half = {name: array for name, array in weights.items() if not name.startswith("vf_") or f".{kept}." in name}
    with pytest.raises(SearchlightError, match=rf"^weights\.pt: not a known network: {found}"):
        policy_of(half)


@pytest.mark.parametrize(("weights", "found"), OTHERS.values(), ids=OTHERS)
def test_tensor_that_does_not_fit_is_named(weights: dict[str, np.ndarray], found: str) -> None:
    with pytest.raises(SearchlightError) as refused:
        policy_of(weights)
    assert str(refused.value).startswith(f"weights.pt: not a known network: {found}")


@st.composite
def agents(draw: st.DrawFn) -> tuple[nn.Module, dict[str, Any], int]:
    """Draw a network of random sizes, the arguments that it needs, and the side of its observation."""
    kernels = draw(st.lists(st.sampled_from([1, 2, 3, 4, 5]), min_size=1, max_size=4))
    strides = [draw(st.integers(1, 2)) for _ in kernels]
    channels = [draw(st.integers(1, 3)) for _ in (0, *kernels)]
    paddings = [draw(st.integers(0, 1)) for _ in kernels]
    side = size = draw(st.integers(24, 40))
    layers: list[nn.Module] = []
    for index, (kernel, stride, padding) in enumerate(zip(kernels, strides, paddings, strict=True)):
        layers += [nn.Conv2d(channels[index], channels[index + 1], kernel, stride, padding), nn.ReLU()]
        size = (size + 2 * padding - kernel) // stride + 1
    assume(size > 0)
    layers.append(nn.Flatten())
    width = channels[-1] * size * size
    for dense in draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)):
        layers += [nn.Linear(width, dense), nn.ReLU()]
        width = dense
    heads = {"actor": nn.Linear(width, draw(st.integers(1, 18))), "critic": nn.Linear(width, 1)}
    agent = nn.ModuleDict({"network": nn.Sequential(*layers), **heads})
    return filled(agent), {"strides": strides, "paddings": paddings}, side


@given(agents())
@settings(max_examples=40, deadline=None)
def test_network_of_any_shape_is_told_and_built(drawn: tuple[Any, dict[str, Any], int]) -> None:
    agent, arguments, side = drawn
    policy = policy_of(arrays(agent), named={"nature": arguments})
    seen = torch.rand(2, agent["network"][0].in_channels, side, side)
    hidden = agent["network"](seen)
    logits, value, _ = policy.step(seen, {})
    close(logits, agent["actor"](hidden))
    close(value, agent["critic"](hidden)[:, 0])
