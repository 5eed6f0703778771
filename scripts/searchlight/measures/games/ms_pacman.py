"""Ms. Pac-Man: sprites exact in 65 to 79 % of the frames that show them (ghosts) and 17 % (player).

They are drawn before they move, so they may be two pixels off, and within that are exact in all. The player's mouth
opens and shuts, and its sprite is 6 to 8 columns wide. Two ghosts share a sprite, so each is drawn in 38 to 75 % of the
raw frames alone. Moves of the player take in 81 %, those of ghosts in 31 to 64 %.
"""

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
