"""Sizes of screen and observation by ``cv2`` and ``imresize``, stated independently of the package."""

from __future__ import annotations

from searchlight.agents import preprocessings
from searchlight.agents.networks.greydanus import Architecture
from searchlight.agents.preprocessing import Preprocessing

SCREEN = (210, 160)
OBSERVATION = (80, 80)
TOP, BOTTOM = 35, 195


def preprocessing(name: str) -> Preprocessing:
    """Return a preprocessing for the usual screen."""
    return preprocessings.build(name, SCREEN)


def architecture(
    cell: str, channels: tuple[int, ...], kernel: int, hidden: int, actions: int, side: int = OBSERVATION[0]
) -> Architecture:
    """Return the sizes of a network for square observations."""
    for _ in channels[1:]:
        side = (side + 2 - kernel) // 2 + 1
    return Architecture(cell, channels, kernel, channels[-1] * side * side, hidden, actions)
