"""Boxing: the boxers exact in 44 % (player) and 67 % (enemy) of frames, those in which they keep their arms down.

An arm that is stretched out is 17 columns more, on either side. Moves take in 90 and 92 %.
"""

from __future__ import annotations

from collections.abc import Sequence

from searchlight.measures.games import Box, GameObject, moves

_RING = Box(36, 32, 142, 96)


def _player(ram: Sequence[int]) -> Box:
    return Box(ram[34] + 38, ram[32] + 5, 47, 14)


def _enemy(ram: Sequence[int]) -> Box:
    return Box(ram[35] + 37, ram[33] + 3, 47, 14)


OBJECTS = (
    GameObject("player", _player, _RING, moves(right=(-30, 30), down=(-20, 20), x=32, y=34), slack=17),
    GameObject("enemy", _enemy, _RING, moves(right=(-30, 30), down=(-20, 20), x=33, y=35), slack=17),
)
