"""A twin of the game: an emulator that is set to a frame, where one object is moved, and that draws the frame again.

The twin has no sticky actions, because an ``ALEState`` does not hold the action that they would repeat. It takes the
state before a raw frame of a replayed episode and plays that frame:

- as it was (the control): what the agent saw, bit for bit, where states can be restored at all;
- after the memory of the console was changed: the same frame with one object elsewhere.

The emulator draws only when it plays, so a change is seen in the frame that follows it. Each raw frame of a maximum,
and each picture of a stack, is played from its own state, so no object moves on from where it was put.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import ale_py
import numpy as np
from ale_py import roms

from searchlight.agents import wrappers as worlds
from searchlight.agents.environment import game_of, make_environment
from searchlight.errors import SearchlightError
from searchlight.measures._replay import Act, Watched, drawings
from searchlight.measures.games import Box, GameObject, Move

# Plays of a raw frame until the game's own reaction to a move is undone.
_TRIALS = 4


class Look(NamedTuple):
    """What the agent sees of a decision in the twin.

    Attributes:
        frame: (H, W, 3) uint8.
        took: whether the move took: in every raw frame, pixels change where the object was and where it is then, and
            nowhere else. Raw frames in which an object that blinks is not drawn do not count.
    """

    frame: np.ndarray
    took: bool


class _Played(NamedTuple):
    """A raw frame as it was.

    Attributes:
        act: of the game.
        action: that it was truly played by.
        screen: (H, W, 3) uint8.
        ram: (128,) uint8, the console's memory after it.
    """

    act: Act
    action: ale_py.Action
    screen: np.ndarray
    ram: np.ndarray


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
            objects: all objects of the game; those that are not moved are held where they are.

        Raises:
            SearchlightError: the replay is not the episode.
        """
        environment = make_environment(env)
        try:
            game = game_of(environment)
            self._actions = list(game._action_set)
            self._ale = _emulator_like(game)
            watched = Watched(game.ale)
            game.ale = watched
            self._world = worlds.build(wrappers, environment, env)
            self.drawings = dict(drawings(self._world, watched, seed, actions, rams, frozenset(decisions)))
        finally:
            environment.close()
        self._controls: dict[int, list[tuple[_Played | None, _Played]]] = {}
        self._gains = np.zeros(128, np.int64)
        for one in objects:
            for move in one.moves:
                self._gains[[byte for byte, _ in move.changes]] = one.gain

    def control(self, decision: int) -> np.ndarray:
        """Return the frame of a decision, (H, W, 3) uint8, as the twin draws it."""
        return self._merged([now.screen for _, now in self._raw_frames(decision)])

    def repeats(self, decision: int) -> bool:
        """Return whether the control is the same, bit for bit, when it is played once more."""
        return all(np.array_equal(now.screen, self._again(now.act).screen) for _, now in self._raw_frames(decision))

    def forget(self, before: int) -> None:
        """Drop the controls of all decisions before one, to free memory; they are drawn again when needed."""
        self._controls = {decision: held for decision, held in self._controls.items() if decision >= before}

    def moved(self, decision: int, of: GameObject, move: Move) -> Look:
        """Return the frame of a decision with an object elsewhere."""
        played = [self._elsewhere(*one, of, move) for one in self._raw_frames(decision)]
        took = [one for _, one in played if one is not None] if of.blinks else [one for _, one in played]
        return Look(self._merged([screen for screen, _ in played]), bool(took) and all(took))

    def stack(self, decisions: Sequence[int], of: GameObject, move: Move) -> np.ndarray | None:
        """Return the frames of a stack with an object moved in each, or None if the move does not take in all.

        Args:
            decisions: those whose frames the observation is made of; the first may stand several times.
            of: the object.
            move: the move.

        Returns:
            (n, H, W, 3) uint8, or None.
        """
        frames: dict[int, np.ndarray] = {}
        for decision in sorted(set(decisions)):
            look = self.moved(decision, of, move)
            if not look.took:
                return None
            frames[decision] = look.frame
        return np.stack([frames[one] for one in decisions])

    def _merged(self, screens: Sequence[np.ndarray]) -> np.ndarray:
        return self._world.merged(screens[0], screens[-1])

    def _raw_frames(self, decision: int) -> list[tuple[_Played | None, _Played]]:
        """Return the raw frames of a decision as they were, each with the one before it."""
        if decision not in self._controls:
            self._controls[decision] = [
                (None if before is None else self._again(before), self._again(act))
                for before, act in self.drawings[decision].acts
            ]
        return self._controls[decision]

    def _again(self, act: Act) -> _Played:
        """Play a raw frame as it was: by the action that gives its memory, which sticky actions may have repeated."""
        for action in (act.action, *(other for other in self._actions if other != act.action)):
            screen, ram = self._play(act.state, [action])
            if np.array_equal(ram, act.ram):
                return _Played(act, action, screen, ram)
        raise SearchlightError("found a frame that no action draws again, allowed: games that restore their own state")

    def _elsewhere(
        self, before: _Played | None, now: _Played, of: GameObject, move: Move
    ) -> tuple[np.ndarray, bool | None]:
        """Play a raw frame with one object elsewhere, and return it and whether the move took; None: nothing changed.

        What the game does about the move within the same frame, such as a paddle that follows the ball, is found by
        playing it, and written beforehand the other way round.
        """
        first = before if of.lead else now
        if first is None:
            return now.screen, False
        actions = [first.action, now.action] if of.lead else [now.action]
        wanted = move.applied(first.ram).astype(np.int64)
        written = np.zeros(len(wanted), np.int64)
        for byte, change in move.changes:
            written[byte] = of.gain * change
        for _ in range(_TRIALS):
            screen, ram = self._play(first.act.state, actions, written)
            reaction = self._gains * ((ram - wanted + 128) % 256 - 128)
            if (took := _took(now.screen, screen, of, first.ram, move)) or not reaction.any():
                break
            written -= reaction
        return screen, took

    def _play(
        self, state: ale_py.ALEState, actions: Sequence[ale_py.Action], changes: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Play raw frames from a state, after changes (128,) of the console's memory.

        Returns:
            The last screen (H, W, 3) uint8, and the console's memory (128,) uint8 after the first frame.
        """
        self._ale.restoreState(state)
        if changes is not None:
            ram = self._ale.getRAM()
            for byte in np.flatnonzero(changes):
                self._ale.setRAM(int(byte), int(ram[byte] + changes[byte]) % 256)
        self._ale.act(actions[0])
        ram = self._ale.getRAM()
        for action in actions[1:]:
            self._ale.act(action)
        return self._ale.getScreenRGB(), ram


def _took(before: np.ndarray, after: np.ndarray, of: GameObject, ram: np.ndarray, move: Move) -> bool | None:
    """Return whether pixels changed where an object was and where it is now, and nowhere else; None if none did.

    Args:
        before: (H, W, 3) uint8, the control.
        after: (H, W, 3) uint8, the screen after the move.
        of: the object.
        ram: (128,) uint8, the console's memory of the control.
        move: the move.
    """
    changed = (before != after).any(axis=2)
    if not changed.any():
        return None
    was, now = of.box(ram), of.moved(ram, move)
    height, width = changed.shape
    boxes = [box and box.grown(of.slack).within(Box(0, 0, height, width)) for box in (was, now)]
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
