"""Games: what lies where on their screens, by the console's memory. A registry (``searchlight.registry``).

The file's name is that of the game. A member has ``OBJECTS``, a tuple of ``GameObject``. Its docstring says in how
many raw frames the objects' boxes are exactly those of their pixels, and how many moves within the field take
(``searchlight.measures._twin``). The former is of 3,000 raw frames of actions by chance, the latter of 63 frames, on
ale-py 0.12; tests check both on fewer.

A byte that is read after a raw frame belongs to that frame. Which bytes matter is known from AtariARI (Anand et al.,
2019, Unsupervised State Representation Learning in Atari); where they lie on the screen is measured here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from searchlight import registry
from searchlight.errors import SearchlightError
from searchlight.lazy import numpy as np

FOLDER = "measures/games"


class Box(NamedTuple):
    """A box of the screen in pixels."""

    top: int
    left: int
    height: int
    width: int

    def grown(self, margin: int) -> Box:
        """Return the box with a margin."""
        return Box(self.top - margin, self.left - margin, self.height + 2 * margin, self.width + 2 * margin)

    @property
    def pixels(self) -> tuple[slice, slice]:
        """The rows and columns of the box; it must lie on the screen."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    def within(self, field: Box) -> Box | None:
        """Return the part of the box in a field, or None if there is none."""
        top, left = max(self.top, field.top), max(self.left, field.left)
        height = min(self.top + self.height, field.top + field.height) - top
        width = min(self.left + self.width, field.left + field.width) - left
        return Box(top, left, height, width) if height > 0 and width > 0 else None


class Move(NamedTuple):
    """How an object can be moved.

    Attributes:
        down: pixels.
        right: pixels.
        changes: bytes of the console's memory, and what is added to each, modulo 256.
    """

    down: int
    right: int
    changes: tuple[tuple[int, int], ...]

    def applied(self, ram: np.ndarray) -> np.ndarray:
        """Return the console's memory (128,) uint8 after the move."""
        ram = ram.copy()
        for byte, change in self.changes:
            ram[byte] = (int(ram[byte]) + change) % 256
        return ram


@dataclass(frozen=True)
class GameObject:
    """An object of a game.

    Attributes:
        name: in a few words.
        place: returns its box from the 128 bytes of the console's memory, or None if it is not there.
        field: the part of the screen where it is seen.
        moves: how it can be moved.
        gain: how many times a change must be written for the game to keep it once.
        slack: pixels by which it may be drawn beside its box.
        lead: raw frames from a change of the bytes to the frame that shows it: 0 if it is the next one, 1 if the one
            after that.
        blinks: whether it is drawn in some of the raw frames alone.
    """

    name: str
    place: Callable[[Sequence[int]], Box | None]
    field: Box
    moves: tuple[Move, ...] = ()
    gain: int = 1
    slack: int = 0
    lead: int = 0
    blinks: bool = False

    def box(self, ram: np.ndarray) -> Box | None:
        """Return the box in which the object is seen, from ``ram`` (128,) uint8, or None if it is not seen."""
        box = self.place(ram.tolist())
        return None if box is None else box.within(self.field)

    def moved(self, ram: np.ndarray, move: Move) -> Box | None:
        """Return the object's box after a move, or None if it is not there or does not lie within its field then."""
        if self.box(ram) is None:
            return None
        box = self.place(move.applied(ram).tolist())
        return box if box is not None and box.within(self.field) == box else None


def objects_of(game: str) -> tuple[GameObject, ...]:
    """Return the objects of a game; case and underscores of its name do not count.

    Raises:
        SearchlightError: no file describes the game.
    """
    try:
        objects: tuple[GameObject, ...] = registry.load(FOLDER, game).OBJECTS
    except SearchlightError as error:
        raise SearchlightError(f"no objects are known of this game: {error}") from error
    return objects


def moves(
    right: Sequence[int] = (),
    down: Sequence[int] = (),
    both: Sequence[int] = (),
    *,
    x: int | Sequence[int] = (),
    y: int | Sequence[int] = (),
    rows_per_count: int = 1,
) -> tuple[Move, ...]:
    """Return moves of an object with one byte for its column and one for its row, in pixels.

    Args:
        right: moves across.
        down: moves down; negative ones go up.
        both: moves down and right by the same.
        x: the byte of its column, or several that hold it.
        y: the byte of its row, or several that hold it.
        rows_per_count: rows that a change of ``y`` by one is; negative where the byte counts from below.
    """
    columns, rows = ([one] if isinstance(one, int) else list(one) for one in (x, y))
    steps = [*((0, step) for step in right), *((step, 0) for step in down), *((step, step) for step in both)]
    return tuple(
        Move(
            dy,
            dx,
            (
                *((byte, dx) for byte in columns if dx),
                *((byte, dy // rows_per_count) for byte in rows if dy),
            ),
        )
        for dy, dx in steps
    )
