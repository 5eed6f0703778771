"""Pong: the paddles exact in all frames, the ball in 95 %, else a row off.

Moves of the ball take in 85 to 98 %, those of the paddles in 95 %; none takes while the game waits for a serve.
"""

from __future__ import annotations

from collections.abc import Sequence

from searchlight.measures.games import Box, GameObject, moves

_FIELD = Box(34, 0, 160, 160)


def _ball(ram: Sequence[int]) -> Box | None:
    if ram[54] == 0 or ram[49] <= 49:
        return None
    odd_and_right = ram[54] % 2 == 1 and ram[49] >= 176
    return Box(ram[54] - 14 - odd_and_right, ram[49] - 49, 4, 2)


def _player(ram: Sequence[int]) -> Box:
    return Box(ram[51] - 14 + ram[51] % 2, 140, 16, 4)


def _enemy(ram: Sequence[int]) -> Box | None:
    return Box(ram[50] - 15, 16, 16, 4) if ram[50] else None


# The paddles lie where bytes 60 and 21 say; bytes 51 and 50 are copies of where they were drawn.
OBJECTS = (
    GameObject("ball", _ball, _FIELD, moves(right=(-30, 30), down=(-30, 20), both=(-20, 20), x=49, y=54)),
    GameObject("player", _player, _FIELD, moves(down=(-30, 30), y=(60, 51))),
    GameObject("enemy", _enemy, _FIELD, moves(down=(-30, 30), y=(21, 50))),
)
