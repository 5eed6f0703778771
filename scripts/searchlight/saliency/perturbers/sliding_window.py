"""A sliding rectangle: equal to xaitk-saliency's ``SlidingWindow``."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from searchlight.config.arguments import IntPair, Table
from searchlight.lazy import numpy as np

NAME = "SlidingWindow"


class Arguments(Table):
    """A hard rectangle slid over the image."""

    window_size: IntPair = Field((50, 50), description="Height and width in pixels.")
    stride: IntPair = Field((20, 20), description="Step down and across in pixels.")


def masks(shape: tuple[int, int], arguments: Arguments) -> Iterator[np.ndarray]:
    """Yield a mask, (height, width) float32, for each place of the rectangle, row by row."""
    starts = []
    for length, window, step in zip(shape, arguments.window_size, arguments.stride, strict=True):
        positions = np.arange(0, length, step)
        overhang = window - (length - positions[-1])
        starts.append(positions - overhang // 2)
    height, width = arguments.window_size
    for top in starts[0]:
        for left in starts[1]:
            mask = np.ones(shape, np.float32)
            mask[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)] = 0
            yield mask
