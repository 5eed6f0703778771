"""The background: the median of the screens around a frame (``searchlight.saliency.background``)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from searchlight.config.allowed import Allowed
from searchlight.config.arguments import PositiveInt, Table
from searchlight.lazy import numpy as np
from searchlight.saliency.fills import Scene

FORM = "background, {background: decisions or episode}"
UNCHANGED = "nothing moves against its background"


class Arguments(Table):
    """What is usually there: the median of 61 screens around the frame.

    Take it first: it takes out what moves, and shows what the agent makes of that. Take a small window where what moves
    slowly should stay, and `episode` where nothing is ever gone.

    Its limits: what stands still all the time (walls, a brick that is never hit) is never taken out, so it is never
    salient. Where the whole screen scrolls (Enduro, RiverRaid), it is a smear that the agent never saw. What is gone
    comes back for a dozen decisions; in an episode's last 200 for longer, since nothing comes after them. A small
    window does not take out what is slow (SpaceInvaders' cannon at 30). `episode` paints back what is gone: most of the
    critic's saliency of the default clip lies on bricks that were hit.

    The pictures that it uses are in `results/backgrounds/AGENT/seed-SEED/`.
    """

    window: Annotated[PositiveInt | Literal["episode"], Allowed("a whole number greater than 0, or `episode`")] = Field(
        200,
        description="How many decisions before and after the frame the screens are drawn from, or `episode` for all.",
    )


def image(scene: Scene, arguments: Arguments) -> np.ndarray:
    """Return the background of the frame, an image like the scene's."""
    return scene.background()


def window(arguments: Arguments) -> int | Literal["episode"]:
    """Return the window of the background: decisions around a frame, or ``episode``."""
    return arguments.window
