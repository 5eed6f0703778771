"""Worlds at the edges: lives and games that end anywhere, also within what is done without the agent."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import cv2
import gymnasium
import numpy as np
from gymnasium.wrappers import AtariPreprocessing
from hypothesis import given, settings
from hypothesis import strategies as st
from searchlight.agents import wrappers
from stable_baselines3.common.atari_wrappers import EpisodicLifeEnv, FireResetEnv, MaxAndSkipEnv, NoopResetEnv

SCREEN = (6, 5, 3)


@dataclass(frozen=True)
class Plot:
    """How a game goes: its lives at each frame, its end, and whether it has FIRE."""

    lives: tuple[int, ...]
    truncated: bool
    fire: bool


class Game(gymnasium.Env):
    """A game that goes as its plot says. Each frame has a screen, a memory and a reward of its own."""

    observation_space = gymnasium.spaces.Box(0, 255, SCREEN, np.uint8)
    action_space = gymnasium.spaces.Discrete(4)
    _frameskip = 1

    def __init__(self, plot: Plot) -> None:
        self.plot, self.frame, self.games, self.reward = plot, 0, 0, 0.0
        self.ale = SimpleNamespace(
            lives=lambda: self.plot.lives[min(self.frame, len(self.plot.lives) - 1)],
            getRAM=lambda: np.full(128, self.frame % 256, np.uint8),
            getScreenRGB=self._screen,
            getScreenGrayscale=self._grey,
        )

    def get_action_meanings(self) -> list[str]:
        return ["NOOP", "FIRE" if self.plot.fire else "UP", "RIGHT", "LEFT"]

    def _screen(self, into: np.ndarray | None = None) -> np.ndarray:
        screen = np.random.default_rng([self.games, self.frame]).integers(0, 256, SCREEN, np.uint8)
        if into is not None:
            into[:] = screen
        return screen

    def _grey(self, into: np.ndarray | None = None) -> np.ndarray:
        grey = cv2.cvtColor(self._screen(), cv2.COLOR_RGB2GRAY)
        if into is not None:
            into[:] = grey
        return grey

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.frame, self.games, self.reward = 0, self.games + 1, 0.0
        return self._screen(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        assert not self.frame or self.frame < len(self.plot.lives), "the game is over"
        self.frame += 1
        reward = float(self.frame * (action + 1))
        self.reward += reward
        over = self.frame >= len(self.plot.lives)
        return self._screen(), reward, over and not self.plot.truncated, over and self.plot.truncated, {}


plots = st.builds(
    Plot,
    lives=st.lists(st.integers(0, 4), min_size=1, max_size=60).map(tuple),
    truncated=st.booleans(),
    fire=st.booleans(),
)
games = {"plot": plots, "noop_max": st.integers(0, 9), "skip": st.integers(1, 5), "by_life": st.booleans()}


@settings(max_examples=300, deadline=None)
@given(**games, seed=st.integers(0, 9))
def test_sb3_is_the_library_s_wherever_lives_and_games_end(
    plot: Plot, noop_max: int, skip: int, by_life: bool, seed: int
) -> None:
    theirs: Any = Game(plot)
    if noop_max > 0:
        theirs = NoopResetEnv(theirs, noop_max=noop_max)
    if skip > 1:
        theirs = MaxAndSkipEnv(theirs, skip=skip)
    if by_life:
        theirs = EpisodicLifeEnv(theirs)
    if plot.fire:
        theirs = FireResetEnv(theirs)
    arguments = {"noop_max": noop_max, "frame_skip": skip, "terminal_on_life_loss": by_life}
    environment = Game(plot)
    world = wrappers.build({"sb3": arguments}, environment, "game")
    screen, _ = theirs.reset(seed=seed)
    step = world.reset(seed)
    total, begun = step.reward, True
    for number in range(40):
        if step.terminated or step.truncated:
            assert environment.frame >= len(plot.lives)
            break
        assert step.begun == begun
        np.testing.assert_array_equal(step.frame, screen)
        assert total == environment.reward
        screen, _, terminated, truncated, _ = theirs.step(number % 4)
        begun = terminated or truncated
        if begun:
            screen, _ = theirs.reset()
        step = world.step(number % 4)
        total += step.reward
    assert total == environment.reward


@settings(max_examples=300, deadline=None)
@given(**games, seed=st.integers(0, 9))
def test_gymnasium_is_the_library_s_wherever_lives_and_games_end(
    plot: Plot, noop_max: int, skip: int, by_life: bool, seed: int
) -> None:
    arguments = {"noop_max": noop_max, "frame_skip": skip, "terminal_on_life_loss": by_life}
    theirs = AtariPreprocessing(Game(plot), screen_size=(SCREEN[1], SCREEN[0]), **arguments)
    environment = Game(plot)
    world = wrappers.build({"gymnasium": arguments}, environment, "game")
    grey, _ = theirs.reset(seed=seed)
    step = world.reset(seed)
    total = step.reward
    assert step.begun
    for number in range(40):
        np.testing.assert_array_equal(cv2.cvtColor(step.frame, cv2.COLOR_RGB2GRAY), grey)
        assert total == environment.reward
        grey, _, terminated, truncated, _ = theirs.step(number % 4)
        step = world.step(number % 4)
        total += step.reward
        assert (step.terminated, step.truncated) == (terminated, truncated)
        if terminated or truncated:
            break
        assert not step.begun
    assert total == environment.reward
