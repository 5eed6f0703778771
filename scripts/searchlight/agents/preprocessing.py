"""How a screen becomes what the network sees: an object that owns every size and all geometry.

No module but the files of ``searchlight.agents.preprocessings`` knows how large a screen or an observation is.

Boxes are arrays (n, 4) int64: top, bottom, left and right, where bottom and right are the first row and column after
the box. An empty box is all zeros.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from searchlight.lazy import numpy as np


@dataclass(frozen=True)
class Changed:
    """Parts of an observation as changed parts of the screen make them.

    Attributes:
        members: (n,) which of the given parts of the screen these are.
        observation: (height, width) float32, what they change. It is the frame's own, or another one that holds for
            these changes where they touch no pixel.
        corners: (n, 2) row and column of the first observed pixel of each.
        values: (n, h, w) float32, the observation from there on.
        everywhere: whether every observed pixel differs from the frame's own observation, in the parts or not.
    """

    members: np.ndarray
    observation: np.ndarray
    corners: np.ndarray
    values: np.ndarray
    everywhere: bool = False


class PreparedFrame(ABC):
    """One screen, ready to be prepared again where parts of it change.

    Attributes:
        observation: (height, width) float32 in 0..1, of the screen as it is.
    """

    observation: np.ndarray

    @abstractmethod
    def changed(self, parts: np.ndarray, corners: np.ndarray) -> Iterator[Changed]:
        """Yield what changed parts of the screen make of the observation, exactly as the whole screen would.

        Args:
            parts: (n, H, W, 3) uint8, the pixels of boxes that ``Preprocessing.needed`` returned, changed.
            corners: (n, 2) row and column of the first observed pixel that each reaches.
        """

    @abstractmethod
    def observe_other(self, screen: np.ndarray) -> np.ndarray:
        """Return the observation of another screen, prepared by what this screen determines, such as its range."""


class Preprocessing(ABC):
    """A way to prepare screens of one size.

    Attributes:
        screen: height and width of the screen in pixels.
        shape: height and width of the observation.
        seen: top, bottom, left and right of the part of the screen that the observation is made from.
    """

    screen: tuple[int, int]
    shape: tuple[int, int]
    seen: tuple[int, int, int, int]

    @abstractmethod
    def prepare(self, screen: np.ndarray) -> PreparedFrame:
        """Return a screen (H, W, 3) uint8, prepared."""

    @abstractmethod
    def reached(self, boxes: np.ndarray) -> np.ndarray:
        """Return the boxes of the observation that may depend on boxes of the screen."""

    @abstractmethod
    def needed(self, boxes: np.ndarray) -> np.ndarray:
        """Return the boxes of the screen whose pixels ``PreparedFrame.changed`` takes for boxes of the observation.

        Boxes of one size need boxes of one size. They hold all pixels that were changed.
        """

    @abstractmethod
    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Return where on the screen the centres of observed pixels lie: of rows (height,), of columns (width,)."""

    def observe(self, screens: np.ndarray) -> np.ndarray:
        """Return the observations (n, height, width) float32 in 0..1 of screens (n, H, W, 3) uint8."""
        return np.stack([self.prepare(screen).observation for screen in screens])
