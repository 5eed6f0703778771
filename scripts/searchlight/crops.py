"""Parts of images, cut out many at a time."""

from __future__ import annotations

from searchlight.lazy import numpy as np


def crops(image: np.ndarray, corners: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return parts of an image, copied.

    Args:
        image: (height, width, …).
        corners: (n, 2) row and column of each part's first pixel.
        size: height and width of all parts.

    Returns:
        (n, *size, …).
    """
    channels = image.shape[2:]
    # Channels become columns, because rows are then copied in one piece.
    flat = np.ascontiguousarray(image).reshape(len(image), -1)
    across = flat.shape[1] // image.shape[1]
    height, width = size[0], size[1] * across
    # All windows as a view. sliding_window_view gives the same, but takes longer than the rest of this function.
    shape = (flat.shape[0] - height + 1, flat.shape[1] - width + 1, height, width)
    found = np.ndarray(shape, flat.dtype, flat, strides=flat.strides * 2)
    return found[corners[:, 0], corners[:, 1] * across].reshape(len(corners), *size, *channels)
