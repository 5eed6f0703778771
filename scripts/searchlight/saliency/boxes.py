"""Boxes of changed pixels, propagated through a stack of convolutions; geometry alone, without data.

A perturbation changes a box of the observation, and so a box of each layer's output
(``searchlight.saliency.engine`` states the mathematics). This module computes these boxes, and the input rows that each
of their positions takes. Both depend on the changed pixels, so they are computed for each frame. A few operations on
small arrays handle all masks at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Convolution:
    """The geometry of a layer, as (vertical, horizontal) pairs, and its channels.

    Attributes:
        size: height and width of the layer's output.
        before: height and width of its input.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    size: tuple[int, int]
    before: tuple[int, int]
    channels_in: int
    channels_out: int

    @property
    def operations(self) -> int:
        """Number of multiply-adds for one position of the output."""
        return self.kernel[0] * self.kernel[1] * self.channels_in * self.channels_out

    @property
    def positions(self) -> int:
        """Number of positions of the output."""
        return self.size[0] * self.size[1]

    @cached_property
    def margins(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Number of zeros that the windows reach before and after the input's rows, and its columns."""
        ends = [(self.size[axis] - 1) * self.stride[axis] + self.kernel[axis] for axis in (0, 1)]
        after = [max(0, end - self.padding[axis] - self.before[axis]) for axis, end in enumerate(ends)]
        return (self.padding[0], after[0]), (self.padding[1], after[1])

    def needs(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the size of the input that a box of the output needs."""
        rows, columns = ((size[axis] - 1) * self.stride[axis] + self.kernel[axis] for axis in (0, 1))
        return rows, columns

    def starts(self, corners: np.ndarray) -> np.ndarray:
        """Return the first input position that boxes of the output need, (mask, 2); it may lie outside of the input."""
        return corners * self.stride - np.array(self.padding)

    def touched(self, boxes: Boxes) -> Boxes:
        """Return the boxes that boxes of the input affect in an output without borders."""
        kernel, stride, padding = np.array(self.kernel), np.array(self.stride), np.array(self.padding)
        start = -(-(boxes.corners + padding - kernel + 1) // stride)
        # The size may be 0, because a kernel smaller than its stride skips pixels.
        return Boxes(start, np.maximum(0, (boxes.corners + boxes.sizes - 1 + padding) // stride + 1 - start))

    def reached(self, boxes: Boxes) -> Boxes:
        """Return the boxes of the output that boxes of the input affect."""
        touched = self.touched(boxes)
        start = np.maximum(0, touched.corners)
        return Boxes(start, np.maximum(0, np.minimum(self.size, touched.corners + touched.sizes) - start))


@dataclass(frozen=True)
class Boxes:
    """Boxes of all masks in one layer: corners and sizes, (mask, 2) int64 each."""

    corners: np.ndarray
    sizes: np.ndarray

    @cached_property
    def areas(self) -> np.ndarray:
        """Number of positions in each box, (mask,)."""
        return self.sizes.prod(axis=1)

    def of(self, members: np.ndarray) -> Boxes:
        """Return the boxes of some masks."""
        return Boxes(self.corners[members], self.sizes[members])


@dataclass(frozen=True)
class Held:
    """Places of box values among the rows of a layer: each box lies in a rectangle, stored row by row.

    Attributes:
        corners: (mask, 2) int64, top and left of the rectangles.
        pitches: (mask,) int64, widths of the rectangles.
        first: (mask,) int64, rows of their first positions.
    """

    corners: np.ndarray
    pitches: np.ndarray
    first: np.ndarray

    def rows(self, mask: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Return the rows of positions of masks, (position,)."""
        top, left = self.corners[mask].T
        return self.first[mask] + (row - top) * self.pitches[mask] + column - left


def boxes_after(changed: np.ndarray, convolutions: Sequence[Convolution]) -> list[Boxes]:
    """Return the boxes after each layer of changed boxes of the observation, (mask, 4): top, bottom, left, right."""
    boxes, found = Boxes(changed[:, ::2], changed[:, 1::2] - changed[:, ::2]), []
    for convolution in convolutions:
        boxes = convolution.reached(boxes)
        found.append(boxes)
    return found


def operations(boxes: Sequence[Boxes], convolutions: Sequence[Convolution], products: int) -> np.ndarray:
    """Return the number of multiply-adds of each mask's boxes, (mask,).

    Args:
        boxes: boxes after each layer.
        convolutions: the layers.
        products: number of values in the product of the last layer's features.
    """
    total = boxes[-1].areas * (convolutions[-1].channels_out * products)
    for box, convolution in zip(boxes, convolutions, strict=True):
        total = total + box.areas * convolution.operations
    return total


def held_tightly(boxes: Boxes, before: int) -> Held:
    """Return the places of boxes that follow each other without gaps after ``before`` rows."""
    return Held(boxes.corners, boxes.sizes[:, 1], before + _starts(boxes.areas))


def positions(boxes: Boxes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mask, row and column of all positions in boxes, mask by mask, (position,) each."""
    rows_of, rows = _ranges(boxes.corners[:, 0], boxes.sizes[:, 0])
    row, column = _ranges(boxes.corners[rows_of, 1], boxes.sizes[rows_of, 1])
    return rows_of[row], rows[row], column


def taken(convolution: Convolution, before: Boxes, held: Held, after: Boxes) -> np.ndarray:
    """Return the input rows that a layer takes for each position in its boxes.

    The input's rows are the positions of the unperturbed input with its margins, then the positions of masks' boxes.

    Args:
        convolution: the layer.
        before: boxes of the layer's input.
        held: places of the input boxes' values.
        after: boxes of the layer's output.

    Returns:
        (position, tap) int32; positions are ordered mask by mask.
    """
    pitch = convolution.before[1] + sum(convolution.margins[1])
    # The row of a position and a tap is the sum of a vertical and a horizontal term. A mask's own rows come after the
    # unperturbed rows, so the maximum of both sums is the row to take. Outside of the mask's box in either direction,
    # the mask's own sum is negative.
    outside = -(2**30)
    own: list[np.ndarray] = []
    unperturbed: list[np.ndarray] = []
    masks, _ = _ranges(after.corners[:, 0], after.sizes[:, 0])
    row, column = _ranges(_starts(after.sizes[:, 1])[masks], after.sizes[masks, 1])
    for axis, where in ((0, row), (1, column)):
        mask, place = _ranges(after.corners[:, axis], after.sizes[:, axis])
        place = place * convolution.stride[axis] - convolution.padding[axis]
        tap = place + np.arange(convolution.kernel[axis])[:, None]
        offset = tap - before.corners[mask, axis]
        moved = tap - held.corners[mask, axis]
        if axis == 0:
            moved = moved * held.pitches[mask] + held.first[mask]
        inside = (offset >= 0) & (offset < before.sizes[mask, axis])
        kept = (tap + convolution.margins[axis][0]) * (pitch if axis == 0 else 1)
        own.append(np.where(inside, moved, outside).astype(np.int32).take(where, axis=1))
        unperturbed.append(kept.astype(np.int32).take(where, axis=1))
    found = np.empty((len(row), convolution.kernel[0] * convolution.kernel[1]), np.int32)
    for number, (down, right) in enumerate(np.ndindex(convolution.kernel)):
        np.maximum(own[0][down] + own[1][right], unperturbed[0][down] + unperturbed[1][right], out=found[:, number])
    return found


def _starts(counts: np.ndarray) -> np.ndarray:
    """Return the starts of consecutive runs of the given lengths."""
    return np.cumsum(counts) - counts


def _ranges(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the range of each number, and the numbers of all ranges, one range after the other."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) + (starts - _starts(counts))[which]


def geometry(convolutions: Sequence[nn.Conv2d], shape: tuple[int, int]) -> list[Convolution]:
    """Return the geometry of convolutions, one after the other, for observations of a height and width."""
    found, before = [], shape
    for one in convolutions:
        kernel, stride, padding = (_pair(given) for given in (one.kernel_size, one.stride, one.padding))
        height, width = (
            (before[axis] + 2 * padding[axis] - kernel[axis]) // stride[axis] + 1 for axis in range(len(before))
        )
        found.append(Convolution(kernel, stride, padding, (height, width), before, one.in_channels, one.out_channels))
        before = (height, width)
    return found


def _pair(given: Any) -> tuple[int, int]:
    """Return a convolution's two sizes; torch types them as a text or a tuple of any length."""
    vertical, horizontal = given
    return vertical, horizontal
