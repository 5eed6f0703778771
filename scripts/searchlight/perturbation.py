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
class Layout:
    """Where some masks can change the observation: boxes of one size.

    Attributes:
        masks: (n,) indices of the masks.
        tops: (n,) row of each box's first pixel.
        lefts: (n,) column of it.
        height, width: of the boxes.
    """

    masks: np.ndarray
    tops: np.ndarray
    lefts: np.ndarray
    height: int
    width: int


@dataclass(frozen=True)
class Patches:
    """What the masks of one layout change in one observation; masks that change nothing are left out.

    Attributes:
        layout: index of the layout in ``Perturbation.layouts``.
        rows: (n,) positions of the masks in the layout.
        values: (n, height, width) float32, the observation in their boxes.
    """

    layout: int
    rows: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class _Group:
    """Masks whose boxes in the image have one size.

    Attributes:
        indices: (n,) of the masks.
        boxes: (n, 4) top, bottom, left and right of what they change in the image.
        rows, columns: (n, height, 1) and (n, 1, width), the pixels of their boxes.
        values: (n, height, width) float32, the masks there; None where they are read when they are used.
        layout: what they change in the observation.
    """

    indices: np.ndarray
    boxes: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray | None
    layout: Layout


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
        self._groups = list(self._make_groups())
        self.layouts = [group.layout for group in self._groups]

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
        for index, group in enumerate(self._groups):
            values = group.values if group.values is not None else self.masks.patches(group.indices, group.boxes)
            before = image[group.rows, group.columns]
            behind = fill[group.rows, group.columns] if fill.ndim == image.ndim else fill
            after = blend(before, behind, values, self.masks.binary)
            if not self._on_screen:
                yield from _changed(index, before, after)
            elif self._preprocessing.prepare_cells is not None:
                seen = observation[(group.rows[:, ::CELL] - TOP) // CELL, group.columns[:, :, ::CELL] // CELL]
                yield from _changed(index, seen, self._preprocessing.prepare_cells(after))
            else:
                for changed in _changed(index, before, after):
                    yield from self._whole_screens(screen, observation, group, changed)

    def _whole_screens(
        self, screen: np.ndarray, observation: np.ndarray, group: _Group, patches: Patches
    ) -> Iterator[Patches]:
        for start in range(0, len(patches.rows), MAX_SCREENS):
            rows = patches.rows[start : start + MAX_SCREENS]
            screens = np.repeat(screen[None], len(rows), axis=0)
            each = np.arange(len(rows))[:, None, None]
            screens[each, group.rows[rows], group.columns[rows]] = patches.values[start : start + MAX_SCREENS]
            seen = np.broadcast_to(observation, (len(rows), *OBSERVATION))
            for found in _changed(patches.layout, seen, self._preprocessing.prepare(screens)):
                yield Patches(found.layout, rows[found.rows], found.values)

    def _make_groups(self) -> Iterator[_Group]:
        boxes = self._boxes()
        heights, widths = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
        for height, width in sorted(set(zip(heights.tolist(), widths.tolist(), strict=True))):
            if height <= 0 or width <= 0:
                continue
            members = np.flatnonzero((heights == height) & (widths == width))
            step = max(1, MAX_PIXELS // (height * width))
            for start in range(0, len(members), step):
                indices = members[start : start + step]
                values = self.masks.patches(indices, boxes[indices]) if self.masks.in_memory else None
                rows = boxes[indices, 0, None, None] + np.arange(height)[:, None]
                columns = boxes[indices, 2, None, None] + np.arange(width)
                yield _Group(indices, boxes[indices], rows, columns, values, self._layout(indices, boxes[indices]))

    def _layout(self, indices: np.ndarray, boxes: np.ndarray) -> Layout:
        """Return where masks of these boxes in the image can change the observation."""
        tops, lefts = boxes[:, 0], boxes[:, 2]
        height, width = int(boxes[0, 1] - tops[0]), int(boxes[0, 3] - lefts[0])
        if not self._on_screen:
            return Layout(indices, tops, lefts, height, width)
        if self._preprocessing.prepare_cells is not None:
            return Layout(indices, (tops - TOP) // CELL, lefts // CELL, height // CELL, width // CELL)
        corner = np.zeros(len(indices), np.int64)
        return Layout(indices, corner, corner, *OBSERVATION)


def masks_of(spec: dict[str, Any]) -> Masks:
    """Return the masks of a perturbation of the config."""
    shape = (*SCREEN, 3) if spec["space"] == "screen" else OBSERVATION
    return make_masks(spec["perturber"], np.zeros(shape, np.uint8))


def blend(image: np.ndarray, fill: np.ndarray, masks: np.ndarray, binary: bool) -> np.ndarray:
    """Hide parts of images, in xaitk's arithmetic: ``mask * image + (1 - mask) * fill``, uint8 by truncation.

    Args:
        image: (n, height, width) or (n, height, width, channel).
        fill: of the same dtype, and of the same shape or one that broadcasts to it.
        masks: (n, height, width) float32.
        binary: whether the masks are all 0 or 1.

    Returns:
        The blended images, of the images' dtype.
    """
    if image.ndim == 4:
        masks = masks[..., None]
    if binary:
        return np.where(masks > 0, image, fill)
    blended = masks * image
    if np.any(fill):
        blended += (1 - masks) * fill
    return blended.astype(image.dtype, copy=False)


def _fill_image(image: np.ndarray, fill: Any) -> np.ndarray:
    """Return what hides pixels: an image of the image's shape, or one level or colour."""
    if not isinstance(fill, dict):
        return np.asarray(fill, dtype=image.dtype)
    sigma = (fill["blur"], fill["blur"], 0)[: image.ndim]
    blurred = gaussian_filter(image.astype(np.float32), sigma)
    return np.rint(blurred).astype(np.uint8) if image.dtype == np.uint8 else blurred


def _changed(layout: int, before: np.ndarray, after: np.ndarray) -> Iterator[Patches]:
    kept = np.flatnonzero((before != after).reshape(len(before), -1).any(axis=1))
    if len(kept):
        yield Patches(layout, kept, after[kept])
