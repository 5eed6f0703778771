"""Sizes of screen and observation, stated independently of the package, and observations with changed parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from searchlight.agents import preprocessings
from searchlight.agents.networks.greydanus import Architecture
from searchlight.agents.preprocessing import Changed, Preprocessing

SCREEN = (210, 160)
# Heights of all games' screens.
HEIGHTS = (210, 214, 220, 230, 250)
# By `cv2` and `imresize`.
OBSERVATION = (80, 80)
TOP, BOTTOM = 35, 195


def preprocessing(spec: str | dict[str, Any], height: int = SCREEN[0]) -> Preprocessing:
    """Return a preprocessing for screens of a height and the usual width."""
    return preprocessings.build(spec, (height, SCREEN[1]))


def written(changed: Changed) -> dict[int, np.ndarray]:
    """Return whole observations with changed parts, by index of the part."""
    observations = {}
    for member, (row, column), values in zip(changed.members.tolist(), changed.corners, changed.values, strict=True):
        height, width, channels = values.shape
        observations[member] = changed.observation.copy()
        observations[member][row : row + height, column : column + width, -channels:] = values
    return observations


def architecture(
    cell: str, channels: tuple[int, ...], kernel: int, hidden: int, actions: int, side: int = OBSERVATION[0]
) -> Architecture:
    """Return the sizes of a network for square observations."""
    for _ in channels[1:]:
        side = (side + 2 - kernel) // 2 + 1
    return Architecture(cell, channels, kernel, channels[-1] * side * side, hidden, actions)
