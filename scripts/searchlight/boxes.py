"""Where boxes of changed pixels go in a stack of convolutions, without data.

A perturbation changes a box of the observation, and so a box of each layer's output (``searchlight.engine`` states the
mathematics). Here those boxes are found, masks whose boxes have about one size are put into one class, and each class
gets the indices with which a layer's input is gathered. All of it depends on the pixels that change, so it is worked
out for each frame, by a few operations on small arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Sizes of boxes after the second layer. Few, since each class has its own cost; small ones are exact, since most
# masks are small and a row more would cost them most.
STEPS = np.array([2, 3, 5, 8, 10, 12, 16, 20, 28, 40, 56, 80])


@dataclass(frozen=True)
class Convolution:
    """The geometry of a layer, each of (vertical, horizontal), and its channels.

    Attributes:
        size: of the layer's output.
        before: of its input.
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
        """Multiply-adds of one position of the output."""
        return self.kernel[0] * self.kernel[1] * self.channels_in * self.channels_out

    @property
    def positions(self) -> int:
        """Positions of the output."""
        return self.size[0] * self.size[1]

    @cached_property
    def margins(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Zeros before and after the input's rows and columns that the output's windows reach."""
        ends = [(self.size[axis] - 1) * self.stride[axis] + self.kernel[axis] for axis in (0, 1)]
        after = [max(0, end - self.padding[axis] - self.before[axis]) for axis, end in enumerate(ends)]
        return (self.padding[0], after[0]), (self.padding[1], after[1])

    def needs(self, size: Sequence[int]) -> tuple[int, int]:
        """Return the size of the input that a box of the output needs."""
        rows, columns = ((size[axis] - 1) * self.stride[axis] + self.kernel[axis] for axis in (0, 1))
        return rows, columns

    def starts(self, corners: np.ndarray) -> np.ndarray:
        """Return where the input that boxes of the output need begins, (mask, 2); it may lie outside."""
        return corners * self.stride - np.array(self.padding)

    def reached(self, boxes: Boxes) -> Boxes:
        """Return the boxes of the output that boxes of the input reach."""
        kernel, stride, padding = np.array(self.kernel), np.array(self.stride), np.array(self.padding)
        start = np.maximum(0, -(-(boxes.corners + padding - kernel + 1) // stride))
        stop = np.minimum(self.size, (boxes.corners + boxes.sizes - 1 + padding) // stride + 1)
        return Boxes(start, stop - start)


@dataclass(frozen=True)
class Boxes:
    """Boxes of all masks in one layer: corners and sizes, (mask, 2) int64 each."""

    corners: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True)
class BoxClass:
    """Masks that go through the layers together.

    Attributes:
        members: (n,) the masks, in the order of their last boxes.
        corners: of each layer, (n, 2) of their boxes as they are kept: of one size, and inside the layer.
        sizes: of each layer, of these boxes.
    """

    members: np.ndarray
    corners: list[np.ndarray]
    sizes: list[tuple[int, int]]


def boxes_after(changed: np.ndarray, convolutions: Sequence[Convolution]) -> list[Boxes]:
    """Return the boxes after each layer of changed boxes of the observation, (mask, 4): top, bottom, left, right."""
    boxes, found = Boxes(changed[:, ::2], changed[:, 1::2] - changed[:, ::2]), []
    for convolution in convolutions:
        boxes = convolution.reached(boxes)
        found.append(boxes)
    return found


def landing(convolutions: Sequence[Convolution]) -> int:
    """Return the layer whose boxes decide the class: the second, for the first is computed as far as it is needed."""
    return min(1, len(convolutions) - 1)


def _rounded(sizes: np.ndarray, limit: tuple[int, int]) -> np.ndarray:
    return np.minimum(STEPS[np.searchsorted(STEPS, sizes)], limit)


def operations(boxes: Sequence[Boxes], convolutions: Sequence[Convolution], products: int) -> np.ndarray:
    """Return the multiply-adds that masks take by their boxes, (mask,).

    Args:
        boxes: after each layer.
        convolutions: the layers.
        products: numbers in the product of the last layer's features.
    """
    first = landing(convolutions)
    kept = _rounded(boxes[first].sizes, convolutions[first].size)
    total = kept.prod(axis=1) * convolutions[first].operations
    if first:
        rows, columns = convolutions[first].needs(kept.T)
        total = total + rows * columns * convolutions[0].operations
    for exact, convolution in zip(boxes[first + 1 :], convolutions[first + 1 :], strict=True):
        total = total + exact.sizes.prod(axis=1) * convolution.operations
    return total + boxes[-1].sizes.prod(axis=1) * convolutions[-1].channels_out * products


def classes_of(boxes: Sequence[Boxes], convolutions: Sequence[Convolution], members: np.ndarray) -> Iterator[BoxClass]:
    """Yield classes of masks, by the sizes of their boxes after the second layer.

    Args:
        boxes: after each layer.
        convolutions: the layers.
        members: indices of the masks.
    """
    first = landing(convolutions)
    kept = _rounded(boxes[first].sizes, convolutions[first].size)
    codes = kept[members, 0] * (convolutions[first].size[1] + 1) + kept[members, 1]
    for code in np.unique(codes):
        alike = members[codes == code]
        sizes = [exact.sizes[alike].max(axis=0) for exact in boxes]
        sizes[first] = kept[alike[0]]
        inside = [np.array(convolution.size) - size for convolution, size in zip(convolutions, sizes, strict=True)]
        corners = [np.minimum(exact.corners[alike], most) for exact, most in zip(boxes, inside, strict=True)]
        order = np.lexsort(corners[-1].T)
        yield BoxClass(
            alike[order], [corner[order] for corner in corners], [(int(size[0]), int(size[1])) for size in sizes]
        )


def gathered_rows(
    convolution: Convolution,
    corners: tuple[np.ndarray, np.ndarray],
    sizes: tuple[tuple[int, int], tuple[int, int]],
    tapped: bool,
) -> np.ndarray:
    """Return which rows of a layer's input its boxes of the output take.

    The input's rows are the positions of the unperturbed input with its margins, and then, mask by mask, those of the
    boxes that were computed anew.

    Args:
        convolution: the layer.
        corners: of the boxes of the input and of the output, (mask, 2) each.
        sizes: of these.
        tapped: give the taps of each position one by one, or the whole input of the box once.

    Returns:
        (mask * position * tap) or (mask * input position) int64.
    """
    (before, after), (size, size_after) = corners, sizes
    starts = convolution.starts(after)
    inside, offsets, positions = [], [], []
    for axis in (0, 1):
        if tapped:
            steps = (np.arange(size_after[axis]) * convolution.stride[axis])[:, None]
            steps = steps + np.arange(convolution.kernel[axis])
        else:
            steps = np.arange(convolution.needs(size_after)[axis])[:, None]
        position = starts[:, axis, None, None] + steps
        offset = position - before[:, axis, None, None]
        inside.append((offset >= 0) & (offset < size[axis]))
        offsets.append(offset)
        positions.append(position + convolution.margins[axis][0])
    # (mask, row of positions, column of positions, row of taps, column of taps)
    row, column = (slice(None), slice(None), None, slice(None), None), (slice(None), None, slice(None), None)
    pitch = convolution.before[1] + sum(convolution.margins[1])
    unperturbed = (convolution.before[0] + sum(convolution.margins[0])) * pitch
    first = unperturbed + np.arange(len(after)) * (size[0] * size[1])
    own = (offsets[0] * size[1] + first[:, None, None])[row] + offsets[1][column]
    reference = (positions[0] * pitch)[row] + positions[1][column]
    return np.where(inside[0][row] & inside[1][column], own, reference).ravel()


def outside(convolution: Convolution, starts: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return which positions of boxes lie outside a layer's output, as indices into (mask, row, column) raveled."""
    beyond = []
    for axis in (0, 1):
        position = starts[:, axis, None] + np.arange(size[axis])
        beyond.append((position < 0) | (position >= convolution.size[axis]))
    if not (beyond[0].any() or beyond[1].any()):
        return np.zeros(0, np.int64)
    return np.flatnonzero(beyond[0][:, :, None] | beyond[1][:, None, :])
