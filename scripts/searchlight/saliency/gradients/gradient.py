"""The plain gradient (Simonyan et al. 2013)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from searchlight.config.arguments import Table
from searchlight.saliency.gradients import Scene

if TYPE_CHECKING:
    from torch import Tensor


class Arguments(Table):
    """How much the smallest change of each pixel matters.

    Take it for a quick first look (milliseconds a frame), or as what others compare with.

    Its limits: it speaks of changes too small to see, not of what would be there instead. It is noisy. On Breakout it
    marks the ball less than the average pixel, and faithfulness measures it no better than random maps.
    """


def attributions(scene: Scene, arguments: Arguments) -> Tensor:
    """Return the gradients, (number, channel, height, width)."""
    return scene.explained.gradients(scene.observation[None])[:, 0]
