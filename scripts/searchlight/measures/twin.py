"""A twin of the game: an emulator that is set to a frame, where one object is moved, and that draws the frame again.

An episode is replayed by its recorded actions. Before each raw frame of a chosen decision, the emulator's state is
kept. The twin has no sticky actions, because an ``ALEState`` does not hold the action that they would repeat. It takes
each state and plays one raw frame from it:

- as it was (the control): the frame that the agent saw, bit for bit, where states can be restored at all;
- after the memory of the console was changed: the same frame with one object elsewhere.

The emulator draws only when it plays, so a change is seen in the frame that follows it. Each raw frame of a maximum,
and each picture of a stack, is played from its own state, so no object moves on from where it was put.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import ale_py
import numpy as np
from ale_py import roms

from searchlight.agents import wrappers as worlds
from searchlight.agents.environment import game_of, make_environment
from searchlight.agents.world import Step, World
from searchlight.errors import SearchlightError
from searchlight.measures.games import Box, GameObject, Move

# Plays of a raw frame until the game's own reaction to a move is undone.
_TRIALS = 4


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
    """How the frame of a decision was drawn: one raw frame, or two of which it is the maximum.

    Attributes:
        acts: the raw frames, the earlier one first.
        frame: (H, W, 3) uint8, what the agent saw.
    """

    acts: tuple[Act, ...]
    frame: np.ndarray


class Look(NamedTuple):
    """What the agent sees of a decision in the twin.

    Attributes:
        frame: (H, W, 3) uint8.
        took: whether the move took: in every raw frame, pixels change where the object was and where it is then, and
            nowhere else.
    """

    frame: np.ndarray
    took: bool


class _Watched:
    """An emulator that keeps its states before each raw frame while it is watched."""

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


class Twin:
    """Plays single raw frames of an episode again.

    Attributes:
        drawings: how the frames of the chosen decisions were drawn, by decision. A frame that shows the game before
            its first act has none.
    """

    def __init__(
        self,
        env: str | dict[str, Any],
        wrappers: str | dict[str, dict[str, Any]],
        seed: int,
        actions: np.ndarray,
        rams: np.ndarray,
        decisions: Collection[int],
        objects: Sequence[GameObject],
    ) -> None:
        """Replay an episode.

        Args:
            env: its environment, as the config names it.
            wrappers: its wrappers, as the config names them.
            seed: its seed.
            actions: (time,) int64, the actions taken.
            rams: (time, 128) uint8, the console's memory at each decision.
            decisions: those whose frames are to be drawn again.
            objects: all objects of the game.

        Raises:
            SearchlightError: the replay is not the episode.
        """
        environment = make_environment(env)
        try:
            game = game_of(environment)
            self._actions = list(game._action_set)
            self._ale = _emulator_like(game)
            watched = _Watched(game.ale)
            game.ale = watched
            self._world = worlds.build(wrappers, environment, env)
            self.drawings = dict(_drawings(self._world, watched, seed, actions, rams, frozenset(decisions)))
        finally:
            environment.close()
        self._played: dict[int, list[_Played]] = {}
        self._gains = np.zeros(128, np.int64)
        for one in objects:
            for move in one.moves:
                self._gains[[byte for byte, _ in move.changes]] = one.gain

    def control(self, decision: int) -> np.ndarray:
        """Return the frame of a decision, (H, W, 3) uint8, as the twin draws it."""
        return self._world.merged(*(one.screen for one in _ends(self._controls(decision))))

    def repeats(self, decision: int) -> bool:
        """Return whether the control is the same, bit for bit, when it is played once more."""
        return all(np.array_equal(one.screen, self._again(one.act).screen) for one in self._controls(decision))

    def moved(self, decision: int, of: GameObject, move: Move) -> Look:
        """Return the frame of a decision with an object elsewhere."""
        played, took = zip(*(self._elsewhere(one, of, move) for one in self._controls(decision)), strict=True)
        return Look(self._world.merged(*(one.screen for one in _ends(played))), all(took))

    def look(self, decisions: Sequence[int], of: GameObject, move: Move) -> tuple[np.ndarray, bool]:
        """Return the frames of a stack with an object moved in each, and whether the move took in all.

        Args:
            decisions: those whose frames the observation is made of; the first may stand several times.
            of: the object.
            move: the move.

        Returns:
            (n, H, W, 3) uint8, and whether it took.
        """
        looks = {decision: self.moved(decision, of, move) for decision in set(decisions)}
        return np.stack([looks[one].frame for one in decisions]), all(look.took for look in looks.values())

    def _controls(self, decision: int) -> list[_Played]:
        if decision not in self._played:
            self._played[decision] = [self._again(act) for act in self.drawings[decision].acts]
        return self._played[decision]

    def _again(self, act: Act) -> _Played:
        """Play a raw frame as it was: by the action that gives its memory, which sticky actions may have repeated."""
        played = [self._play(act, act.action)]
        others = (action for action in self._actions if action != act.action)
        while not np.array_equal(played[-1].ram, act.ram) and (action := next(others, None)) is not None:
            played.append(self._play(act, action))
        return played[-1] if np.array_equal(played[-1].ram, act.ram) else played[0]

    def _elsewhere(self, control: _Played, of: GameObject, move: Move) -> tuple[_Played, bool]:
        """Play a raw frame with one object elsewhere, and return it and whether the move took.

        What the game does about the move within the same frame, such as a paddle that follows the ball, is found by
        playing it, and written beforehand the other way round.
        """
        wanted = move.applied(control.ram).astype(np.int64)
        written = np.zeros(len(wanted), np.int64)
        for byte, change in move.changes:
            written[byte] = of.gain * change
        for _ in range(_TRIALS):
            played = self._play(control.act, control.action, written)
            if took := _took(control, played, of, move):
                break
            off = (wanted - played.ram + 128) % 256 - 128
            written += self._gains * off
        return played, took

    def _play(self, act: Act, action: ale_py.Action, changes: np.ndarray | None = None) -> _Played:
        """Play a raw frame, after changes (128,) of the console's memory."""
        self._ale.restoreState(act.state)
        if changes is not None:
            ram = self._ale.getRAM()
            for byte in np.flatnonzero(changes):
                self._ale.setRAM(int(byte), int(ram[byte] + changes[byte]) % 256)
        self._ale.act(action)
        return _Played(act, action, self._ale.getScreenRGB(), self._ale.getRAM())


