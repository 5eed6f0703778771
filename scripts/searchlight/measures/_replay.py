"""Replays of episodes: how the frames of chosen decisions were drawn.

An episode is played again by its recorded actions. The emulator is watched on the way to each chosen decision: its
state before each raw frame is kept, so that the frame can be drawn again. It may skip frames, repeat actions and press
buttons as its wrappers do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import ale_py
import numpy as np

from searchlight.agents.world import Step, World
from searchlight.errors import SearchlightError


class Act(NamedTuple):
    """One raw frame of the game.

    Attributes:
        state: of the emulator before it.
        action: that the game was asked for. With sticky actions, it may have repeated an earlier one.
        ram: (128,) uint8, the console's memory after it.
    """

    state: ale_py.ALEState
    action: ale_py.Action
    ram: np.ndarray


@dataclass(frozen=True)
class Drawing:
    """How the frame of a decision was drawn: as one raw frame, or from two.

    Attributes:
        acts: of each raw frame, the earlier one first, the act before it and its own. The former is None if there was
            none.
        frame: (H, W, 3) uint8, what the agent saw.
    """

    acts: tuple[tuple[Act | None, Act], ...]
    frame: np.ndarray


class Watched:
    """An emulator that keeps its states before each raw frame while it is watched.

    Attributes:
        acts: those since it is watched; None if it is not.
    """

    def __init__(self, ale: ale_py.ALEInterface) -> None:
        self._ale = ale
        self.acts: list[Act] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ale, name)

    def act(self, action: ale_py.Action, strength: float = 1.0) -> float:
        """Play one raw frame."""
        if self.acts is None:
            return self._ale.act(action, strength)
        state = self._ale.cloneState()
        reward = self._ale.act(action, strength)
        self.acts.append(Act(state, action, self._ale.getRAM()))
        return reward


def drawings(
    world: World,
    watched: Watched,
    seed: int,
    actions: np.ndarray,
    rams: np.ndarray,
    decisions: Collection[int],
) -> Iterator[tuple[int, Drawing]]:
    """Replay an episode as far as needed, and yield how the frames of some decisions were drawn.

    Args:
        world: of the episode.
        watched: the emulator of its environment.
        seed: of the episode.
        actions: (time,) int64, the actions taken.
        rams: (time, 128) uint8, the console's memory at each decision.
        decisions: those that are wanted. Where a frame shows the game before its first act, there is nothing to yield.

    Raises:
        SearchlightError: the replay is not the episode.
    """
    for decision in range(max(decisions, default=-1) + 1):
        earlier = watched.acts[-1:] if watched.acts else []
        # The last act before a chosen decision's own is needed too.
        watched.acts = earlier if decision in decisions or decision + 1 in decisions else None
        step = world.step(int(actions[decision - 1])) if decision else world.reset(seed)
        if not np.array_equal(step.ram, rams[decision]):
            raise SearchlightError(
                f"decision {decision}: the replayed game is not the recorded one; another version of ale-py, or an "
                "environment that was edited, plays another game"
            )
        if decision in decisions and watched.acts and (acts := _acts_of(step, watched.acts, world.frame_skip)):
            yield decision, Drawing(acts, step.frame)


def _acts_of(step: Step, acts: Sequence[Act], frame_skip: int) -> tuple[tuple[Act | None, Act], ...]:
    """Return the acts that drew the frame of a step; other acts may follow, as after a lost life."""
    ends = [index for index, act in enumerate(acts) if np.array_equal(act.ram, step.ram)]
    if not ends:
        return ()
    last = ends[-1]
    two = frame_skip > 1 and last > 0 and np.array_equal(acts[last - 1].ram, step.ram_before)
    return tuple((acts[index - 1] if index else None, acts[index]) for index in range(last - two, last + 1))
