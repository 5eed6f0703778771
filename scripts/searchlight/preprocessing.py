"""From the 210x160 colour screen to the 80x80 observation that the agents were trained on.

Both ways crop the rows 35 to 195, take the mean of RGB and halve the picture. ``cv2`` is what the XAITK notebook
does; ``imresize`` first stretches each frame's own range to 0..255, as ``scipy.misc.imresize`` silently did when the
agents of Greydanus et al. (2018) were trained.

Levels are sums of R, G and B: three times the grey level, in whole numbers. What a part of the screen becomes is
computed from that part alone, bit for bit what the whole screen gives. By ``imresize`` it also depends on the
stretch, the smallest and the largest level of the whole screen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from searchlight.crops import crops

SCREEN = (210, 160)
TOP, BOTTOM = 35, 195
CELL = 2
OBSERVATION = ((BOTTOM - TOP) // CELL, SCREEN[1] // CELL)

# The smallest and the largest level of a screen.
Stretch = tuple[int, int]
# How many levels there are.
LEVELS = 3 * 255 + 1
# The weights of Pillow's bilinear filter at a border, where it has three taps: in its fixed-point numbers.
_BITS = 22
_BORDER = [int(0.5 + weight * (1 / 1.75) * 2**_BITS) for weight in (0.75, 0.75, 0.25)]


def levels_of(pixels: np.ndarray) -> np.ndarray:
    """Return the levels of pixels (…, 3) uint8: the sums of their channels, (…) uint16."""
    levels = pixels[..., 0].astype(np.uint16)
    levels += pixels[..., 1]
    levels += pixels[..., 2]
    return levels


class PreparedFrame(Protocol):
    """One screen, ready to be prepared again where parts of it change.

    A part is a box of the observation. It is given by the row and column of its first observed pixel, and by the
    levels of the cropped screen's own ``CELL`` x ``CELL`` pixels of each observed pixel.

    Attributes:
        stretch: of the screen as it is.
    """

    stretch: Stretch

    def stretches(self, levels: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """Return the stretch of the whole screen under each of some changed parts.

        Args:
            levels: (n, 2h, 2w) uint16, the parts as they are changed.
            corners: (n, 2).

        Returns:
            (n, 2) int64.
        """

    def parts(self, levels: np.ndarray, corners: np.ndarray, stretch: Stretch) -> np.ndarray:
        """Return what changed parts become, (n, h, w) float32, all by one stretch.

        Args:
            levels: (n, 2h, 2w) uint16, the parts as they are changed. What is not in them stays as it is.
            corners: (n, 2).
            stretch: of the whole screen under each of these changes.
        """

    def observation(self, stretch: Stretch) -> np.ndarray:
        """Return the observation (80, 80) float32 of the unchanged screen, by another stretch."""

    def observe_other(self, screen: np.ndarray) -> np.ndarray:
        """Return the observation (80, 80) float32 of another screen (210, 160, 3) uint8, by the stretch of this one."""


class _Halved:
    """A screen by ``cv2``: an observed pixel is the mean of its own pixels, whatever the rest of the screen is."""

    stretch = (0, 0)

    def __init__(self, screen: np.ndarray) -> None:
        self._screen = screen

    def stretches(self, levels: np.ndarray, corners: np.ndarray) -> np.ndarray:  # noqa: ARG002
        return np.zeros((len(levels), 2), np.int64)

    def parts(self, levels: np.ndarray, corners: np.ndarray, stretch: Stretch) -> np.ndarray:  # noqa: ARG002
        # Mean over RGB and 2x2 pixels; at exactly half size this is what cv2.resize's bilinear filter computes.
        # Sums of twelve uint8 are exact in uint16: the result depends neither on the order nor on the batch.
        rows = levels[:, 0::2] + levels[:, 1::2]
        cells = rows[:, :, 0::2] + rows[:, :, 1::2]
        return (cells / 12.0).astype(np.float32) / np.float32(255.0)

    def observation(self, stretch: Stretch) -> np.ndarray:
        return self.parts(levels_of(self._screen[None, TOP:BOTTOM]), np.zeros((1, 2), np.int64), stretch)[0]

    def observe_other(self, screen: np.ndarray) -> np.ndarray:
        return _Halved(screen).observation(self.stretch)


class _Stretched:
    """A screen by ``imresize``: stretched to 0..255, then halved by a filter that reads four pixels each way."""

    def __init__(self, screen: np.ndarray) -> None:
        self._levels = levels_of(screen[TOP:BOTTOM])
        self.stretch = (int(self._levels.min()), int(self._levels.max()))
        # One pixel more on each side, for parts at a border; the filter does not look at it there.
        self._padded = np.pad(self._levels, 1)

    def stretches(self, levels: np.ndarray, corners: np.ndarray) -> np.ndarray:
        extremes = [self._extremes(levels, corners, extreme) for extreme in (np.minimum, np.maximum)]
        return np.stack(extremes, axis=1).astype(np.int64)

    def _extremes(self, levels: np.ndarray, corners: np.ndarray, extreme: np.ufunc) -> np.ndarray:
        """Return the smallest (or largest) level of the whole screen under each change, (n,)."""
        height, width = levels.shape[1:]
        unchanged = extreme.reduce(self._levels, axis=None)
        inside = extreme.reduce(levels, axis=(1, 2))
        # Right where the part does not hold all pixels of the unchanged extreme, or reaches it when changed.
        found = extreme(inside, unchanged)
        count = np.count_nonzero(self._levels == unchanged)
        if count <= height * width:
            before = crops(self._levels, CELL * corners, (height, width))
            lost = (np.count_nonzero(before == unchanged, axis=(1, 2)) == count) & (found != inside)
            for index in np.flatnonzero(lost):
                top, left = CELL * corners[index]
                rest = self._levels.copy()
                rest[top : top + height, left : left + width] = inside[index]
                found[index] = extreme.reduce(rest, axis=None)
        return found

    def parts(self, levels: np.ndarray, corners: np.ndarray, stretch: Stretch) -> np.ndarray:
        height, width = levels.shape[1:]
        around = crops(self._padded, CELL * corners, (height + 2, width + 2))
        around[:, 1:-1, 1:-1] = levels
        first, last = corners == 0, CELL * corners + (height, width) == self._levels.shape
        halved = _halved_across(_stretching(stretch)[around], first[:, 1], last[:, 1])
        halved = _halved_across(halved.swapaxes(1, 2), first[:, 0], last[:, 0]).swapaxes(1, 2)
        return np.ascontiguousarray(halved, np.float32) / np.float32(255.0)

    def observation(self, stretch: Stretch) -> np.ndarray:
        return self.parts(self._levels[None], np.zeros((1, 2), np.int64), stretch)[0]

    def observe_other(self, screen: np.ndarray) -> np.ndarray:
        return _Stretched(screen).observation(self.stretch)


@lru_cache(maxsize=1024)
def _stretching(stretch: Stretch) -> np.ndarray:
    """Return what each level becomes by a stretch, (766,) uint8; levels outside of the range are cut to it."""
    grey = np.arange(LEVELS) / 3
    low, high = grey[list(stretch)]
    spread = high - low if high > low else 1.0
    return np.clip((grey - low) * (255.0 / spread) + 0.5, 0, 255).astype(np.uint8)


def _halved_across(pixels: np.ndarray, at_first: np.ndarray, at_last: np.ndarray) -> np.ndarray:
    """Halve pictures along their last axis, bit for bit as Pillow's bilinear filter does.

    Args:
        pixels: (n, rows, 2w + 2) uint8, a pixel more on each side than what is halved.
        at_first: (n,) whether the picture begins after that pixel, so that the filter has three taps there.
        at_last: (n,) whether it ends before the last one.

    Returns:
        (n, rows, w) uint8.
    """
    taps = pixels.astype(np.uint16)
    # Weights of 1/8, 3/8, 3/8 and 1/8, rounded to the nearest.
    halved = 3 * (taps[..., 1:-2:2] + taps[..., 2:-1:2]) + taps[..., :-3:2] + taps[..., 3::2] + np.uint16(4) >> 3
    for members, place, border in ((at_first, 0, [1, 2, 3]), (at_last, -1, [-2, -3, -4])):
        if members.any():
            weighted = pixels[members][..., border].astype(np.int64) @ np.array(_BORDER)
            halved[members, :, place] = weighted + 2 ** (_BITS - 1) >> _BITS
    return halved.astype(np.uint8)


@dataclass(frozen=True)
class Preprocessing:
    """A named way to prepare screens.

    Attributes:
        name: as the config spells it.
        prepared: what makes a screen (210, 160, 3) uint8 ready.
        reach: how many pixels of the screen around its own ``CELL`` x ``CELL`` ones an observed pixel depends on.
    """

    name: str
    prepared: Callable[[np.ndarray], PreparedFrame]
    reach: int

    def prepare(self, screens: np.ndarray) -> np.ndarray:
        """Return the observations (n, 80, 80) float32 in 0..1 of screens (n, 210, 160, 3) uint8."""
        frames = [self.prepared(screen) for screen in screens]
        return np.stack([frame.observation(frame.stretch) for frame in frames])


PREPROCESSINGS: dict[str, Preprocessing] = {
    "cv2": Preprocessing("cv2", _Halved, reach=0),
    "imresize": Preprocessing("imresize", _Stretched, reach=1),
}