class _Played(NamedTuple):
    """A raw frame that the twin played: the act, the action, its screen (H, W, 3) uint8, its memory (128,) uint8."""

    act: Act
    action: ale_py.Action
    screen: np.ndarray
    ram: np.ndarray


def _ends(played: Sequence[_Played]) -> tuple[_Played, _Played]:
    return played[0], played[-1]


def _took(before: _Played, after: _Played, of: GameObject, move: Move) -> bool:
    """Return whether pixels changed where the object was and where it is now, and nowhere else."""
    was, now = of.box(before.ram), of.moved(before.ram, move)
    if was is None or now is None:
        return False
    changed = (before.screen != after.screen).any(axis=2)
    height, width = changed.shape
    boxes = [box.grown(of.slack).within(Box(0, 0, height, width)) for box in (was, now)]
    here = all(box is not None and changed[box.pixels].any() for box in boxes)
    for box in boxes:
        if box is not None:
            changed[box.pixels] = False
    return here and not changed.any()


def _emulator_like(game: ale_py.AtariEnv) -> ale_py.ALEInterface:
    """Return another emulator with the same game, mode and difficulty, without sticky actions."""
    ale = ale_py.ALEInterface()
    ale.setLoggerMode(ale_py.LoggerMode.Error)
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(cast("Path", roms.get_rom_path(game._game)))
    if game._game_mode is not None:
        ale.setMode(game._game_mode)
    if game._game_difficulty is not None:
        ale.setDifficulty(game._game_difficulty)
    ale.reset_game()
    return ale


def _drawings(
    world: World,
    watched: _Watched,
    seed: int,
    actions: np.ndarray,
    rams: np.ndarray,
    decisions: Collection[int],
) -> Iterator[tuple[int, Drawing]]:
    """Replay an episode as far as needed, and yield how the frames of some decisions were drawn."""
    for decision in range(max(decisions, default=-1) + 1):
        watched.acts = [] if decision in decisions else None
        step = world.step(int(actions[decision - 1])) if decision else world.reset(seed)
        if not np.array_equal(step.ram, rams[decision]):
            raise SearchlightError(
                f"decision {decision}: the replayed game is not the recorded one; another version of ale-py, or an "
                "environment that was edited, plays another game"
            )
        if watched.acts and (acts := _acts_of(step, watched.acts, world.frame_skip)):
            yield decision, Drawing(acts, step.frame)


def _acts_of(step: Step, acts: Sequence[Act], frame_skip: int) -> tuple[Act, ...]:
    """Return the acts that drew the frame of a step; other acts may follow, as after a lost life."""
    ends = [index for index, act in enumerate(acts) if np.array_equal(act.ram, step.ram)]
    if not ends:
        return ()
    last = ends[-1]
    if frame_skip == 1 or last == 0 or not np.array_equal(acts[last - 1].ram, step.ram_before):
        return (acts[last],)
    return acts[last - 1], acts[last]
