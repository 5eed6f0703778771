"""Patches: changes that masks make in an observation, grouped and written into whole or partial observations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from searchlight.crops import crops


@dataclass(frozen=True)
class Patches:
    """Changes that masks make in an observation; masks that change nothing are left out.

    Attributes:
        observation: (height, width, channel) float32, before the change: the unperturbed one, or another of the frame.
        masks: (n,) indices of the masks.
        boxes: (n, 4) top, bottom, left and right of the pixels that change.
        corners: (n, 2) row and column of each patch's first pixel.
        values: (n, height, width, c) float32, the newest ``c`` channels of the changed observation from that corner on;
            the largest box sets the size. The other channels do not change.
    """

    observation: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray
    corners: np.ndarray
    values: np.ndarray


def newest(observation: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the channels of an observation that a patch's values change, as a view."""
    return observation[:, :, observation.shape[2] - values.shape[-1] :]


class Gathered:
    """Masks that change the same observation.

    Attributes:
        observation: (height, width, channel) float32.
        masks: (n,) indices of the masks.
        boxes: (n, 4) top, bottom, left, right of the pixels that change.
        parts: the patches of these masks.
        part, place: (n,) index of each mask's part, and its position in that part.
    """

    def __init__(self, parts: list[Patches]) -> None:
        self.observation = parts[0].observation
        self.masks = np.concatenate([found.masks for found in parts])
        self.boxes = np.concatenate([found.boxes for found in parts])
        self.parts = parts
        self.part = np.repeat(np.arange(len(parts)), [len(found.masks) for found in parts])
        self.place = np.concatenate([np.arange(len(found.masks)) for found in parts])

    def whole(self, members: np.ndarray) -> np.ndarray:
        """Return the whole observations under some of the masks, (mask, height, width, channel) float32."""
        height, width, channels = self.observation.shape
        (part, *others), place = np.unique(self.part[members]).tolist(), self.place[members]
        if not others and self.parts[part].values.shape[1:] == self.observation.shape:
            # Neighbours need no copy.
            together = place[-1] - place[0] + 1 == len(place)
            return self.parts[part].values[slice(place[0], place[-1] + 1) if together else place]
        # Channels come first in memory, as networks take them.
        first = np.empty((len(members), channels, height, width), np.float32)
        seen = first.transpose(0, 2, 3, 1)
        seen[...] = self.observation
        for one, part, place in zip(seen, self.part[members], self.place[members], strict=True):
            patches = self.parts[part]
            (top, left), values = patches.corners[place], patches.values[place]
            newest(one, values)[top : top + values.shape[0], left : left + values.shape[1]] = values
        return seen


def seen_with(
    observation: np.ndarray, patches: Patches, place: np.ndarray, starts: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Return parts of the observation with patches written into them; pixels beyond its borders are zero.

    Args:
        observation: (height, width, c) float32, the channels that the patches change.
        patches: patches to write.
        place: (n,) index of the patch in each part.
        starts: (n, 2) row and column of each part's first pixel; it may lie outside of the observation.
        size: height and width of the parts.

    Returns:
        (n, *size, c) float32.
    """
    before = (-np.minimum(starts.min(axis=0), 0)).tolist()
    height, width, channels = observation.shape
    after = np.maximum((starts + size).max(axis=0) - (height, width), 0).tolist()
    padded = np.zeros((before[0] + height + after[0], before[1] + width + after[1], channels), np.float32)
    padded[before[0] : before[0] + height, before[1] : before[1] + width] = observation
    seen = crops(padded, starts + before, size)
    shifts = patches.corners[place] - starts
    height, width = patches.values.shape[1:3]
    # Shifts take few values: as many in each direction as the first layer's stride has pixels.
    for down, right in set(map(tuple, shifts.tolist())):
        alike = np.flatnonzero((shifts == (down, right)).all(axis=1))
        rows, columns = slice(max(0, down), max(0, down + height)), slice(max(0, right), max(0, right + width))
        shown = patches.values[place[alike], max(0, -down) :, max(0, -right) :]
        seen[alike, rows, columns] = shown[:, : size[0] - rows.start, : size[1] - columns.start]
    return seen


def gathered(patches: Iterable[Patches], count: int, values: int) -> Iterator[Gathered]:
    """Yield groups of about ``count`` masks, or about ``values`` values; a group changes the same observation."""
    waiting: dict[int, list[Patches]] = {}
    for found in patches:
        parts = waiting.setdefault(id(found.observation), [])
        parts.append(found)
        full = sum(len(part.masks) for part in parts) >= count
        if full or sum(part.values.size for part in parts) >= values:
            yield Gathered(waiting.pop(id(found.observation)))
    for parts in waiting.values():
        yield Gathered(parts)
