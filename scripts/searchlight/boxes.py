"""Which numbers meet which when boxes go through a stack of convolutions; worked out once a job, without data.

Each mask changes a box of the observation, and so a box of each layer's output (``searchlight.engine`` states the
mathematics). Here those boxes are found, masks whose boxes have one size are put into one class, and each class gets
the indices with which the engine gathers its input and writes its output.

The differences that masks make to a layer's output are kept in one array of rows of channels: a zero row, and then for
each class, mask by mask, the positions of its box. A box may be stored larger than it is, to be of a common size: the
rest of it holds zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from searchlight.perturbation import Layout

# Sizes that boxes are stored in. Small ones are exact but for the smallest, since most masks are small and a row more
# would cost them most; large ones are few, since each class has its own cost.
STEPS = np.array([2, 3, 4, 5, 7, 8, 10, 12, 14, 18, 22, 26, 30, 36, 41, 48, 56, 64, 72, 80])
# Up to this many positions, a box's taps are gathered one by one for one product; beyond, its input is gathered whole
# and convolved, which reads every number once.
MOST_TAPPED = 16


@dataclass(frozen=True)
class Convolution:
    """The geometry of a layer, each of (vertical, horizontal), and its channels."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    size: tuple[int, int]
    channels_in: int
    channels_out: int

    @property
    def operations(self) -> int:
        """Multiply-adds of one position of the output."""
        return self.kernel[0] * self.kernel[1] * self.channels_in * self.channels_out


@dataclass(frozen=True)
class Boxes:
    """Boxes of all masks in one layer: corners and sizes, (mask, 2) each."""

    corners: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True)
