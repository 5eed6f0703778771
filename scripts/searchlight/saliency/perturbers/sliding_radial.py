"""A sliding ellipse: equal to xaitk-saliency's ``SlidingRadial``."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from searchlight.config.arguments import FloatPair, IntPair, Table
from searchlight.lazy import numpy as np

NAME = "SlidingRadial"


class Arguments(Table):
    """An ellipse slid over the image, its edge softened by a Gaussian where `sigma` is given."""

    radius: FloatPair = Field((50, 50), description="Radius in y and x in pixels.")
    stride: IntPair = Field((20, 20), description="Step down and across in pixels.")
    sigma: FloatPair | None = Field(None, description="Standard deviation of the softening in y and x in pixels.")


def masks(shape: tuple[int, int], arguments: Arguments) -> Iterator[np.ndarray]:
    """Yield a mask, (height, width), for each place of the ellipse, row by row."""
    from scipy.ndimage import gaussian_filter
    from skimage.draw import ellipse

    for y in range(0, shape[0], arguments.stride[0]):
        for x in range(0, shape[1], arguments.stride[1]):
            hidden = np.zeros(shape, np.float32)
            hidden[ellipse(y, x, *arguments.radius, shape=shape)] = 1
            if arguments.sigma is not None:
                hidden = gaussian_filter(hidden, sigma=arguments.sigma)
                hidden = hidden / hidden.max()
            yield 1 - hidden
