"""Tennis: the player exact in 95 % of frames, the enemy in all, the ball in 93 % of those that show it.

The player is the one whom the agent moves, at either end of the court and of either colour. The ball is moved up and
down alone, because its shadow on the court moves along with it otherwise. Moves take in 74 % (player), 79 % (enemy)
and 53 % (ball, which blinks).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from searchlight.measures.games import Box, GameObject, moves

_COURT = Box(14, 8, 176, 144)


def _ball(ram: Sequence[int]) -> Box | None:
    if ram[75] < 128:
        return None
    return Box((190 if ram[54] < 80 else 189) - ram[54], ram[16] - 2, 2, 2)


def _player(height: int, x: int, y: int, faces: int) -> Callable[[Sequence[int]], Box | None]:
    def place(ram: Sequence[int]) -> Box | None:
        return Box(height - ram[y], ram[x] + (2 if ram[faces] else -2), 23, 12)

    return place


_MOVES = {"right": (-30, 30), "down": (-20, 20)}
OBJECTS = (
    GameObject("ball", _ball, _COURT, moves(down=(-20, 20), y=(17, 54), rows_per_count=-1), slack=1, blinks=True),
    GameObject("player", _player(166, 26, 24, 56), _COURT, moves(**_MOVES, x=26, y=24, rows_per_count=-1)),
    GameObject("enemy", _player(167, 27, 25, 57), _COURT, moves(**_MOVES, x=27, y=25, rows_per_count=-1)),
)
