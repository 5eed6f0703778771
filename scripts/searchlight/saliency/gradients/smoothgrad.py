"""SmoothGrad: the mean gradient of noisy copies (Smilkov et al. 2017)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pydantic import Field

from searchlight.config.arguments import Int, PositiveFloat, PositiveInt, Table
from searchlight.lazy import numpy as np
from searchlight.saliency.gradients import Scene

if TYPE_CHECKING:
    from torch import Tensor


class Arguments(Table):
    """The gradient, averaged over copies of the observation with noise. The noise is the same for every frame.

    Take it where `gradient` is too noisy.

    Its limits are those of `gradient`. The noisy copies are pictures that the agent never saw.
    """

    sigma: PositiveFloat = Field(0.1, description="Standard deviation of the noise; the observation's levels are 0..1.")
    samples: PositiveInt = Field(16, description="Number of noisy copies.")
    seed: Int = Field(0, ge=0, description="Seed of the noise.")


def attributions(scene: Scene, arguments: Arguments) -> Tensor:
    """Return the mean gradients, (number, channel, height, width)."""
    import torch

    noise = torch.from_numpy(noise_of(arguments.seed, (arguments.samples, *scene.observation.shape)))
    noise = noise * arguments.sigma
    noise[:, : scene.padding] = 0  # the agent sees zeros there
    return scene.explained.gradients(scene.observation + noise).mean(dim=1)


@lru_cache(1)
def noise_of(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return noise of a standard normal distribution, float32."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)
