"""Seaquest: the submarine exact in 79 % of the frames that show it, within a pixel in 97 %.

It is black where it comes back to the surface, which counts as not shown. Moves take in 83 %. Fish, divers and
missiles are not described.
"""

from __future__ import annotations

from collections.abc import Sequence

from searchlight.measures.games import Box, GameObject, moves

_SURFACE = 13


def _player(ram: Sequence[int]) -> Box:
    return Box(ram[97] + 33, ram[70], 7 if ram[97] == _SURFACE else 11, 16)


OBJECTS = (
    GameObject(
        "player",
        _player,
        Box(45, 8, 110, 152),
        moves(right=(-30, 30), down=(-20, 20), x=70, y=97),
        slack=1,
        blinks=True,
    ),
)
