"""Agents that stable-baselines3 and sb3-contrib write themselves, untrained and small, and what they answer."""

from __future__ import annotations

from functools import cache
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

from helpers.sb3_zips import Images


def new_agent(algorithm: str, features: int = 12, **policy_kwargs: Any) -> Any:
    """Return an untrained agent of a library; ``features`` is the size of its dense layer."""
    import sb3_contrib
    import stable_baselines3

    kind = getattr(stable_baselines3 if hasattr(stable_baselines3, algorithm) else sb3_contrib, algorithm)
    extractor = {"features_dim": features, **policy_kwargs.pop("features_extractor_kwargs", {})}
    given: dict[str, Any] = {"policy_kwargs": {"features_extractor_kwargs": extractor, **policy_kwargs}, "seed": 0}
    given |= {"buffer_size": 1} if "DQN" in algorithm else {"n_steps": 2}
    given |= {"batch_size": 2} if "PPO" in algorithm else {}
    policy = "CnnLstmPolicy" if algorithm == "RecurrentPPO" else "CnnPolicy"
    agent = kind(policy, Images(), device="cpu", **given)
    # Heads of new agents are nearly zero, and biases zero. All weights of a real one count.
    generator = torch.Generator().manual_seed(1)
    for parameter in agent.policy.parameters():
        with torch.no_grad():
            parameter.normal_(generator=generator).mul_(1 / np.sqrt(max(1, parameter[0].numel())))
    return agent


@cache
def stacks(count: int = 3) -> Tensor:
    """Return stacks of 4 real pictures of Breakout, (count, 4, 84, 84) uint8."""
    import ale_py
    import cv2

    gymnasium.register_envs(ale_py)
    with gymnasium.make("BreakoutNoFrameskip-v4", obs_type="grayscale") as game:
        first = game.reset(seed=0)[0]
        pictures = [first, *(game.step(step % 4)[0] for step in range(8 * (count + 3)))]
    small = [cv2.resize(picture, (84, 84), interpolation=cv2.INTER_AREA) for picture in pictures[::8]]
    return torch.from_numpy(np.stack([small[start : start + 4] for start in range(count)]))


@torch.no_grad()
def answers(agent: Any, observations: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the library gives for observations (batch, channel, height, width) of 0 to 255: logits, values.

    Of a Q-network: Q-values, and the largest.
    """
    policy = agent.policy
    if hasattr(policy, "q_net"):
        values = policy.q_net(observations)
        return values, values.amax(dim=1)
    if hasattr(policy, "quantile_net"):
        values = policy.quantile_net(observations).mean(dim=1)
        return values, values.amax(dim=1)
    logits = policy.get_distribution(observations).distribution.logits
    return logits, policy.predict_values(observations)[:, 0]


@torch.no_grad()
def recurrent_answers(agent: Any, observations: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return what sb3-contrib's recurrent agent gives along observations of an episode: logits and value of each."""
    from sb3_contrib.common.recurrent.type_aliases import RNNStates

    policy = agent.policy
    layers, _, size = policy.lstm_hidden_state_shape
    states = RNNStates(*[(torch.zeros(layers, 1, size), torch.zeros(layers, 1, size)) for _ in range(2)])
    found, starts = [], torch.ones(1)
    for observation in observations:
        seen = observation[None]
        logits = policy.get_distribution(seen, states.pi, starts)[0].distribution.logits
        value = policy.predict_values(seen, states.pi if policy.lstm_critic is None else states.vf, starts)[:, 0]
        states = policy(seen, states, starts)[3]
        starts = torch.zeros(1)
        found.append((logits, value))
    return found


def user_extractor() -> Any:
    """Return the class of a features extractor as users write it: two convolutions of their own kernels and strides."""
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

    class UserExtractor(BaseFeaturesExtractor):
        def __init__(self, observation_space: Any, features_dim: int) -> None:
            super().__init__(observation_space, features_dim)
            self.cnn = nn.Sequential(
                nn.Conv2d(4, 6, 8, stride=4), nn.ReLU(), nn.Conv2d(6, 8, 5, stride=3), nn.ReLU(), nn.Flatten()
            )
            self.linear = nn.Sequential(nn.Linear(8 * 6 * 6, features_dim), nn.ReLU())

        def forward(self, observations: Tensor) -> Tensor:
            return self.linear(self.cnn(observations))

    return UserExtractor
