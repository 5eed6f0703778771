"""The gradient times the observation (Shrikumar et al. 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from searchlight.config.arguments import Table
from searchlight.saliency.gradients import Scene

if TYPE_CHECKING:
    from torch import Tensor

SIGNED = True


class Arguments(Table):
    """The gradient of each pixel times its level: what is bright and matters.

    Take it where things are bright on black, and `gradient` is too noisy.

    Its limits: what is black is never salient, such as the place where a brick was. It is what `integrated_gradients`
    with a black base would be for a linear network, which a trained one is not.
    """


def attributions(scene: Scene, arguments: Arguments) -> Tensor:
    """Return the gradients times the observation, (number, channel, height, width)."""
    return scene.explained.gradients(scene.observation[None])[:, 0] * scene.observation
