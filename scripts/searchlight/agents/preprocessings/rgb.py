"""The screen as it is, in colour."""

from __future__ import annotations

from collections.abc import Iterator

from searchlight.agents.preprocessing import Changed, PreparedFrame, Preprocessing
from searchlight.agents.preprocessings._stack import Padding, Stack
from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np


class Arguments(Table):
    """For agents trained on the raw screen, without any wrapper: all of its pixels, in red, green and blue.

    The environment's own frame skip is the agent's. A stack is what `VecFrameStack` makes of such screens.
    """

    stack: Stack = 1
    padding: Padding = "zeros"


class _RawScreen(Preprocessing):
    """Screens of any size; each of their pixels is an observed pixel."""

    channels = 3

    def __init__(self, screen: tuple[int, int], arguments: Arguments) -> None:
        self.screen, self.shape, self.seen = screen, screen, (0, screen[0], 0, screen[1])
        self.stack, self.padding = arguments.stack, arguments.padding

    def picture(self, screen: np.ndarray) -> np.ndarray:
        return screen.astype(np.float32) / np.float32(255)

    def prepare(self, screens: np.ndarray) -> PreparedFrame:
        return _Frame(self, screens)

    def reached(self, boxes: np.ndarray) -> np.ndarray:
        return boxes.copy()

    def needed(self, boxes: np.ndarray) -> np.ndarray:
        return boxes.copy()

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(self.shape[0]).astype(np.float64), np.arange(self.shape[1]).astype(np.float64)


class _Frame(PreparedFrame):
    def __init__(self, preprocessing: _RawScreen, screens: np.ndarray) -> None:
        self._preprocessing = preprocessing
        self.observation = preprocessing.stacked([preprocessing.picture(screen) for screen in screens])

    def changed(self, parts: np.ndarray, corners: np.ndarray) -> Iterator[Changed]:
        values = self._preprocessing.picture(parts.reshape(*parts.shape[:3], -1))
        yield Changed(np.arange(len(parts)), self.observation, corners, values)

    def observe_other(self, screen: np.ndarray) -> np.ndarray:
        return self._preprocessing.picture(screen)


def build(screen: tuple[int, int], arguments: Arguments) -> Preprocessing:
    """Return the preprocessing for screens of a height and width."""
    return _RawScreen(screen, arguments)
