"""What the agent would have seen under each mask, as patches of its observation.

A mask changes a box of the image (the screen, or the observation). Only that box is blended with the fill, and only
what it reaches in the observation is prepared again; a mask under which the observation stays as it is takes no
further part.

Where the observation depends on the range of the whole screen (``imresize``), a mask that changes the range changes
every observed pixel. So for each range that masks lead to there is a further observation, the unperturbed screen by
that range, and what these masks change in it is as small as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from searchlight.crops import crops
from searchlight.masks import Masks, make_masks
from searchlight.preprocessing import (
    BOTTOM,
    CELL,
    LEVELS,
    OBSERVATION,
    PREPROCESSINGS,
    SCREEN,
    TOP,
    PreparedFrame,
    Stretch,
    levels_of,
)

# Pixels that are blended at a time: bounds a job's memory whatever the number and the size of the masks.
MAX_PIXELS = 2**17
# Boxes of masks are enlarged by up to this factor, in each direction, to be of a common size.
MERGED = 1.25
# Whole screens that are prepared at a time.
MAX_SCREENS = 32
# A mask that changes the stretch, and more of the observation than this part, is a whole observation and no patch.
WIDE = 0.5


@dataclass(frozen=True)
class Patches:
    """What some masks change in an observation; masks that change nothing are left out.

    Attributes:
        observation: (80, 80) float32, what is changed: the unperturbed one, or that by another stretch.
        masks: (n,) their indices.
        boxes: (n, 4) top, bottom, left and right of the pixels that change.
        corners: (n, 2) row and column of each patch's first pixel.
        values: (n, height, width) float32, the observation from there on; as large as the largest box.
    """

    observation: np.ndarray
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
        values: (n, height, width) float32, the masks there; None where they are read when they are used.
    """

    indices: np.ndarray
    boxes: np.ndarray
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
        """Return a box of the image for each mask, (mask, 4); empty where the agent does not see what it changes.

        In the observation, it is the mask's own box. On the screen, it holds the pixels of each observed pixel that
        the mask reaches.
        """
        boxes = self.masks.boxes.copy()
        if self._on_screen:
            reach = self._preprocessing.reach
            empty = boxes[:, 1] == 0
            boxes[:, :2] = boxes[:, :2].clip(TOP, BOTTOM) - TOP
            empty |= boxes[:, 0] == boxes[:, 1]
            boxes[:, ::2] = (boxes[:, ::2] - reach) // CELL
            boxes[:, 1::2] = -(-(boxes[:, 1::2] + reach) // CELL)
            boxes = CELL * boxes.clip(0, np.repeat(OBSERVATION, 2))
            boxes[:, :2] += TOP
            boxes[empty] = TOP
        return boxes

    def prepare(self, screen: np.ndarray) -> np.ndarray:
        """Return the unperturbed observation (80, 80) float32 of a screen (210, 160, 3) uint8."""
        return self._preprocessing.prepare(screen[None])[0]

    def patches(
        self, screen: np.ndarray, observation: np.ndarray, background: np.ndarray | None = None
    ) -> Iterator[Patches]:
        """Yield what the masks change in the observation.

        Args:
            screen: (210, 160, 3) uint8.
            observation: (80, 80) float32, the screen prepared.
            background: (210, 160, 3) uint8, what is usually there; needed by the fill of that name alone.

        Yields:
            Patches in an order that depends on the masks and this frame alone. A mask that is in none of them changes
            nothing.
        """
        frame = self._preprocessing.prepared(screen)
        by_stretch = {frame.stretch: observation}
        image = screen if self._on_screen else observation
        fill = self._fill_image(image, frame, background)
        touched = _touched(image != fill, self.masks.boxes)
        for group in self._groups:
            kept: Any = touched[group.indices]
            if not kept.any():
                continue
            kept = slice(None) if kept.all() else np.flatnonzero(kept)  # a slice copies nothing
            indices, boxes = group.indices[kept], group.boxes[kept]
            values = self.masks.patches(indices, boxes) if group.values is None else group.values[kept]
            corners = boxes[:, ::2]
            # Identical boxes are cut out once.
            place = corners[:1] if (corners == corners[0]).all() else corners
            before = crops(image, place, group.size)
            behind = crops(fill, place, group.size) if fill.ndim == image.ndim else fill
            after = blend(before, behind, values, self.masks.binary)
            if self._on_screen:
                yield from _prepared(frame, screen, by_stretch, indices, (corners - [TOP, 0]) // CELL, levels_of(after))
            else:
                yield from _changed(observation, indices, corners, before, after)

    def _fill_image(self, image: np.ndarray, frame: PreparedFrame, background: np.ndarray | None) -> np.ndarray:
        """Return what hides pixels: an image of the image's shape, or one level or colour."""
        fill = self._fill
        if fill == "mean":
            seen = image[TOP:BOTTOM] if self._on_screen else image
            fill = seen.mean(axis=(0, 1), dtype=np.float64)
            return np.rint(fill).astype(np.uint8) if self._on_screen else fill.astype(np.float32)
        if not isinstance(fill, dict):
            return np.asarray(fill, dtype=image.dtype)
        if "background" in fill:
            return background if self._on_screen else frame.observe_other(background)
        from scipy.ndimage import gaussian_filter  # a fifth of a second, which most perturbations do not need

        sigma = (fill["blur"], fill["blur"], 0)[: image.ndim]
        blurred = gaussian_filter(image.astype(np.float32), sigma)
        return np.rint(blurred).astype(np.uint8) if image.dtype == np.uint8 else blurred

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
                yield _Group(indices, boxes[indices], values)


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


def blend(image: np.ndarray, fill: np.ndarray, masks: np.ndarray, binary: bool) -> np.ndarray:
    """Hide parts of images, as xaitk does: ``mask * image + (1 - mask) * fill``; uint8 by truncation.

    A pixel whose fill equals it stays as it is, whatever the mask: truncation could make it darker by a level, and of
    real numbers ``image + (1 - mask) * (fill - image)`` is computed, since the other form may differ in the last bit.

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
    return np.where((image == fill).all(axis=-1, keepdims=True), image, blended.astype(image.dtype))


def _touched(differs: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return which boxes hold a pixel that differs.

    Args:
        differs: (height, width) or (height, width, channel) bool.
        boxes: (n, 4) top, bottom, left and right.
    """
    if differs.ndim == 3:
        differs = differs[..., 0] | differs[..., 1] | differs[..., 2]
    # How many differ above and left of each corner.
    counts = np.zeros((differs.shape[0] + 1, differs.shape[1] + 1), np.int32)
    differs.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, out=counts[1:, 1:])
    top, bottom, left, right = boxes.T
    return counts[bottom, right] - counts[top, right] - counts[bottom, left] + counts[top, left] > 0


def _prepared(
    frame: PreparedFrame,
    screen: np.ndarray,
    by_stretch: dict[Stretch, np.ndarray],
    masks: np.ndarray,
    corners: np.ndarray,
    levels: np.ndarray,
) -> Iterator[Patches]:
    """Yield what changed parts of a screen change in its observations.

    Args:
        frame: the screen, ready to be prepared again in parts.
        screen: (210, 160, 3) uint8.
        by_stretch: its observation by each stretch; those that are needed and not there are added.
        masks: (n,) indices of the masks.
        corners: (n, 2) row and column of each part's first observed pixel.
        levels: (n, 2h, 2w) uint16, the changed parts.
    """
    wide = levels[0].size > WIDE * CELL**2 * np.prod(OBSERVATION)
    stretches = frame.stretches(levels, corners)
    # As one number each, which is sorted faster than two.
    _, first, of_mask, counts = np.unique(
        stretches @ [LEVELS, 1], return_index=True, return_inverse=True, return_counts=True
    )
    found = stretches[first]
    alone = [np.zeros(0, np.int64)]
    for number, stretch in enumerate(map(tuple, found.tolist())):
        members = np.flatnonzero(of_mask == number)
        if stretch not in by_stretch:
            if wide or counts[number] == 1:
                # A further observation would cost as much as these masks do by themselves.
                alone.append(members)
                continue
            by_stretch[stretch] = frame.observation(stretch)
        before = by_stretch[stretch]
        parts = frame.parts(levels[members], corners[members], stretch)
        seen = crops(before, corners[members], parts.shape[1:])
        # By another stretch all observed pixels change, although a part may happen to be as before.
        all_change = stretch != frame.stretch
        yield from _changed(before, masks[members], corners[members], seen, parts, all_change)
    rest = np.concatenate(alone)
    for start in range(0, len(rest), MAX_SCREENS):
        some = rest[start : start + MAX_SCREENS]
        wholes = np.stack(
            [_whole(frame, screen, corners[member], levels[member], found[of_mask[member]]) for member in some]
        )
        observation, origin = by_stretch[frame.stretch], np.zeros((len(some), 2), np.int64)
        yield from _changed(observation, masks[some], origin, observation[None], wholes)


def _whole(
    frame: PreparedFrame, screen: np.ndarray, corner: np.ndarray, levels: np.ndarray, stretch: np.ndarray
) -> np.ndarray:
    """Return the whole observation (80, 80) float32 under one change: a part, as ``_prepared`` takes several."""
    changed, (top, left), (height, width) = levels_of(screen[TOP:BOTTOM]), CELL * corner, levels.shape
    changed[top : top + height, left : left + width] = levels
    low, high = stretch.tolist()
    return frame.parts(changed[None], np.zeros((1, 2), np.int64), (low, high))[0]


def _changed(
    observation: np.ndarray,
    masks: np.ndarray,
    corners: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    all_change: bool = False,
) -> Iterator[Patches]:
    """Yield, of patches (n, height, width) at ``corners``, those that change, cut to the largest change.

    With ``all_change``, none is left out; the box of one that is as before is the whole patch.
    """
    differs = before != after
    rows, columns = differs.any(axis=2), differs.any(axis=1)
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
    if tuple(size) != (height, width):
        starts = np.minimum(boxes[:, ::2], corners + (np.array([height, width]) - size))
        # All patches below each other are one image to cut from.
        below = np.arange(len(masks))[:, None] * (height, 0)
        after = crops(after.reshape(-1, width), starts - corners + below, tuple(size.tolist()))
        corners = starts
    yield Patches(observation, masks, boxes, corners, after)
