"""From the 210x160 colour screen to the 80x80 observation that the agents were trained on.

Both ways crop the rows 35 to 195, take the mean of RGB and halve the picture. ``cv2`` is what the XAITK notebook
does; ``imresize`` first stretches each frame's own range to 0..255, as ``scipy.misc.imresize`` silently did when the
agents of Greydanus et al. (2018) were trained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

SCREEN = (210, 160)
TOP, BOTTOM = 35, 195
CELL = 2
OBSERVATION = ((BOTTOM - TOP) // CELL, SCREEN[1] // CELL)


@dataclass(frozen=True)
class Preprocessing:
    """A named way to prepare screens.

    Attributes:
        name: as the config spells it.
        prepare: screens (n, 210, 160, 3) uint8 to observations (n, 80, 80) float32 in 0..1.
        prepare_cells: where each observed pixel depends on its own ``CELL`` x ``CELL`` pixels of the screen alone,
            the same for any part of the cropped screen whose corners lie on that grid: (n, 2h, 2w, 3) uint8 to
            (n, h, w) float32, bit for bit what ``prepare`` gives there; None where the whole screen is needed.
    """

    name: str
    prepare: Callable[[np.ndarray], np.ndarray]
    prepare_cells: Callable[[np.ndarray], np.ndarray] | None


def _cv2_cells(pixels: np.ndarray) -> np.ndarray:
    """Mean over RGB and 2x2 pixels; at exactly half size this is what ``cv2.resize``'s bilinear filter computes."""
    count, height, width, _ = pixels.shape
    # Sums of twelve uint8 are exact in uint16: the result depends neither on the order nor on the batch.
    levels = pixels[..., 0].astype(np.uint16)
    levels += pixels[..., 1]
    levels += pixels[..., 2]
    rows = levels[:, 0::2] + levels[:, 1::2]
    cells = rows[:, :, 0::2] + rows[:, :, 1::2]
    return (cells.reshape(count, height // CELL, width // CELL) / 12.0).astype(np.float32) / np.float32(255.0)


def _cv2(screens: np.ndarray) -> np.ndarray:
    return _cv2_cells(screens[:, TOP:BOTTOM])


def _imresize(screens: np.ndarray) -> np.ndarray:
    grey = screens[:, TOP:BOTTOM].mean(axis=3)
    low = grey.min(axis=(1, 2), keepdims=True)
    spread = grey.max(axis=(1, 2), keepdims=True) - low
    spread[spread == 0] = 1
    stretched = ((grey - low) * (255.0 / spread) + 0.5).astype(np.uint8)
    size = OBSERVATION[::-1]
    halved = [np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)) for image in stretched]
    return np.stack(halved).astype(np.float32) / np.float32(255.0)


PREPROCESSINGS: dict[str, Preprocessing] = {
    "cv2": Preprocessing("cv2", _cv2, _cv2_cells),
    "imresize": Preprocessing("imresize", _imresize, None),
}
