"""The wrappers of OpenAI Baselines, which stable-baselines3 has and CleanRL takes from there.

Each method is one of them, from the game outwards: no-ops at the beginning, the maximum of the last two of the frames
of an action, a life as an episode, FIRE where it starts a game. They differ from the libraries' in one way: where the
game is over the world ends, so what they do then to begin another is left out.
(stable_baselines3.common.atari_wrappers, version 2.9)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from searchlight.agents.world import Step
from searchlight.agents.wrappers._skipping import NOOP, Raw, Skipping
from searchlight.config.arguments import Bool, Int, PositiveInt, Table
from searchlight.errors import SearchlightError
from searchlight.lazy import numpy as np

if TYPE_CHECKING:
    import gymnasium

# Actions after a reset, by index.
STARTING = (1, 2)


class BaselinesArguments(Table):
    """Arguments of the wrappers that come from OpenAI Baselines."""

    noop_max: Int = Field(30, ge=0, description="A game begins with 1 to so many frames without an action; 0: none.")
    frame_skip: PositiveInt = Field(
        4, description="Frames of an action. The agent sees the maximum of the last two; 1: each frame as it is."
    )
    terminal_on_life_loss: Bool = Field(
        True,
        description="After a lost life, one step without an action and FIRE follow, where the game has FIRE; the stack "
        "and the memory begin anew.",
    )


class Baselines(Skipping):
    """A world as OpenAI Baselines wraps it."""

    def __init__(self, environment: gymnasium.Env, arguments: BaselinesArguments) -> None:
        super().__init__(environment, arguments.noop_max, arguments.frame_skip)
        self._by_life = arguments.terminal_on_life_loss
        self._lives = 0
        empty = Raw(np.zeros_like(self._game.ale.getScreenRGB()), self._game.ale.getRAM())
        # A reset does not clear it, and an action that ends a game early leaves it as it was.
        self._buffer = [empty, empty]
        self._raw = (empty, empty)
        self._frame = empty.screen
        meanings = self._game.get_action_meanings()
        self._fires = "FIRE" in meanings
        if self._fires and (meanings[1] != "FIRE" or len(meanings) < 3):
            raise SearchlightError(
                f"found an environment with the actions {', '.join(meanings)}, allowed: FIRE as the second of three "
                "or more, as full_action_space: true has it, or no FIRE"
            )

    def reset(self, seed: int) -> Step:
        self._terminated = True  # no game goes on
        self._begin(seed)
        return self._step(self._frame, *self._raw, begun=True)

    def step(self, action: int) -> Step:
        self._reward = 0.0
        lost = self._act(action)
        if lost and not self._over:
            self._begin(None)
        return self._step(self._frame, *self._raw, begun=lost)

    def _begin(self, seed: int | None) -> None:
        """Begin a game from a seed, or with None go on after a lost life, and press FIRE (FireResetEnv)."""
        self._go_on(seed)
        for action in STARTING if self._fires else ():
            if self._over:
                return
            if self._act(action):
                shown = self._frame, self._raw
                self._go_on(seed)
                self._frame, self._raw = shown  # the library returns the screen before it goes on

    def _go_on(self, seed: int | None) -> None:
        """Begin a game from a seed if none goes on, or go on after a lost life (EpisodicLifeEnv.reset)."""
        if not self._over:
            self._repeat(NOOP)
        if self._over and seed is not None:
            raw = self._new_game(seed)
            self._frame, self._raw = raw.screen, (raw, raw)
        self._lives = self._game.ale.lives()

    def _act(self, action: int) -> bool:
        """Take an action; return whether a life was lost or the game is over (EpisodicLifeEnv.step)."""
        self._repeat(action)
        lives = self._game.ale.lives()
        # In some games, no life is left for a few frames before the game is over.
        lost = self._by_life and 0 < lives < self._lives
        self._lives = lives
        return lost or self._over

    def _repeat(self, action: int) -> None:
        """Repeat an action, and see the maximum of the last two frames (MaxAndSkipEnv)."""
        for left in reversed(range(self.frame_skip)):
            raw = self._advance(action)
            if left < len(self._buffer):
                self._buffer[-1 - left] = raw
            if self._over:
                break
        # One frame alone is its own maximum.
        self._raw = (self._buffer[0 if self.frame_skip > 1 else -1], self._buffer[-1])
        self._frame = self.merged(self._raw[0].screen, self._raw[1].screen)

    def merged(self, before: np.ndarray, last: np.ndarray) -> np.ndarray:
        return np.maximum(before, last)
