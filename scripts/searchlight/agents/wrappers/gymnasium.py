"""The world of gymnasium's ``AtariPreprocessing`` (gymnasium.wrappers, version 1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from searchlight.agents.world import Step, World, WorldError
from searchlight.agents.wrappers._skipping import Raw, Skipping
from searchlight.config.arguments import Bool, Int, PositiveInt, Table
from searchlight.lazy import numpy as np

if TYPE_CHECKING:
    import gymnasium


class Arguments(Table):
    """`AtariPreprocessing` of gymnasium, for environments such as `{id: ALE/Breakout-v5, frameskip: 1}`.

    No-ops begin a game, and an action lasts four frames. The agent sees the maximum of the grey of the last two. FIRE
    is not pressed.
    """

    noop_max: Int = Field(30, ge=0, description="A game begins with 1 to so many frames without an action; 0: none.")
    frame_skip: PositiveInt = Field(
        4, description="Frames of an action. The agent sees the maximum of the last two; 1: each frame as it is."
    )
    terminal_on_life_loss: Bool = Field(False, description="A lost life ends the episode.")


class _Preprocessed(Skipping):
    def __init__(self, environment: gymnasium.Env, arguments: Arguments) -> None:
        super().__init__(environment, arguments.noop_max, arguments.frame_skip)
        self._by_life = arguments.terminal_on_life_loss
        self._lives = 0

    def reset(self, seed: int) -> Step:
        raw = self._new_game(seed)
        self._check_grey(raw)
        self._lives = self._game.ale.lives()
        return self._step(raw.screen, raw, raw, begun=True)

    def step(self, action: int) -> Step:
        self._reward = 0.0
        seen: list[Raw] = []
        for left in reversed(range(self.frame_skip)):
            raw = self._advance(action)
            lives = self._game.ale.lives()
            self._terminated |= self._by_life and lives < self._lives
            self._lives = lives
            if left < 2 or self._over:
                self._check_grey(raw)
                seen.append(raw)
            if self._over:
                break
        before, last = seen[0], seen[-1]
        return self._step(self.merged(before.screen, last.screen), before, last, begun=False)

    def merged(self, before: np.ndarray, last: np.ndarray) -> np.ndarray:
        return np.where((_grey(before) > _grey(last))[:, :, None], before, last)

    def _check_grey(self, raw: Raw) -> None:
        """Check that ALE's grey of the present screen is cv2's, which frames and observations are made by."""
        if not np.array_equal(self._game.ale.getScreenGrayscale(), _grey(raw.screen)):
            raise WorldError(
                "found 'gymnasium' with a game whose grey by ALE is not the grey of its colours, so that no frame in "
                "colour makes what the agent sees, allowed: other games"
            )


def _grey(screen: np.ndarray) -> np.ndarray:
    """Return the grey (H, W) uint8 of a screen (H, W, 3)."""
    import cv2

    return cv2.cvtColor(screen, cv2.COLOR_RGB2GRAY)


def build(environment: gymnasium.Env, arguments: Arguments) -> World:
    """Return the world of an environment without a frame skip of its own."""
    return _Preprocessed(environment, arguments)
