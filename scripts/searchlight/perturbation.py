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

from searchlight.masks import Masks, make_masks
from searchlight.preprocessing import BOTTOM, CELL, OBSERVATION, PREPROCESSINGS, SCREEN, TOP

# Pixels that are blended at a time: bounds a job's memory whatever the number and the size of the masks.
MAX_PIXELS = 2**17
# Boxes of masks are enlarged by up to this factor, in each direction, to be of a common size.
MERGED = 1.25
# Whole screens that are prepared at a time.
MAX_SCREENS = 32


@dataclass(frozen=True)
class Patches:
    """What some masks change in one observation; masks that change nothing are left out.

    Attributes:
        masks: (n,) their indices.
        boxes: (n, 4) top, bottom, left and right of the pixels that change.
        corners: (n, 2) row and column of each patch's first pixel.
        values: (n, height, width) float32, the observation from there on; as large as the largest box.
    """

    masks: np.ndarray
    boxes: np.ndarray
    corners: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class _Group:
    """Masks whose boxes in the image have one size.

    Attributes:
        indices: (n,) of the masks.
        boxes: (n, 4) top, bottom, left and right of what they change in the image.
        corners: (n, 2) of their boxes; of one mask for all, where all boxes are the same.
        values: (n, height, width) float32, the masks there; None where they are read when they are used.
    """

    indices: np.ndarray
    boxes: np.ndarray
    corners: np.ndarray
    values: np.ndarray | None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of each box."""
        top, bottom, left, right = self.boxes[0].tolist()
        return bottom - top, right - left


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
            before = crops(image, group.corners, group.size)
            behind = crops(fill, group.corners, group.size) if fill.ndim == image.ndim else fill
            after = blend(before, behind, values, self.masks.binary)
            corners = group.boxes[:, ::2]
            if not self._on_screen:
                yield from _changed(group.indices, corners, before, after)
            elif self._preprocessing.prepare_cells is not None:
                cells = self._preprocessing.prepare_cells(after)
                seen = crops(observation, (group.corners - [TOP, 0]) // CELL, cells.shape[1:])
                yield from _changed(group.indices, (corners - [TOP, 0]) // CELL, seen, cells)
            else:
                for changed in _changed(group.indices, corners, before, after):
                    yield from self._whole_screens(screen, observation, changed)

    def _whole_screens(self, screen: np.ndarray, observation: np.ndarray, patches: Patches) -> Iterator[Patches]:
        height, width = patches.values.shape[1:3]
        for start in range(0, len(patches.masks), MAX_SCREENS):
            part = slice(start, start + MAX_SCREENS)
            screens = np.repeat(screen[None], len(patches.masks[part]), axis=0)
            for whole, (top, left), values in zip(screens, patches.corners[part], patches.values[part], strict=True):
                whole[top : top + height, left : left + width] = values
            corners = np.zeros((len(screens), 2), np.int64)
            yield from _changed(patches.masks[part], corners, observation[None], self._preprocessing.prepare(screens))

    def _make_groups(self) -> Iterator[_Group]:
        boxes = self._boxes()
        limits = (BOTTOM, SCREEN[1]) if self._on_screen else OBSERVATION
        for axis, limit in enumerate(limits):
            sizes = _merged(boxes[:, 2 * axis + 1] - boxes[:, 2 * axis])
            boxes[:, 2 * axis] = np.minimum(boxes[:, 2 * axis], limit - sizes)
            boxes[:, 2 * axis + 1] = boxes[:, 2 * axis] + sizes
        heights, widths = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
        for height, width in sorted(set(zip(heights.tolist(), widths.tolist(), strict=True))):
            if height <= 0 or width <= 0:
                continue
            members = np.flatnonzero((heights == height) & (widths == width))
            step = max(1, MAX_PIXELS // (height * width))
            for start in range(0, len(members), step):
                indices = members[start : start + step]
                values = self.masks.patches(indices, boxes[indices]) if self.masks.in_memory else None
                corners = boxes[indices, ::2]
                alike = (corners == corners[0]).all()
                yield _Group(indices, boxes[indices], corners[:1] if alike else corners, values)


def _merged(sizes: np.ndarray) -> np.ndarray:
    """Return sizes of boxes, those a little below others raised to them: fewer groups, which have a cost each."""
    found = np.unique(sizes)
    raised = found.copy()
    for index in range(len(found) - 2, -1, -1):
        if found[index] > 0 and raised[index + 1] <= MERGED * found[index]:
            raised[index] = raised[index + 1]
    return raised[np.searchsorted(found, sizes)]


def masks_of(spec: dict[str, Any]) -> Masks:
    """Return the masks of a perturbation of the config."""
    shape = (*SCREEN, 3) if spec["space"] == "screen" else OBSERVATION
    return make_masks(spec["perturber"], np.zeros(shape, np.uint8))


def crops(image: np.ndarray, corners: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return parts of an image, copied.

    Args:
        image: (height, width) or (height, width, channel).
        corners: (n, 2) row and column of each part's first pixel.
        size: height and width of all parts.

    Returns:
        (n, *size) or (n, *size, channel).
    """
    channels = image.shape[2:]
    # A pixel's channels are taken as so many columns, for rows to be copied in one piece.
    flat = np.ascontiguousarray(image).reshape(len(image), -1)
    across = flat.shape[1] // image.shape[1]
    height, width = size[0], size[1] * across
    # All windows as a view: sliding_window_view does the same, but takes longer than the rest.
    shape = (flat.shape[0] - height + 1, flat.shape[1] - width + 1, height, width)
    found = np.ndarray(shape, flat.dtype, flat, strides=flat.strides * 2)
    return found[corners[:, 0], corners[:, 1] * across].reshape(len(corners), *size, *channels)


