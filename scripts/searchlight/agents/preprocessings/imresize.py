"""As ``cv2``, but the screen's own range is stretched to 0..255 first.

``scipy.misc.imresize`` silently did so when the agents of Greydanus et al. (2018) were trained.

An observed pixel depends on its part of the screen and on the stretch: the smallest and largest level of the whole
screen. A change that moves one of these levels changes every observed pixel. Each new stretch therefore gets a further
observation: the unchanged screen under that stretch. Relative to it, the change affects a small part only.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from searchlight.agents.preprocessing import Changed, PreparedFrame
from searchlight.agents.preprocessings._halving import BOTTOM, CELL, TOP, Halving, levels_of
from searchlight.config.arguments import Table
from searchlight.crops import crops
from searchlight.lazy import numpy as np

# The smallest and the largest level of a screen.
Stretch = tuple[int, int]
# How many levels there are.
LEVELS = 3 * 255 + 1
# Weights of Pillow's bilinear filter at a border, where it has three taps, in its fixed-point numbers.
_BITS = 22
_BORDER = [int(0.5 + weight * (1 / 1.75) * 2**_BITS) for weight in (0.75, 0.75, 0.25)]
# Larger parts than this share of the screen give a whole observation if their stretch is new.
WIDE = 0.5
# Whole observations made at a time.
MAX_WHOLE = 32


class Arguments(Table):
    """As `cv2`, with the screen's range stretched to 0..255 first: for agents trained with `scipy.misc.imresize`."""


