"""The image itself, blurred, as in the paper of Greydanus et al. (2018)."""

from __future__ import annotations

from pydantic import Field

from searchlight.config.arguments import PositiveFloat, Table
from searchlight.lazy import numpy as np
from searchlight.saliency.fills import Scene

FORM = "{blur: sigma}"


class Arguments(Table):
    """The image itself, blurred.

    Take it where the whole screen scrolls; or to do as the paper does.

    Its limits: a blur hardly changes small things. Breakout's ball gets less saliency than the average pixel.
    """

    sigma: PositiveFloat = Field(description="Standard deviation in pixels of what is perturbed.")


def image(scene: Scene, arguments: Arguments) -> np.ndarray:
    """Return the blurred image."""
    from scipy.ndimage import gaussian_filter  # imported late, because it takes a fifth of a second

    sigma = (arguments.sigma, arguments.sigma, 0)[: scene.image.ndim]
    blurred = gaussian_filter(scene.image.astype(np.float32), sigma)
    return np.rint(blurred).astype(np.uint8) if scene.image.dtype == np.uint8 else blurred
