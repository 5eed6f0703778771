"""Interface of a world: what an agent meets between two of its decisions.

An environment's step is one decision only for some agents. Most were trained in wrappers that repeat each action, show
the maximum of two frames, press buttons of their own, and take a lost life for an end. Only the files of
``searchlight.agents.wrappers`` know how.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from searchlight.errors import SearchlightError
from searchlight.lazy import numpy as np

if TYPE_CHECKING:
    import ale_py
    import gymnasium


@dataclass(frozen=True)
class Step:
    """What an agent meets at a decision, and how it came to it.

    Attributes:
        frame: (H, W, 3) uint8, the screen at this decision. Of two raw screens, it is their maximum.
        ram: (128,) uint8, the console's memory at the raw screen, or at the later one of two.
        ram_before: (128,) uint8, the same at the earlier one of two raw screens.
        lives: lives left.
        reward: sum of all rewards since the decision before, as the game gives them.
        begun: whether a stack of frames and the agent's memory begin anew at this decision.
        terminated: whether the game is over; there is no decision then.
        truncated: whether the game was cut off; there is no decision then.
    """

    frame: np.ndarray
    ram: np.ndarray
    ram_before: np.ndarray
    lives: int
    reward: float = 0.0
    begun: bool = False
    terminated: bool = False
    truncated: bool = False


class WorldError(SearchlightError):
    """What a world cannot show; the error has no key of the config yet."""


class World(ABC):
    """One game after the other in an environment.

    Attributes:
        environment: the environment; the world's own from now on.
        frame_skip: the world's own number of raw frames for each decision. Of two or more, the last two make the frame.
    """

    frame_skip: int = 1

    def __init__(self, environment: gymnasium.Env) -> None:
        self.environment = environment
        self._game = cast("ale_py.AtariEnv", environment.unwrapped)

    @abstractmethod
    def reset(self, seed: int) -> Step:
        """Begin a game, up to the first decision. The rewards until then are of this step."""

    @abstractmethod
    def step(self, action: int) -> Step:
        """Take an action, and go on to the next decision."""

    def merged(self, before: np.ndarray, last: np.ndarray) -> np.ndarray:  # noqa: ARG002  the last alone is seen
        """Return the frame that is made of two raw screens, (H, W, 3) uint8, which may be the same."""
        return last