class BoxClass:
    """Masks whose boxes in one layer are stored in one size.

    Attributes:
        members: (n,) the masks.
        corners: (n, 2) of their stored boxes.
        height, width: of these.
        first: row of the layer's array where theirs begin.
        tapped: whether ``inputs`` names the taps of each position, or the whole input of the box.
        inputs: rows of the array before, int32: (n, position * tap) or (n, input position); 0 where there is none.
    """

    members: np.ndarray
    corners: np.ndarray
    height: int
    width: int
    first: int
    tapped: bool
    inputs: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a stored box."""
        return self.height, self.width

    @property
    def area(self) -> int:
        """Positions of a stored box."""
        return self.height * self.width


@dataclass(frozen=True)
class Plan:
    """How masks go through the layers.

    Attributes:
        starts: of each layout, the number of its first mask among all; None where it does not go by boxes.
        first_rows: (mask,) row of the observation's array where each mask's box begins.
        layers: the classes of each layer; in the last, masks are in the order of their boxes.
        rows: rows of each array, the observation's first.
    """

    starts: list[int | None]
    first_rows: np.ndarray
    layers: list[list[BoxClass]]
    rows: list[int]


def make_plan(
    layouts: Sequence[Layout], convolutions: Sequence[Convolution], products: int, cost: float, room: int
) -> Plan:
    """Decide which layouts go by boxes, and how.

    Args:
        layouts: where masks change the observation.
        convolutions: the layers.
        products: numbers in the product of the last layer's features.
        cost: of a multiply-add in boxes, in those of the whole network.
        room: bytes that the plan and its arrays may take.
    """
    chosen: list[Layout] = []
    starts: list[int | None] = []
    count = 0
    for layout in layouts:
        boxes = list(_boxes_of([layout], convolutions))
        bytes_needed = _bytes(boxes, convolutions)
        if not _pays(boxes, convolutions, products, cost) or bytes_needed > room:
            starts.append(None)
            continue
        room -= bytes_needed
        chosen.append(layout)
        starts.append(count)
        count += len(layout.masks)
    if not chosen:
        return Plan(starts, np.zeros(0, np.int64), [[] for _ in convolutions], [1] * (len(convolutions) + 1))
    exact = list(_boxes_of(chosen, convolutions))
    areas = exact[0].sizes.prod(axis=1)
    base = 1 + np.concatenate([[0], np.cumsum(areas)[:-1]])
    stored, layers, rows = exact[0], [], [int(1 + areas.sum())]
    first_rows = base
    for depth, convolution in enumerate(convolutions):
        after = _stored(exact[depth + 1], convolution.size)
        classes, next_base, row = [], np.zeros_like(base), 1
        for height, width in sorted(set(map(tuple, after.sizes.tolist()))):
            members = np.flatnonzero((after.sizes == (height, width)).all(axis=1))
            if depth == len(convolutions) - 1:
                members = members[np.lexsort((after.corners[members, 1], after.corners[members, 0]))]
            tapped = height * width <= MOST_TAPPED
            inputs = _inputs(convolution, stored, after, members, base, tapped)
            classes.append(BoxClass(members, after.corners[members], height, width, row, tapped, inputs))
            next_base[members] = row + np.arange(len(members)) * height * width
            row += len(members) * height * width
        layers.append(classes)
        rows.append(row)
        stored, base = after, next_base
    return Plan(starts, first_rows, layers, rows)


def _boxes_of(layouts: Sequence[Layout], convolutions: Sequence[Convolution]) -> Iterator[Boxes]:
    """Yield the exact boxes in the observation and after each layer."""
    corners = np.concatenate([np.stack([layout.tops, layout.lefts], axis=1) for layout in layouts]).astype(np.int64)
    sizes = np.concatenate([np.tile([layout.height, layout.width], (len(layout.masks), 1)) for layout in layouts])
    yield Boxes(corners, sizes)
    for convolution in convolutions:
        kernel, stride, padding = (np.array(v) for v in (convolution.kernel, convolution.stride, convolution.padding))
        start = np.maximum(0, -(-(corners + padding - kernel + 1) // stride))
        stop = np.minimum(convolution.size, (corners + sizes - 1 + padding) // stride + 1)
        corners, sizes = start, stop - start
        yield Boxes(corners, sizes)


def _stored(exact: Boxes, limit: tuple[int, int]) -> Boxes:
    """Return boxes of the sizes of ``STEPS`` around exact ones, moved to lie inside the layer."""
    sizes = np.minimum(STEPS[np.searchsorted(STEPS, exact.sizes)], limit)
    return Boxes(np.minimum(exact.corners, np.array(limit) - sizes), sizes)


def _inputs(
    convolution: Convolution, before: Boxes, after: Boxes, members: np.ndarray, base: np.ndarray, tapped: bool
) -> np.ndarray:
    """Return the rows that a class gathers, int32, (mask, …); 0 outside what is stored."""
    inside, offsets = [], []
    for axis in (0, 1):
        kernel, stride = convolution.kernel[axis], convolution.stride[axis]
        length = int(after.sizes[members[0], axis])
        if tapped:
            steps = (np.arange(length) * stride)[:, None] + np.arange(kernel)
        else:
            steps = np.arange((length - 1) * stride + kernel)[:, None]
        start = after.corners[members, axis] * stride - convolution.padding[axis] - before.corners[members, axis]
        relative = start[:, None, None] + steps
        inside.append((relative >= 0) & (relative < before.sizes[members, axis, None, None]))
        offsets.append(relative)
    # (mask, row of positions, column of positions, row of taps, column of taps)
    both = inside[0][:, :, None, :, None] & inside[1][:, None, :, None, :]
    pitch = before.sizes[members, 1, None, None, None, None]
    rows = base[members, None, None, None, None] + pitch * offsets[0][:, :, None, :, None]
    return np.where(both, rows + offsets[1][:, None, :, None, :], 0).reshape(len(members), -1).astype(np.int32)


def _pays(boxes: Sequence[Boxes], convolutions: Sequence[Convolution], products: int, cost: float) -> bool:
    """Tell whether masks cost fewer multiply-adds by their boxes than by the whole network."""
    whole = by_boxes = 0.0
    for exact, convolution in zip(boxes[1:], convolutions, strict=True):
        operations = [convolution.operations]
        if convolution is convolutions[-1]:
            operations.append(products * convolution.channels_out)
        area = _stored(exact, convolution.size).sizes.prod(axis=1).sum()
        whole += sum(operations) * convolution.size[0] * convolution.size[1] * len(exact.sizes)
        by_boxes += cost * sum(operations) * area
    return bool(by_boxes < whole)


def _bytes(boxes: Sequence[Boxes], convolutions: Sequence[Convolution]) -> int:
    """Return about how much memory boxes take: the indices of gathering, and the arrays of differences."""
    total = 4 * int(boxes[0].sizes.prod(axis=1).sum())
    for exact, convolution in zip(boxes[1:], convolutions, strict=True):
        positions = _stored(exact, convolution.size).sizes.prod(axis=1)
        taps = np.where(positions <= MOST_TAPPED, convolution.kernel[0] * convolution.kernel[1], 5)
        total += 4 * int((positions * (taps + convolution.channels_out)).sum())
    return total
