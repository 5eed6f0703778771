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
        self._grey(raw)
        self._lives = self._game.ale.lives()
        return self._step(raw.screen, raw, raw, begun=True)

    def step(self, action: int) -> Step:
        self._reward = 0.0
        seen: list[tuple[Raw, np.ndarray]] = []
        for left in reversed(range(self.frame_skip)):
            raw = self._advance(action)
            lives = self._game.ale.lives()
            self._terminated |= self._by_life and lives < self._lives
            self._lives = lives
            if left < 2 or self._over:
                seen.append((raw, self._grey(raw)))
            if self._over:
                break
        (before, grey_before), (last, grey) = seen[0], seen[-1]
        frame = np.where((grey_before > grey)[:, :, None], before.screen, last.screen)
        return self._step(frame, before, last, begun=False)

    def _grey(self, raw: Raw) -> np.ndarray:
        """Return ALE's grey of the present screen, (H, W) uint8; what follows takes cv2's grey of the frame for it."""
        import cv2

        grey = self._game.ale.getScreenGrayscale()
        if not np.array_equal(grey, cv2.cvtColor(raw.screen, cv2.COLOR_RGB2GRAY)):
            raise WorldError(
                "found 'gymnasium' with a game whose grey by ALE is not the grey of its colours, so that no frame in "
                "colour makes what the agent sees, allowed: other games"
            )
        return grey


def build(environment: gymnasium.Env, arguments: Arguments) -> World:
    """Return the world of an environment without a frame skip of its own."""
    return _Preprocessed(environment, arguments)