class _Frame(PreparedFrame):
    """A screen, stretched to 0..255, then halved by a filter of four pixels down and across."""

    def __init__(self, screen: np.ndarray) -> None:
        self._levels = levels_of(screen[TOP:BOTTOM])
        self.stretch = (int(self._levels.min()), int(self._levels.max()))
        # One more pixel on each side, for parts at a border; the filter ignores it there.
        self._padded = np.pad(self._levels, 1)
        self.observation = self._observed(self.stretch)
        self._observations = {self.stretch: self.observation}

    def changed(self, parts: np.ndarray, corners: np.ndarray) -> Iterator[Changed]:
        levels = levels_of(parts[:, :, :, 0])
        wide = levels[0].size > WIDE * self._levels.size
        stretches = self._stretches(levels, corners)
        # Each stretch becomes one number, because one is sorted faster than two.
        _, first, of_part, counts = np.unique(
            stretches @ [LEVELS, 1], return_index=True, return_inverse=True, return_counts=True
        )
        found = stretches[first]
        alone = [np.zeros(0, np.int64)]
        for number, stretch in enumerate(map(tuple, found.tolist())):
            members = np.flatnonzero(of_part == number)
            if stretch not in self._observations:
                if wide or counts[number] == 1:
                    # Whole observations for these changes are as cheap as a further observation.
                    alone.append(members)
                    continue
                self._observations[stretch] = self._observed(stretch)
            values = self._parts(levels[members], corners[members], stretch)[..., None]
            # Another stretch changes all observed pixels, although some may keep their value by chance.
            everywhere = stretch != self.stretch
            yield Changed(members, self._observations[stretch], corners[members], values, everywhere)
        rest = np.concatenate(alone)
        for start in range(0, len(rest), MAX_WHOLE):
            some = rest[start : start + MAX_WHOLE]
            wholes = [self._whole(levels[member], corners[member], found[of_part[member]]) for member in some]
            yield Changed(some, self.observation, np.zeros((len(some), 2), np.int64), np.stack(wholes))

    def observe_other(self, screen: np.ndarray) -> np.ndarray:
        levels = levels_of(screen[TOP:BOTTOM])
        around = np.pad(levels, 1)[None]
        return _halved(around, np.ones((1, 2), bool), np.ones((1, 2), bool), self.stretch)[0, :, :, None]

    def _stretches(self, levels: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """Return the stretch of the whole screen under each change, (n, 2) int64."""
        extremes = [self._extremes(levels, corners, extreme) for extreme in (np.minimum, np.maximum)]
        return np.stack(extremes, axis=1).astype(np.int64)

    def _extremes(self, levels: np.ndarray, corners: np.ndarray, extreme: np.ufunc) -> np.ndarray:
        """Return the smallest (or largest) level of the whole screen under each change, (n,)."""
        height, width = levels.shape[1:]
        unchanged = extreme.reduce(self._levels, axis=None)
        inside = extreme.reduce(levels, axis=(1, 2))
        # Correct unless the part holds all pixels of the unchanged extreme and loses them.
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

    def _parts(self, levels: np.ndarray, corners: np.ndarray, stretch: Stretch) -> np.ndarray:
        """Return the observation of changed parts under one stretch, (n, h, w) float32; other pixels are unchanged."""
        height, width = levels.shape[1:]
        around = crops(self._padded, CELL * corners, (height + 2, width + 2))
        around[:, 1:-1, 1:-1] = levels
        first, last = corners == 0, CELL * corners + (height, width) == self._levels.shape
        return _halved(around, first, last, stretch)

    def _observed(self, stretch: Stretch) -> np.ndarray:
        """Return the observation of the unchanged screen under a stretch, (height, width, 1)."""
        return self._parts(self._levels[None], np.zeros((1, 2), np.int64), stretch)[0, :, :, None]

    def _whole(self, levels: np.ndarray, corner: np.ndarray, stretch: np.ndarray) -> np.ndarray:
        """Return the whole observation under one changed part and its stretch, (height, width, 1)."""
        changed, (top, left), (height, width) = self._levels.copy(), CELL * corner, levels.shape
        changed[top : top + height, left : left + width] = levels
        low, high = stretch.tolist()
        return self._parts(changed[None], np.zeros((1, 2), np.int64), (low, high))[0, :, :, None]


class _Stretched(Halving):
    reach = 1

    def picture(self, screen: np.ndarray) -> np.ndarray:
        return _Frame(screen).observation

    def prepare(self, screens: np.ndarray) -> PreparedFrame:
        return _Frame(screens[-1])


def build(screen: tuple[int, int], arguments: Arguments) -> Halving:  # noqa: ARG001  it has none
    """Return the preprocessing for screens of a height and width."""
    return _Stretched(screen)


@lru_cache(maxsize=1024)
def _stretching(stretch: Stretch) -> np.ndarray:
    """Return the stretched value of each level, (766,) uint8; levels outside of the range are cut to it."""
    grey = np.arange(LEVELS) / 3
    low, high = grey[list(stretch)]
    spread = high - low if high > low else 1.0
    return np.clip((grey - low) * (255.0 / spread) + 0.5, 0, 255).astype(np.uint8)


def _halved(around: np.ndarray, first: np.ndarray, last: np.ndarray, stretch: Stretch) -> np.ndarray:
    """Return stretched and halved parts, (n, h, w) float32.

    Args:
        around: (n, 2h + 2, 2w + 2) uint16, levels of the parts and of one more pixel on each side.
        first: (n, 2) bool, whether the part lies at the screen's top, and at its left.
        last: (n, 2) bool, whether the part lies at the screen's bottom, and at its right.
        stretch: smallest and largest level of the whole screen.
    """
    halved = _halved_across(_stretching(stretch)[around], first[:, 1], last[:, 1])
    halved = _halved_across(halved.swapaxes(1, 2), first[:, 0], last[:, 0]).swapaxes(1, 2)
    return np.ascontiguousarray(halved, np.float32) / np.float32(255.0)


def _halved_across(pixels: np.ndarray, at_first: np.ndarray, at_last: np.ndarray) -> np.ndarray:
    """Halve pictures along their last axis, bit for bit as Pillow's bilinear filter does.

    Args:
        pixels: (n, rows, 2w + 2) uint8, the pictures with one more pixel on each side.
        at_first: (n,) bool, whether the screen begins after the first pixel. The filter then has three taps there.
        at_last: (n,) bool, whether the screen ends before the last pixel, likewise.

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
