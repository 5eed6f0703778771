"""The common part of ``sb3``, ``cleanrl`` and ``gymnasium``: whole screens, resized by OpenCV's area filter.

An observed pixel is the mean of its own part of the screen, so a changed part of the screen changes few observed
pixels. Whole screens are prepared by OpenCV itself. Parts are prepared by ``_filter``, which computes the same numbers
for any part.

Grey levels are OpenCV's: whole numbers, computed pixel by pixel, so they are the same for any part too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

from pydantic import Field

from searchlight.agents.preprocessing import Changed, PreparedFrame, Preprocessing
from searchlight.agents.preprocessings import USUAL_SCREEN
from searchlight.agents.preprocessings._filter import Axis
from searchlight.agents.preprocessings._stack import Padding, Stack
from searchlight.config.arguments import Int, Table
from searchlight.errors import SearchlightError
from searchlight.lazy import numpy as np

# From this share of the screen on, whole screens are prepared faster than parts.
WIDE = 0.35
# Channels of a screen.
RGB = 3
# The most channels that cv2.resize takes at once.
CHANNELS = 4


class AreaArguments(Table):
    """Arguments of all preprocessings by the area filter."""

    # OpenCV computes otherwise if it enlarges, and if it divides both sides by whole numbers. The latter begins at 20,
    # for screens of 220x160.
    size: Annotated[Int, Field(ge=21, le=USUAL_SCREEN[1])] = Field(
        84, description="Height and width of the picture, in pixels."
    )
    stack: Stack = 4
    padding: Padding = "first"


class Area(Preprocessing):
    """Screens as square grey pictures, made by OpenCV's area filter.

    Attributes:
        grey_first: whether the screen becomes grey before it is resized, or its three colours are resized first. The
            results differ by rounding.
        axes: the filter down and across.
    """

    def __init__(self, screen: tuple[int, int], arguments: AreaArguments, *, grey_first: bool) -> None:
        """Check the size; raise ``SearchlightError`` if OpenCV does not use this filter for it."""
        size = arguments.size
        if size > min(screen) or all(side % size == 0 for side in screen):
            raise SearchlightError(
                f"found size {size} for screens of {screen[0]}x{screen[1]} pixels, allowed: at most {min(screen)}, and "
                "no size that divides both sides"
            )
        self.screen, self.shape, self.seen = screen, (size, size), (0, screen[0], 0, screen[1])
        self.stack, self.padding = arguments.stack, arguments.padding
        self.grey_first = grey_first
        self.axes = (Axis(screen[0], size), Axis(screen[1], size))

    def picture(self, screen: np.ndarray) -> np.ndarray:
        return self.finished(self.resized(self.levels(screen[:, :, None])))

    def prepare(self, screens: np.ndarray) -> PreparedFrame:
        return _Frame(self, screens)

    def reached(self, boxes: np.ndarray) -> np.ndarray:
        found = np.concatenate([axis.reached(boxes[:, 2 * n : 2 * n + 2]) for n, axis in enumerate(self.axes)], axis=1)
        found[(boxes[:, 0] >= boxes[:, 1]) | (boxes[:, 2] >= boxes[:, 3])] = 0
        return found

    def needed(self, boxes: np.ndarray) -> np.ndarray:
        return np.concatenate([axis.needed(boxes[:, 2 * n : 2 * n + 2]) for n, axis in enumerate(self.axes)], axis=1)

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = (axis.centres() for axis in self.axes)
        return rows, columns

    def levels(self, pixels: np.ndarray) -> np.ndarray:
        """Return what is to be resized, (…, channel) uint8, of pixels of pictures (…, picture, 3) uint8."""
        return _grey(pixels) if self.grey_first else pixels.reshape(*pixels.shape[:-2], -1)

    def resized(self, levels: np.ndarray) -> np.ndarray:
        """Return levels (H, W, channel) uint8 of whole screens, resized: (height, width, channel) uint8."""
        import cv2

        resize = partial(cv2.resize, dsize=self.shape[::-1], interpolation=cv2.INTER_AREA)
        count = levels.shape[2]
        if count <= CHANNELS:
            return resize(np.ascontiguousarray(levels)).reshape(*self.shape, count)
        planes = cv2.transpose(levels.reshape(-1, count)).reshape(count, *self.screen)
        return cv2.merge([resize(plane) for plane in planes])

    def finished(self, levels: np.ndarray) -> np.ndarray:
        """Return values of pictures (…, picture) float32 in 0..1, of resized levels (…, channel) uint8."""
        levels = levels if self.grey_first else _grey(levels.reshape(*levels.shape[:-1], -1, RGB))
        return levels.astype(np.float32) / np.float32(255)


class _Frame(PreparedFrame):
    """A stack of screens, each of which became a picture of its own."""

    def __init__(self, preprocessing: Area, screens: np.ndarray) -> None:
        self._preprocessing = preprocessing
        self.observation = preprocessing.stacked([preprocessing.picture(screen) for screen in screens])

    def changed(self, parts: np.ndarray, corners: np.ndarray) -> Iterator[Changed]:
        height, width = self._preprocessing.screen
        resized = self._by_screens if parts.shape[1] * parts.shape[2] >= WIDE * height * width else self._by_parts
        values = self._preprocessing.finished(resized(parts, corners))
        yield Changed(np.arange(len(parts)), self.observation, corners, values)

    def observe_other(self, screen: np.ndarray) -> np.ndarray:
        return self._preprocessing.picture(screen)

    def _by_parts(self, parts: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """Return the resized levels of changed parts, (n, h, w, channel) uint8, from these parts alone."""
        import cv2

        rows, columns = self._preprocessing.axes
        levels = self._preprocessing.levels(parts)
        count, height, width, channels = levels.shape
        # The parts become the last axis, because numpy is fast along a long last axis.
        pixels = cv2.transpose(levels.reshape(count, -1)).reshape(height, width, channels, count)
        means = columns.means(pixels.astype(np.float32).swapaxes(0, 1), corners[:, 1])
        means = rows.means(means.swapaxes(0, 1), corners[:, 0])
        found = cv2.transpose(np.rint(means).astype(np.uint8).reshape(-1, count))
        return found.reshape(count, *means.shape[:3])

    def _by_screens(self, parts: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """Return the same as ``_by_parts``, from whole screens that are black around the parts."""
        preprocessing = self._preprocessing
        size = [axis.count(length) for axis, length in zip(preprocessing.axes, parts.shape[1:3], strict=True)]
        observed = np.concatenate([corners, corners + size], axis=1)[:, [0, 2, 1, 3]]
        found = []
        for part, (row, column), box in zip(parts, corners, preprocessing.needed(observed), strict=True):
            levels, (top, bottom, left, right) = preprocessing.levels(part), box
            screen = np.zeros((*preprocessing.screen, levels.shape[2]), np.uint8)
            screen[top:bottom, left:right] = levels
            found.append(preprocessing.resized(screen)[row : row + size[0], column : column + size[1]])
        return np.stack(found)


def _grey(pixels: np.ndarray) -> np.ndarray:
    """Return the grey levels of pixels (…, 3) uint8, (…) uint8."""
    import cv2

    # OpenCV divides rows among threads; a job has one thread.
    return cv2.cvtColor(pixels.reshape(1, -1, RGB), cv2.COLOR_RGB2GRAY).reshape(pixels.shape[:-1])
