"""No wrappers: each step of the environment is a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from searchlight.agents.world import Step, World
from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np

if TYPE_CHECKING:
    import gymnasium


class Arguments(Table):
    """Each step of the environment is a decision: the frames that it skips, and how, are the environment's own."""


class _Plain(World):
    def reset(self, seed: int) -> Step:
        frame, _ = self.environment.reset(seed=seed)
        return self._seen(frame, begun=True)

    def step(self, action: int) -> Step:
        frame, reward, terminated, truncated, _ = self.environment.step(action)
        return self._seen(frame, float(reward), terminated=terminated, truncated=truncated)

    def _seen(
        self,
        frame: np.ndarray,
        reward: float = 0.0,
        begun: bool = False,
        terminated: bool = False,
        truncated: bool = False,
    ) -> Step:
        ram = self._game.ale.getRAM()
        return Step(frame, ram, ram, self._game.ale.lives(), reward, begun, terminated, truncated)


def build(environment: gymnasium.Env, arguments: Arguments) -> World:  # noqa: ARG001  it has none
    """Return the environment itself as a world."""
    return _Plain(environment)
