"""Skiing: the skier within three pixels in all frames, exact in 15 %, because its sprite changes with each turn.

Moves take in 99 %. Gates and trees are not described.
"""

from __future__ import annotations

from collections.abc import Sequence

from searchlight.measures.games import Box, GameObject, moves


def _player(ram: Sequence[int]) -> Box:
    return Box(41, ram[25] + 1, 18, 7)


OBJECTS = (GameObject("player", _player, Box(28, 8, 150, 152), moves(right=(-30, 30), x=25), slack=3),)
