"""Where maps lie: all on the observation, so that maps of the screen and of the observation are treated alike."""

from __future__ import annotations

import cv2
import numpy as np

from searchlight.agents.preprocessing import Preprocessing


def on_observation(image: np.ndarray, preprocessing: Preprocessing, space: str) -> np.ndarray:
    """Return a map on the observation's pixels.

    Of a map of the screen, the part that the agent sees is scaled to the observation: a pixel gets the mean of its
    area. Signed maps become absolute values first, because what raises and what lowers must not cancel.

    Args:
        image: (H, W) float32, a map.
        preprocessing: the agent's.
        space: where the map lies, ``screen`` or ``observation``.

    Returns:
        (height, width) float32.
    """
    image = np.abs(image)
    if space != "screen":
        return image
    top, bottom, left, right = preprocessing.seen
    height, width = preprocessing.shape
    seen = np.ascontiguousarray(image[top:bottom, left:right], np.float32)
    return cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA)