def blend(image: np.ndarray, fill: np.ndarray, masks: np.ndarray, binary: bool) -> np.ndarray:
    """Hide parts of images, as xaitk does: ``mask * image + (1 - mask) * fill``; uint8 by truncation.

    Of real numbers it is ``image + (1 - mask) * (fill - image)``: where the fill is the image, nothing changes, which
    the other form would not give to the last bit.

    Args:
        image: (n, height, width) or (n, height, width, channel); n may be 1, for all masks.
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
    if image.dtype != np.uint8:
        blended = 1 - masks
        blended *= fill - image
        blended += image
        return blended
    blended = masks * image
    if np.any(fill):
        blended += (1 - masks) * fill
    return blended.astype(image.dtype)


def _fill_image(image: np.ndarray, fill: Any) -> np.ndarray:
    """Return what hides pixels: an image of the image's shape, or one level or colour."""
    if not isinstance(fill, dict):
        return np.asarray(fill, dtype=image.dtype)
    from scipy.ndimage import gaussian_filter  # a fifth of a second, which most perturbations do not need

    sigma = (fill["blur"], fill["blur"], 0)[: image.ndim]
    blurred = gaussian_filter(image.astype(np.float32), sigma)
    return np.rint(blurred).astype(np.uint8) if image.dtype == np.uint8 else blurred


def _changed(masks: np.ndarray, corners: np.ndarray, before: np.ndarray, after: np.ndarray) -> Iterator[Patches]:
    """Yield, of patches (n, height, width, …) at ``corners``, those that change, cut to the largest change."""
    differs = before != after
    if differs.ndim == 4:
        differs = differs.any(axis=3)
    rows, columns = differs.any(axis=2), differs.any(axis=1)
    kept = np.flatnonzero(rows.any(axis=1))
    if len(kept) < len(masks):
        masks, corners, after, rows, columns = masks[kept], corners[kept], after[kept], rows[kept], columns[kept]
    if not len(kept):
        return
    (height, width), (top, left) = differs.shape[1:], corners.T
    boxes = np.stack(
        [
            top + rows.argmax(axis=1),
            top + height - rows[:, ::-1].argmax(axis=1),
            left + columns.argmax(axis=1),
            left + width - columns[:, ::-1].argmax(axis=1),
        ],
        axis=1,
    )
    size = (boxes[:, 1::2] - boxes[:, ::2]).max(axis=0)
    if tuple(size) != (height, width):
        starts = np.minimum(boxes[:, ::2], corners + (np.array([height, width]) - size))
        # All patches below each other are one image to cut from.
        below = np.arange(len(masks))[:, None] * (height, 0)
        after = crops(after.reshape(-1, *after.shape[2:]), starts - corners + below, tuple(size.tolist()))
        corners = starts
    yield Patches(masks, boxes, corners, after)
