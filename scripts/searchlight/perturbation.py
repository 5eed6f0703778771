"""What the agent would have seen under each mask, as patches of its observation.

A mask changes a box of the image (the screen, or the observation). Only that box is blended with the fill and
prepared again; a mask under which the observation stays as it is takes no further part. Where preparing needs the
whole screen (``imresize``), whole screens are made, a few at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from searchlight.masks import Masks, make_masks
from searchlight.preprocessing import BOTTOM, CELL, OBSERVATION, PREPROCESSINGS, SCREEN, TOP

# Pixels that are blended at a time: bounds a job's memory whatever the number and the size of the masks.
MAX_PIXELS = 2**20
# Whole screens that are prepared at a time.
MAX_SCREENS = 32


@dataclass(frozen=True)
class Patches:
    """Changed parts of one observation, all of one size.

    Attributes:
        masks: (n,) indices of the masks that made them.
        tops: (n,) row of each patch's first pixel.
        lefts: (n,) column of it.
        values: (n, height, width) float32, the observation there.
    """

    masks: np.ndarray
    tops: np.ndarray
    lefts: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class _Group:
    """Masks whose boxes have one size: ``indices`` (n,), ``boxes`` (n, 4), and their values if they fit in memory."""

    indices: np.ndarray
    boxes: np.ndarray
    values: np.ndarray | None


class Perturbation:
    """A perturbation of the config, ready for any number of frames: its masks are made once."""

    def __init__(self, spec: dict[str, Any], preprocessing: str) -> None:
        """Make the masks.

        Args:
            spec: ``space``, ``perturber`` and ``fill`` of the config, in plain types.
            preprocessing: the agent's.
        """
        self._preprocessing = PREPROCESSINGS[preprocessing]
        self._fill = spec["fill"]
        self._on_screen = spec["space"] == "screen"
        self.masks = masks_of(spec)
        self._groups = list(_groups(self.masks, self._boxes()))

    def _boxes(self) -> np.ndarray:
        """Return the part of each mask's box that the observation can depend on, on the grid of its cells."""
        boxes = self.masks.boxes.copy()
        if self._on_screen:
            boxes[:, :2] = boxes[:, :2].clip(TOP, BOTTOM)
            if self._preprocessing.prepare_cells is not None:
                boxes[:, :2] -= TOP
                boxes[:, ::2] = boxes[:, ::2] // CELL * CELL
                boxes[:, 1::2] = -(-boxes[:, 1::2] // CELL) * CELL
                boxes[:, :2] += TOP
        return boxes

    def prepare(self, screen: np.ndarray) -> np.ndarray:
        """Return the unperturbed observation (80, 80) float32 of a screen (210, 160, 3) uint8."""
        return self._preprocessing.prepare(screen[None])[0]

    def patches(self, screen: np.ndarray, observation: np.ndarray) -> Iterator[Patches]:
        """Yield what the masks change in the observation.

        Args:
            screen: (210, 160, 3) uint8.
            observation: (80, 80) float32, the screen prepared.

        Yields:
            Patches in an order that depends on the masks alone. A mask that is in none of them changes nothing.
        """
        image = screen if self._on_screen else observation
        fill = _fill_image(image, self._fill)
        for group in self._groups:
            values = group.values if group.values is not None else self.masks.patches(group.indices, group.boxes)
            height, width = values.shape[1:]
            rows = group.boxes[:, 0, None, None] + np.arange(height)[:, None]
            columns = group.boxes[:, 2, None, None] + np.arange(width)
            before = image[rows, columns]
            after = blend(before, fill[rows, columns], values, self.masks.binary)
            if not self._on_screen:
                yield from _changed(group.indices, group.boxes[:, 0], group.boxes[:, 2], before, after)
            elif self._preprocessing.prepare_cells is not None:
                tops, lefts = (group.boxes[:, 0] - TOP) // CELL, group.boxes[:, 2] // CELL
                seen = observation[
                    tops[:, None, None] + np.arange(height // CELL)[:, None],
                    lefts[:, None, None] + np.arange(width // CELL),
                ]
                yield from _changed(group.indices, tops, lefts, seen, self._preprocessing.prepare_cells(after))
            else:
                for changed in _changed(group.indices, group.boxes[:, 0], group.boxes[:, 2], before, after):
                    yield from self._whole_screens(screen, observation, changed)

    def _whole_screens(self, screen: np.ndarray, observation: np.ndarray, patches: Patches) -> Iterator[Patches]:
        height, width = patches.values.shape[1:3]
        for start in range(0, len(patches.masks), MAX_SCREENS):
            chosen = slice(start, start + MAX_SCREENS)
            masks = patches.masks[chosen]
            screens = np.repeat(screen[None], len(masks), axis=0)
            places = zip(screens, patches.tops[chosen], patches.lefts[chosen], patches.values[chosen], strict=True)
            for whole, top, left, patch in places:
                whole[top : top + height, left : left + width] = patch
            corner = np.zeros(len(masks), np.int64)
            seen = np.broadcast_to(observation, (len(masks), *OBSERVATION))
            yield from _changed(masks, corner, corner, seen, self._preprocessing.prepare(screens))


def masks_of(spec: dict[str, Any]) -> Masks:
    """Return the masks of a perturbation of the config."""
    shape = (*SCREEN, 3) if spec["space"] == "screen" else OBSERVATION
    return make_masks(spec["perturber"], np.zeros(shape, np.uint8))


def blend(image: np.ndarray, fill: np.ndarray, masks: np.ndarray, binary: bool) -> np.ndarray:
    """Hide parts of images, in xaitk's arithmetic: ``mask * image + (1 - mask) * fill``, uint8 by truncation.

    Args:
        image: (n, height, width) or (n, height, width, channel).
        fill: of the same shape and dtype.
        masks: (n, height, width) float32.
        binary: whether the masks are all 0 or 1.

    Returns:
        The blended images, of the images' dtype.
    """
    if image.ndim == 4:
        masks = masks[..., None]
    if binary:
        return np.where(masks > 0, image, fill)
    return (masks * image + (1 - masks) * fill).astype(image.dtype)


def _fill_image(image: np.ndarray, fill: Any) -> np.ndarray:
    if not isinstance(fill, dict):
        return np.broadcast_to(np.asarray(fill, dtype=image.dtype), image.shape)
    sigma = (fill["blur"], fill["blur"], 0)[: image.ndim]
    blurred = gaussian_filter(image.astype(np.float32), sigma)
    return np.rint(blurred).astype(np.uint8) if image.dtype == np.uint8 else blurred


def _groups(masks: Masks, boxes: np.ndarray) -> Iterator[_Group]:
    heights, widths = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    for height, width in sorted(set(zip(heights.tolist(), widths.tolist(), strict=True))):
        if height <= 0 or width <= 0:
            continue
        members = np.flatnonzero((heights == height) & (widths == width))
        step = max(1, MAX_PIXELS // (height * width))
        for start in range(0, len(members), step):
            indices = members[start : start + step]
            values = masks.patches(indices, boxes[indices]) if masks.in_memory else None
            yield _Group(indices, boxes[indices], values)


def _changed(
    masks: np.ndarray, tops: np.ndarray, lefts: np.ndarray, before: np.ndarray, after: np.ndarray
) -> Iterator[Patches]:
    kept = np.flatnonzero((before != after).any(axis=tuple(range(1, after.ndim))))
    if len(kept):
        yield Patches(masks[kept], tops[kept], lefts[kept], after[kept])
