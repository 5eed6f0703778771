"""Perturbed observations: the agent's observation under each mask, as patches.

A mask changes a box of the image (the screen, or the observation). Only that box is blended with the fill, and only
the part of the observation that depends on it is prepared again. A mask that leaves the observation unchanged is
skipped.

An observation may be a stack of pictures, each of its own screen. The same patch is hidden in all of them, each by its
own fill, or in the newest alone. Images of several pictures have the pictures on an axis of their own.

The preprocessing maps boxes and parts of the screen to the observation. It may return patches of a further
observation, such as the unperturbed screen scaled by another range.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np

from searchlight.agents.preprocessing import PreparedFrame, Preprocessing
from searchlight.crops import crops
from searchlight.saliency import fills
from searchlight.saliency.masks import masks_of
from searchlight.saliency.patches import Patches, newest

# Pixels blended at a time: they bound a job's memory for any number and size of masks.
MAX_PIXELS = 2**17
# Boxes are enlarged by up to this factor, in each direction, because fewer sizes give fewer groups.
MERGED = 1.25
# Patches are cut if at most this share of their pixels is left, because to cut them is to copy them.
CUT = 0.9


@dataclass(frozen=True)
class _Group:
    """Masks whose boxes in the image have one size.

    Attributes:
        indices: (n,) indices of the masks.
        boxes: (n, 4) top, bottom, left and right of the pixels that they change in the image.
        corners: (n, 2) row and column of the first observed pixel that depends on each box.
        values: (n, height, width) float32, the masks in their boxes; None if each use reads them from the file.
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
    """A perturbation of the config, ready for any number of frames, because its masks are made once.

    Attributes:
        preprocessing: the agent's preprocessing.
        masks: the perturber's masks.
    """

    def __init__(self, spec: dict[str, Any], preprocessing: Preprocessing) -> None:
        """Make the masks.

        Args:
            spec: ``space``, ``perturber``, ``fill`` and ``stack`` of the config, in plain types.
            preprocessing: the agent's preprocessing of the episode's screens.
        """
        self.preprocessing = preprocessing
        self._fill = fills.build(spec["fill"])
        self._on_screen = spec["space"] == "screen"
        self._newest_alone = spec["stack"] == "newest"
        self.masks = masks_of(spec, preprocessing)
        self._groups = list(self._make_groups())

    def patches(
        self, screens: np.ndarray, frame: PreparedFrame, backgrounds: np.ndarray | None = None
    ) -> Iterator[Patches]:
        """Yield the changes that the masks make in the observation.

        Args:
            screens: (picture, H, W, 3) uint8, the screens of the observation's pictures, oldest first.
            frame: the same screens, prepared.
            backgrounds: (picture, H, W, 3) uint8, the background of each; only for fills with a window.

        Yields:
            Patches, in an order that depends on the masks and this frame alone. A mask without a patch changes nothing.
        """
        if self._newest_alone:
            screens, backgrounds = screens[-1:], None if backgrounds is None else backgrounds[-1:]
        image, fill = self._images(screens, frame, backgrounds)
        touched = _touched(_differs(image, np.broadcast_to(fill, image.shape), 2), self.masks.boxes)
        for group in self._groups:
            kept: Any = touched[group.indices]
            if not kept.any():
                continue
            kept = slice(None) if kept.all() else np.flatnonzero(kept)  # a slice copies nothing
            indices, boxes, corners = group.indices[kept], group.boxes[kept], group.corners[kept]
            values = self.masks.patches(indices, boxes) if group.values is None else group.values[kept]
            before = _channels_first(_cut(image, boxes[:, ::2], group.size))
            behind = _cut(fill, boxes[:, ::2], group.size) if fill.ndim == image.ndim else fill
            after = blend(before, behind, values, self.masks.binary)
            if not self._on_screen:
                yield from _changed(frame.observation, indices, corners, before, after)
                continue
            for found in frame.changed(after, corners):
                seen = _cut(newest(found.observation, found.values), found.corners, found.values.shape[1:3])
                members = indices[found.members]
                yield from _changed(found.observation, members, found.corners, seen, found.values, found.everywhere)

    def hidden(self, screens: np.ndarray, frame: PreparedFrame, backgrounds: np.ndarray | None = None) -> np.ndarray:
        """Return the observation (height, width, channel) float32 with all of it hidden; arguments as ``patches``."""
        if self._newest_alone:
            screens, backgrounds = screens[-1:], None if backgrounds is None else backgrounds[-1:]
        image, fill = self._images(screens, frame, backgrounds)
        found = frame.observation.copy()
        channels = self.preprocessing.channels * len(screens)
        pictures = found[:, :, -channels:]
        if self._on_screen:
            filled = np.moveaxis(np.broadcast_to(fill, image.shape), 2, 0)
            pictures[...] = np.concatenate([frame.observe_other(np.ascontiguousarray(one)) for one in filled], axis=2)
        else:
            pictures[...] = fill
        return found

    def _images(
        self, screens: np.ndarray, frame: PreparedFrame, backgrounds: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the image to perturb, and its fill.

        On the screen, the image is (H, W, picture, 3) uint8. In the observation, it is the channels of the pictures,
        (height, width, channel) float32. The fill broadcasts to it, or has its shape.
        """
        if not self._on_screen:
            channels = self.preprocessing.channels
            image = frame.observation[:, :, -channels * len(screens) :]
            return image, fills.of_observation(self._fill, image, frame, channels, backgrounds)
        given = cast("np.ndarray", backgrounds)  # only fills with a window use it
        top, bottom, left, right = self.preprocessing.seen
        filled = [
            self._fill(fills.Scene(screen, screen[top:bottom, left:right], partial(_picture_of, given, number)))
            for number, screen in enumerate(screens)
        ]
        image = np.ascontiguousarray(screens.transpose(1, 2, 0, 3))
        if filled[0].ndim == screens[0].ndim:
            return image, np.stack(filled, axis=2)
        return image, np.stack([np.atleast_1d(one) for one in filled])

    def _make_groups(self) -> Iterator[_Group]:
        # Boxes of the observation; in observation space they are the masks' own boxes.
        reached = self.preprocessing.reached(self.masks.boxes) if self._on_screen else self.masks.boxes.copy()
        for axis, limit in enumerate(self.preprocessing.shape):
            sizes = _merged(reached[:, 2 * axis + 1] - reached[:, 2 * axis])
            reached[:, 2 * axis] = np.minimum(reached[:, 2 * axis], limit - sizes)
            reached[:, 2 * axis + 1] = reached[:, 2 * axis] + sizes
        heights, widths = reached[:, 1] - reached[:, 0], reached[:, 3] - reached[:, 2]
        for height, width in sorted(set(zip(heights.tolist(), widths.tolist(), strict=True))):
            if height <= 0 or width <= 0:
                continue
            members = np.flatnonzero((heights == height) & (widths == width))
            boxes = self.preprocessing.needed(reached[members]) if self._on_screen else reached[members]
            area = int((boxes[0, 1] - boxes[0, 0]) * (boxes[0, 3] - boxes[0, 2]))
            step = max(1, MAX_PIXELS // area)
            for start in range(0, len(members), step):
                run = slice(start, start + step)
                values = self.masks.patches(members[run], boxes[run]) if self.masks.in_memory else None
                yield _Group(members[run], boxes[run], reached[members[run], ::2], values)


def _picture_of(backgrounds: np.ndarray, number: int) -> np.ndarray:
    """Return the background of a picture's screen."""
    return backgrounds[number]


def _cut(image: np.ndarray, corners: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return parts of an image as ``crops`` does; identical parts are cut out once and broadcast."""
    return crops(image, corners[:1] if (corners == corners[0]).all() else corners, size)


def _merged(sizes: np.ndarray) -> np.ndarray:
    """Return box sizes rounded up to slightly larger ones that occur, because each distinct size costs a group."""
    found = np.unique(sizes)
    raised = found.copy()
    for index in range(len(found) - 2, -1, -1):
        if found[index] > 0 and raised[index + 1] <= MERGED * found[index]:
            raised[index] = raised[index + 1]
    return raised[np.searchsorted(found, sizes)]


def blend(image: np.ndarray, fill: np.ndarray, masks: np.ndarray, binary: bool) -> np.ndarray:
    """Blend images with a fill, as xaitk does: ``mask * image + (1 - mask) * fill``; uint8 is truncated.

    A pixel that equals its fill stays unchanged under any mask. For uint8 this is a separate step, because truncation
    could make the pixel darker by a level. For floats, ``image + (1 - mask) * (fill - image)`` is computed, because the
    other form may differ in the last bit.

    Args:
        image: (n, height, width, …), the last axis the channels of a pixel; n may be 1, for all masks.
        fill: of the same dtype, and of a shape that broadcasts to the images'.
        masks: (n, height, width) float32.
        binary: whether the masks are all 0 or 1.

    Returns:
        The blended images, of the images' dtype.
    """
    if image.dtype != np.uint8 and not binary:
        image = _channels_first(image)
        blended = (1 - masks)[:, None] * np.moveaxis(_channels_first(fill - image), 3, 1)
        blended += np.moveaxis(image, 3, 1)
        return np.moveaxis(blended, 1, 3)
    masks = masks.reshape(*masks.shape, *(1,) * (image.ndim - masks.ndim))
    if binary and image.dtype == np.uint8:
        # As np.where does, but several times as fast for small integers.
        return fill ^ ((image ^ fill) & np.where(masks > 0, np.uint8(255), np.uint8(0)))
    if binary:
        return np.where(masks > 0, image, fill)
    blended = masks * image
    if np.any(fill):
        blended += (1 - masks) * fill
    return np.where((image == fill).all(axis=-1, keepdims=True), image, blended.astype(image.dtype))


def _channels_first(images: np.ndarray) -> np.ndarray:
    """Return observations (n, height, width, channel) with channels first in memory; screens stay as they are.

    Numpy's loops are long then, because there are few channels.
    """
    if images.ndim > 4:
        return images
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(images, 3, 1)), 1, 3)


def _touched(differs: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return which boxes contain a pixel that differs, (n,) bool.

    Args:
        differs: (height, width) bool.
        boxes: (n, 4) top, bottom, left and right.
    """
    # Number of differing pixels above and left of each corner (a summed-area table).
    counts = np.zeros((differs.shape[0] + 1, differs.shape[1] + 1), np.int32)
    differs.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, out=counts[1:, 1:])
    top, bottom, left, right = boxes.T
    return counts[bottom, right] - counts[top, right] - counts[bottom, left] + counts[top, left] > 0


def _changed(
    observation: np.ndarray,
    masks: np.ndarray,
    corners: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    all_change: bool = False,
) -> Iterator[Patches]:
    """Yield the patches (n, height, width, c) at ``corners`` that change the observation.

    They are cut to the largest change, if that makes them smaller by more than a few pixels.

    With ``all_change``, unchanged patches are kept too, and the box of an unchanged patch is the whole patch.
    """
    differs = _differs(before, after, 3)
    rows, columns = np.logical_or.reduce(differs, axis=2), np.logical_or.reduce(differs, axis=1)
    kept = np.arange(len(masks)) if all_change else np.flatnonzero(rows.any(axis=1))
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
    if size.prod() < CUT * height * width:
        starts = np.minimum(boxes[:, ::2], corners + (np.array([height, width]) - size))
        # Stacked vertically, all patches form one image, from which one call cuts.
        below = np.arange(len(masks))[:, None] * (height, 0)
        after = crops(after.reshape(-1, *after.shape[2:]), starts - corners + below, tuple(size.tolist()))
        corners = starts
    yield Patches(observation, masks, boxes, corners, after)


def _differs(one: np.ndarray, other: np.ndarray, axes: int) -> np.ndarray:
    """Return where any of the values behind the first axes differ; ``any`` is slower for a few values."""
    first, *places = np.ndindex(one.shape[axes:])
    found = one[(..., *first)] != other[(..., *first)]
    for place in places:
        found |= one[(..., *place)] != other[(..., *place)]
    return found
