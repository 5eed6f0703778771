"""Mean of RGB, halved, as the XAITK notebook does with OpenCV."""

from __future__ import annotations

from collections.abc import Iterator

from searchlight.agents.preprocessing import Changed, PreparedFrame
from searchlight.agents.preprocessings._halving import BOTTOM, TOP, Halving, levels_of
from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np


class Arguments(Table):
    """Rows 35 to 195 of the screen, the mean of RGB, halved to 80x80: as the XAITK notebook does with OpenCV."""


class _Frame(PreparedFrame):
    """A screen whose observed pixels are each the mean of their own screen pixels only."""

    def __init__(self, screen: np.ndarray) -> None:
        self.observation = _picture(screen)

    def changed(self, parts: np.ndarray, corners: np.ndarray) -> Iterator[Changed]:
        values = _halved(levels_of(parts[:, :, :, 0]))[..., None]
        yield Changed(np.arange(len(parts)), self.observation, corners, values)

    def observe_other(self, screen: np.ndarray) -> np.ndarray:
        return _picture(screen)


class _Halved(Halving):
    reach = 0

    def picture(self, screen: np.ndarray) -> np.ndarray:
        return _picture(screen)

    def prepare(self, screens: np.ndarray) -> PreparedFrame:
        return _Frame(screens[-1])


def _picture(screen: np.ndarray) -> np.ndarray:
    """Return the observation (height, width, 1) of a screen."""
    return _halved(levels_of(screen[None, TOP:BOTTOM]))[0, :, :, None]


def _halved(levels: np.ndarray) -> np.ndarray:
    """Return parts of the observation (n, h, w) float32 of levels (n, 2h, 2w) uint16.

    At exactly half size, cv2.resize's bilinear filter computes the mean over RGB and 2x2 pixels. Sums of twelve uint8
    are exact in uint16, so the result depends neither on their order nor on the batch.
    """
    rows = levels[:, 0::2] + levels[:, 1::2]
    cells = rows[:, :, 0::2] + rows[:, :, 1::2]
    return (cells / 12.0).astype(np.float32) / np.float32(255.0)


def build(screen: tuple[int, int], arguments: Arguments) -> Halving:  # noqa: ARG001  it has none
    """Return the preprocessing for screens of a height and width."""
    return _Halved(screen)
