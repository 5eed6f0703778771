"""Real agents play here as they play in their library: the same actions, stacks and score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.agents import real_agent
from helpers.geometry import SCREEN
from helpers.libraries import LIBRARIES
from helpers.project import BUNDLED, ROOT
from searchlight.agents import preprocessings
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.rollout import play_episode
from searchlight.store.zarr import load
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import VecFrameStack

AGENTS = ROOT.parent / "shared" / "checkpoints" / "agents" / "sb3"
# Decisions: Pong is over by then, and Breakout, whose ball may fly for ever, has its score.
STEPS = 1820


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name", "expected", "lives_lost"),
    [(A2C, "a2c-BreakoutNoFrameskip-v4", 377, 2), (PPO, "ppo-PongNoFrameskip-v4", 21, 0)],
)
def test_real_agents_play_as_in_their_library(
    tmp_path: Path, kind: Any, name: str, expected: int, lives_lost: int
) -> None:
    file, env = AGENTS / f"{name}.zip", name.partition("-")[2]
    if not file.is_file():
        pytest.skip(f"{name} is not beside this checkout")
    fetch_checkpoint(str(file), None, None, BUNDLED, tmp_path / "policy", print)
    settings = {"env": env, "wrappers": "sb3", "preprocessing": "sb3", "actions": "greedy"}
    outcome = play_episode(
        tmp_path / "policy", tmp_path / "episode", agent="agent", **settings, seed=0, max_steps=STEPS
    )
    assert outcome.score == expected
    with load(tmp_path / "episode") as episode:
        frames, begun, taken, lives, rewards = (
            episode.read(array) for array in ("frame", "stack_begun", "action", "lives", "reward")
        )
    assert rewards.sum() == expected
    prepared = preprocessings.build("sb3", SCREEN)
    pictures = [prepared.picture(frame) for frame in frames]
    model, world = kind.load(file, device="cpu"), VecFrameStack(make_atari_env(env, n_envs=1, seed=0), 4)
    stack = world.reset()
    for time, action in enumerate(taken):
        seen = prepared.stacked([pictures[one] for one in prepared.decisions(time, begun[time])])
        np.testing.assert_array_equal((seen * 255).round(), stack[0])
        theirs, _ = model.predict(stack, deterministic=True)
        assert theirs[0] == action
        stack, *_ = world.step(theirs)
    assert len(taken) > 1000
    # Each lost life begins a stack.
    assert len(np.unique(begun)) == len(np.unique(lives)) == 1 + lives_lost


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "name", "env"),
    [
        ("cleanrl", "cleanrl/BreakoutNoFrameskip-v4-ppo_atari.cleanrl_model", "BreakoutNoFrameskip-v4"),
        ("gymnasium", "torch/DQN_PongNoFrameskip-v4_900.pth", "PongNoFrameskip-v4"),
    ],
)
def test_real_agents_see_what_other_libraries_show(tmp_path: Path, family: str, name: str, env: str) -> None:
    fetch_checkpoint(str(real_agent(name)), None, None, BUNDLED, tmp_path / "policy", print)
    settings = {"env": env, "wrappers": family, "preprocessing": family, "actions": "greedy"}
    outcome = play_episode(
        tmp_path / "policy", tmp_path / "episode", agent="agent", **settings, seed=0, max_steps=STEPS
    )
    with load(tmp_path / "episode") as episode:
        frames, begun, taken, lives = (episode.read(one) for one in ("frame", "stack_begun", "action", "lives"))
    prepared, theirs = preprocessings.build(family, SCREEN), LIBRARIES[family](env, 0)
    pictures = [prepared.picture(frame) for frame in frames]
    stack, score, _ = next(theirs)
    for time, action in enumerate(taken):
        seen = prepared.stacked([pictures[one] for one in prepared.decisions(time, begun[time])])
        np.testing.assert_array_equal((255 * seen.transpose(2, 0, 1)).round(), stack)
        stack, score, _ = theirs.send(int(action))
    assert len(taken) > 1000
    assert outcome.score > 15
    if outcome.ended == "terminated":
        assert score == outcome.score
    else:
        assert len(np.unique(lives)) > 1, "a life is lost within the test"
