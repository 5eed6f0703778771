"""The common part of ``cv2`` and ``imresize``: rows 35 to 195 of a screen, halved to an 80x80 observation.

Levels are sums of R, G and B, that is three times the grey level, in whole numbers.
"""

from __future__ import annotations

from searchlight.agents.preprocessing import Preprocessing
from searchlight.agents.preprocessings import USUAL_SCREEN
from searchlight.errors import SearchlightError
from searchlight.lazy import numpy as np

TOP, BOTTOM = 35, 195
WIDTH = USUAL_SCREEN[1]
# Side of an observed pixel's square on the screen, in pixels.
CELL = 2


def levels_of(pixels: np.ndarray) -> np.ndarray:
    """Return the levels of pixels (…, 3) uint8: the sums of their channels, (…) uint16."""
    levels = pixels[..., 0].astype(np.uint16)
    levels += pixels[..., 1]
    levels += pixels[..., 2]
    return levels


class Halving(Preprocessing):
    """The geometry of a halved picture.

    Attributes:
        reach: width in pixels of the border around its ``CELL`` x ``CELL`` square that an observed pixel depends on.
    """

    reach: int

    def __init__(self, screen: tuple[int, int]) -> None:
        """Check the screen's size; raise ``SearchlightError`` if it has not these rows, or another width."""
        height, width = screen
        if height < BOTTOM or width != WIDTH:
            raise SearchlightError(
                f"found a screen of {height}x{width} pixels, allowed: a height of at least {BOTTOM}, a width of {WIDTH}"
            )
        self.screen = (height, width)
        self.seen = (TOP, BOTTOM, 0, WIDTH)
        self.shape = ((BOTTOM - TOP) // CELL, WIDTH // CELL)

    def reached(self, boxes: np.ndarray) -> np.ndarray:
        """Return the boxes of the observation that may depend on boxes of the screen."""
        boxes = boxes.copy()
        empty = boxes[:, 1] == 0
        boxes[:, :2] = boxes[:, :2].clip(TOP, BOTTOM) - TOP
        empty |= boxes[:, 0] == boxes[:, 1]
        boxes[:, ::2] = (boxes[:, ::2] - self.reach) // CELL
        boxes[:, 1::2] = -(-(boxes[:, 1::2] + self.reach) // CELL)
        boxes = boxes.clip(0, np.repeat(self.shape, 2))
        boxes[empty] = 0
        return boxes

    def needed(self, boxes: np.ndarray) -> np.ndarray:
        """Return the boxes of the screen that observed pixels cover."""
        return CELL * boxes + [TOP, TOP, 0, 0]

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of the observed pixels' centres on the screen, of rows and of columns."""
        within = (CELL - 1) / 2
        return TOP + CELL * np.arange(self.shape[0]) + within, CELL * np.arange(self.shape[1]) + within
