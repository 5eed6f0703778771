"""Ms. Pac-Man."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from searchlight.measures.games import Box, GameObject, moves

_FIELD = Box(2, 0, 169, 160)


def _sprite(x: int, y: int) -> Callable[[Sequence[int]], Box | None]:
    def place(ram: Sequence[int]) -> Box | None:
        return Box(ram[y] + 1, ram[x] - 12, 10, 8)

    return place


# Two ghosts share a sprite, so each is drawn in some of the frames alone.
OBJECTS = tuple(
    GameObject(
        name,
        _sprite(x, y),
        _FIELD,
        moves(right=(-30, 30), down=(-30, 30), x=x, y=y),
        slack=2,
        lead=1,
        blinks=name != "player",
    )
    for name, x, y in (
        ("player", 10, 16),
        ("sue", 6, 12),
        ("inky", 7, 13),
        ("pinky", 8, 14),
        ("blinky", 9, 15),
    )
)
