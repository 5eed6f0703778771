"""Real agents of stable-baselines3 play here as they play there: the same actions, stacks and score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from helpers.project import ROOT
from searchlight.agents import preprocessings, rollout
from searchlight.agents.policy import LOGITS
from searchlight.agents.preprocessing import Preprocessing
from searchlight.store.zarr import load
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import VecFrameStack

AGENTS = ROOT.parent / "shared" / "checkpoints" / "agents" / "sb3"
# Decisions: Pong is over by then, and Breakout, whose ball may fly for ever, has its score.
STEPS = 1820


class Prepared(Preprocessing):
    """Grey, then 84x84: the library's own pictures."""

    screen, shape, stack, padding = (210, 160), (84, 84), 4, "zeros"

    def picture(self, screen: np.ndarray) -> np.ndarray:
        grey = cv2.cvtColor(screen, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, self.shape, interpolation=cv2.INTER_AREA)
        return (small / np.float32(255))[:, :, None]


Prepared.__abstractmethods__ = frozenset()  # the others belong to maps


class Loaded:
    """The library's own network."""

    output = LOGITS

    def __init__(self, model: Any) -> None:
        self._policy, self.actions = model.policy, model.action_space.n

    def initial_memory(self) -> dict[str, torch.Tensor]:
        return {}

    def step(self, observation: torch.Tensor, memory: Any) -> tuple[torch.Tensor, torch.Tensor, Any]:
        seen = (observation * 255).round().to(torch.uint8)
        return self._policy.get_distribution(seen).distribution.logits, self._policy.predict_values(seen)[:, 0], memory


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name", "expected", "lives_lost"),
    [(A2C, "a2c-BreakoutNoFrameskip-v4", 377, 2), (PPO, "ppo-PongNoFrameskip-v4", 21, 0)],
)
def test_real_agents_play_as_in_their_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: Any, name: str, expected: int, lives_lost: int
) -> None:
    if not (AGENTS / f"{name}.zip").is_file():
        pytest.skip(f"{name} is not beside this checkout")
    model, env = kind.load(AGENTS / f"{name}.zip", device="cpu"), name.partition("-")[2]
    monkeypatch.setattr(rollout, "load_policy", lambda _: Loaded(model))
    monkeypatch.setattr(rollout, "read_metadata", lambda _: {})
    monkeypatch.setattr(preprocessings, "build", lambda *_: Prepared())
    outcome = rollout.play_episode(
        "",
        tmp_path / "episode",
        agent="agent",
        env=env,
        wrappers="sb3",
        preprocessing="sb3",
        actions="greedy",
        seed=0,
        max_steps=STEPS,
    )
    assert outcome.score == expected
    with load(tmp_path / "episode") as episode:
        frames, begun, taken, lives = (episode.read(array) for array in ("frame", "stack_begun", "action", "lives"))
        assert outcome.score == episode.read("reward").sum()
    world = VecFrameStack(make_atari_env(env, n_envs=1, seed=0), 4)
    stack = world.reset()
    pictures = [(Prepared().picture(frame)[:, :, 0] * 255).round() for frame in frames]
    for time in range(len(frames)):
        decisions = Prepared().decisions(time, begun[time])
        seen = [np.zeros((84, 84))] * (4 - len(decisions)) + [pictures[one] for one in decisions]
        np.testing.assert_array_equal(np.stack(seen, axis=-1), stack[0])
        action, _ = model.predict(stack, deterministic=True)
        assert action[0] == taken[time]
        stack, *_ = world.step(action)
    assert len(frames) > 1000
    # Each lost life begins a stack.
    assert len(np.unique(begun)) == len(np.unique(lives)) == 1 + lives_lost
