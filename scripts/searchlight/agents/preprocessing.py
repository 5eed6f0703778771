"""Interface of a preprocessing: from the screen to the network's observation, with all sizes and geometry.

Only the files of ``searchlight.agents.preprocessings`` know how large a screen or an observation is. Observations have
their channels last; ``searchlight.agents.policy`` takes them first, as torch does.

Boxes are arrays (n, 4) int64: top, bottom, left and right, where bottom and right are the first row and column after
the box. An empty box is all zeros.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from searchlight.lazy import numpy as np


@dataclass(frozen=True)
class Changed:
    """Parts of an observation that result from changed parts of its screens.

    Attributes:
        members: (n,) indices of the changed parts, among those given to ``PreparedFrame.changed``.
        observation: (height, width, channel) float32, values outside of the parts: the frame's own, or another.
        corners: (n, 2) row and column of the first observed pixel of each part.
        values: (n, h, w, c) float32, values inside the parts, of the newest ``c`` channels; the others do not change.
        everywhere: whether every observed pixel differs from the frame's own observation, also outside of the parts.
    """

    members: np.ndarray
    observation: np.ndarray
    corners: np.ndarray
    values: np.ndarray
    everywhere: bool = False


class PreparedFrame(ABC):
    """One decision's observation, which can be made again with changed parts of its screens.

    Attributes:
        observation: (height, width, channel) float32 in 0..1, of the unchanged screens.
    """

    observation: np.ndarray

    @abstractmethod
    def changed(self, parts: np.ndarray, corners: np.ndarray) -> Iterator[Changed]:
        """Yield the observation under each changed part; values equal those from preparing whole changed screens.

        Args:
            parts: (n, H, W, picture, 3) uint8, changed pixels of the boxes that ``Preprocessing.needed`` returned, in
                the screens of the newest pictures.
            corners: (n, 2) row and column of the first observed pixel of each part.
        """

    @abstractmethod
    def observe_other(self, screen: np.ndarray) -> np.ndarray:
        """Return another screen as a picture, (height, width, channels), by parameters of this frame, as its range."""


class Preprocessing(ABC):
    """A way to prepare screens of one size.

    An observation is a stack of pictures, each of its own screen. Its channels are the pictures' channels, oldest
    picture first.

    Attributes:
        screen: height and width of the screen in pixels.
        shape: height and width of the observation.
        seen: top, bottom, left and right of the part of the screen that the observation shows.
        channels: number of channels of a picture: 1 for grey, 3 for RGB.
        stack: number of pictures in an observation.
        padding: what stands in place of pictures before a stack was begun: the ``first`` picture, or ``zeros``.
    """

    screen: tuple[int, int]
    shape: tuple[int, int]
    seen: tuple[int, int, int, int]
    channels: int = 1
    stack: int = 1
    padding: Literal["first", "zeros"] = "first"

    @abstractmethod
    def picture(self, screen: np.ndarray) -> np.ndarray:
        """Return the picture (height, width, channels) float32 in 0..1 of a screen (H, W, 3) uint8."""

    @abstractmethod
    def prepare(self, screens: np.ndarray) -> PreparedFrame:
        """Prepare the screens of one observation, (picture, H, W, 3) uint8, oldest first.

        There are fewer screens than ``stack`` if zeros stand in place of the oldest pictures.
        """

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

    def decisions(self, decision: int, begun: int) -> list[int]:
        """Return the decisions whose screens an observation is made of, oldest first.

        Args:
            decision: the observation's own decision, which is the last one returned.
            begun: the decision at which its stack was begun.
        """
        wanted = range(decision - self.stack + 1, decision + 1)
        if self.padding == "zeros":
            return [one for one in wanted if one >= begun]
        return [max(begun, one) for one in wanted]

    def stacked(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Return the observation (height, width, channel) of pictures, oldest first; zeros stand for missing ones."""
        missing = self.channels * (self.stack - len(pictures))
        zeros = [np.zeros((*self.shape, missing), np.float32)] if missing else []
        return np.concatenate([*zeros, *pictures], axis=2)
