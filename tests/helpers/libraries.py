"""The worlds of other libraries, from their own wrappers, in the order in which each puts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import gymnasium
import numpy as np
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation, RecordEpisodeStatistics, TransformObservation
from searchlight.agents.environment import make_environment
from stable_baselines3.common.atari_wrappers import (
    ClipRewardEnv,
    EpisodicLifeEnv,
    FireResetEnv,
    MaxAndSkipEnv,
    NoopResetEnv,
)
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import VecFrameStack

SIZE = (84, 84)


class Noted(gymnasium.Wrapper):
    """The game itself, which notes the console's memory at each of its frames."""

    def __init__(self, environment: gymnasium.Env) -> None:
        super().__init__(environment)
        self.rams: list[np.ndarray] = []

    def step(self, action: int) -> Any:
        found = self.env.step(action)
        self.rams.append(self.env.unwrapped.ale.getRAM())
        return found


def small_then_grey(screen: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.resize(screen, SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)


def game(env: str) -> Noted:
    return Noted(make_environment(env))


def stable_baselines(env: str, seed: int) -> Iterator[tuple[np.ndarray, float | None, Noted]]:
    """Yield SB3's stacks (4, 84, 84), with the score where a game is over; send the actions."""
    made: list[Noted] = []

    def make(**_: Any) -> gymnasium.Env:
        made.append(game(env))
        return made[-1]

    world = VecFrameStack(make_atari_env(make, n_envs=1, seed=seed), 4)
    stack = world.reset()
    score = None
    while True:
        action = yield stack[0].transpose(2, 0, 1), score, made[0]
        stack, _, _, infos = world.step(np.array([action]))
        score = infos[0]["episode"]["r"] if "episode" in infos[0] else None


def cleanrl(env: str, seed: int) -> Iterator[tuple[np.ndarray, float | None, Noted]]:
    """Yield the same by the order of CleanRL's make_env, with its resize, its grey, and its FrameStack of then."""
    raw = game(env)
    world: Any = RecordEpisodeStatistics(raw)
    world = EpisodicLifeEnv(MaxAndSkipEnv(NoopResetEnv(world, noop_max=30), skip=4))
    if "FIRE" in world.unwrapped.get_action_meanings():
        world = FireResetEnv(world)
    world = TransformObservation(ClipRewardEnv(world), small_then_grey, gymnasium.spaces.Box(0, 255, SIZE, np.uint8))
    world = FrameStackObservation(world, 4, padding_type="reset")
    return played(world, seed, raw)


def gymnasiums(env: str, seed: int) -> Iterator[tuple[np.ndarray, float | None, Noted]]:
    """Yield the same by gymnasium's AtariPreprocessing and its FrameStack."""
    raw = game(env)
    world = AtariPreprocessing(RecordEpisodeStatistics(raw), screen_size=84, grayscale_obs=True, scale_obs=False)
    return played(FrameStackObservation(world, 4), seed, raw)


def played(world: gymnasium.Env, seed: int, raw: Noted) -> Iterator[tuple[np.ndarray, float | None, Noted]]:
    stack, _ = world.reset(seed=seed)
    score = None
    while True:
        action = yield stack, score, raw
        stack, _, terminated, truncated, info = world.step(action)
        score = info["episode"]["r"] if "episode" in info else None
        if terminated or truncated:
            stack, _ = world.reset()


LIBRARIES: dict[str, Callable[..., Any]] = {"sb3": stable_baselines, "cleanrl": cleanrl, "gymnasium": gymnasiums}
