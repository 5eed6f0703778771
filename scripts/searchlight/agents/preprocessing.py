"""Interface of a preprocessing: from the screen to the network's observation, with all sizes and geometry.

Only the files of ``searchlight.agents.preprocessings`` know how large a screen or an observation is.

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
    """Parts of an observation that result from changed parts of the screen.

    Attributes:
        members: (n,) indices of the changed parts, among those given to ``PreparedFrame.changed``.
        observation: (height, width) float32, values outside of the parts: the frame's own observation, or another.
        corners: (n, 2) row and column of the first observed pixel of each part.
        values: (n, h, w) float32, values inside the parts.
        everywhere: whether every observed pixel differs from the frame's own observation, also outside of the parts.
    """

    members: np.ndarray
    observation: np.ndarray
    corners: np.ndarray
    values: np.ndarray
    everywhere: bool = False


class PreparedFrame(ABC):
    """One prepared screen, which can be prepared again with changed parts.

    Attributes:
        observation: (height, width) float32 in 0..1, of the unchanged screen.
    """

    observation: np.ndarray

    @abstractmethod
    def changed(self, parts: np.ndarray, corners: np.ndarray) -> Iterator[Changed]:
        """Yield the observation under each changed part; values equal those from preparing the whole changed screen.

        Args:
            parts: (n, H, W, 3) uint8, changed pixels of the boxes that ``Preprocessing.needed`` returned.
            corners: (n, 2) row and column of the first observed pixel of each part.
        """

    @abstractmethod
    def observe_other(self, screen: np.ndarray) -> np.ndarray:
        """Return the observation of another screen, prepared with parameters of this one, such as its range."""


class Preprocessing(ABC):
    """A way to prepare screens of one size.

    Attributes:
        screen: height and width of the screen in pixels.
        shape: height and width of the observation.
        seen: top, bottom, left and right of the part of the screen that the observation shows.
    """

    screen: tuple[int, int]
    shape: tuple[int, int]
    seen: tuple[int, int, int, int]

    @abstractmethod
    def prepare(self, screen: np.ndarray) -> PreparedFrame:
        """Prepare a screen (H, W, 3) uint8."""

    @abstractmethod
    def reached(self, boxes: np.ndarray) -> np.ndarray:
        """Return the boxes of the observation that may depend on boxes of the screen."""

    @abstractmethod
    def needed(self, boxes: np.ndarray) -> np.ndarray:
        """Return the boxes of the screen that ``PreparedFrame.changed`` needs for boxes of the observation.

        Boxes of equal size give boxes of equal size. They must hold all changed pixels.
        """

    @abstractmethod
    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of observed pixels' centres on the screen: rows (height,) and columns (width,)."""

    def observe(self, screens: np.ndarray) -> np.ndarray:
        """Return the observations (n, height, width) float32 in 0..1 of screens (n, H, W, 3) uint8."""
        return np.stack([self.prepare(screen).observation for screen in screens])
