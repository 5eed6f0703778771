"""What all libraries' wrappers share: a random number of no-ops first, and decisions of several raw frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from searchlight.agents.world import Step, World
from searchlight.errors import SearchlightError
from searchlight.lazy import numpy as np

if TYPE_CHECKING:
    import gymnasium

NOOP = 0


class Raw(NamedTuple):
    """One raw frame: its screen (H, W, 3) uint8, and the console's memory (128,) uint8."""

    screen: np.ndarray
    ram: np.ndarray


class Skipping(World):
    """A world that repeats each action, after some no-ops at the beginning of a game."""

    def __init__(self, environment: gymnasium.Env, noop_max: int, frame_skip: int) -> None:
        super().__init__(environment)
        self.frame_skip = frame_skip
        self._noop_max = noop_max
        self._reward = 0.0
        self._terminated = self._truncated = False
        meanings = self._game.get_action_meanings()
        if noop_max > 0 and meanings[NOOP] != "NOOP":
            raise SearchlightError(
                f"found an environment whose first action is {meanings[NOOP]}, allowed: NOOP, "
                "which full_action_space: true puts first"
            )

    @property
    def _over(self) -> bool:
        return self._terminated or self._truncated

    def _advance(self, action: int) -> Raw:
        """Play one raw frame, and return it."""
        screen, reward, self._terminated, self._truncated, _ = self.environment.step(action)
        self._reward += float(reward)
        return Raw(screen, self._game.ale.getRAM())

    def _new_game(self, seed: int) -> Raw:
        """Begin a game with 1 to ``noop_max`` no-ops; return the raw frame after them.

        A game that ends within them begins again from the same seed, as in the libraries.
        """
        raw = self._reset(seed)
        count = int(self._game.np_random.integers(1, self._noop_max + 1)) if self._noop_max > 0 else 0
        for _ in range(count):
            raw = self._advance(NOOP)
            if self._over:
                raw = self._reset(seed)
        return raw

    def _reset(self, seed: int) -> Raw:
        screen, _ = self.environment.reset(seed=seed)
        self._terminated = self._truncated = False
        self._reward = 0.0  # the score is that of this game
        return Raw(screen, self._game.ale.getRAM())

    def _step(self, frame: np.ndarray, before: Raw, last: Raw, begun: bool) -> Step:
        """Return the step to a frame that is made of two raw ones, which may be the same."""
        lives = self._game.ale.lives()
        return Step(frame, last.ram, before.ram, lives, self._reward, begun, self._terminated, self._truncated)
