"""One level everywhere, such as black in the notebook."""

from __future__ import annotations

from pydantic import Field

from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np
from searchlight.saliency.fills import Scene
from searchlight.saliency.fills._levels import Level, not_whole

FORM = "0 to 255"
SHORT = (int, float)


class Arguments(Table):
    """One level; a number is short for it: `0` is black.

    Take it to ask what still things matter, or to do as the notebook does.

    Its limits: the patch is a new object. By `imresize`, a level outside of the frame's own range shifts every pixel:
    black patches light up the whole field of Pong.
    """

    value: Level = Field(description="0 to 255 on the screen, in whole levels; 0 to 1 in the observation.")


def image(scene: Scene, arguments: Arguments) -> np.ndarray:
    """Return the level, ()."""
    return np.asarray(arguments.value, scene.image.dtype)


def refusal(arguments: Arguments, space: str) -> str | None:
    """Return the reason why the space does not allow the level; None if it does."""
    if space == "screen":
        return not_whole([arguments.value])
    return f"found {arguments.value:g}, allowed in observation space: 0 to 1" if arguments.value > 1 else None


def words(arguments: Arguments) -> str:
    """Return the fill's name on pages."""
    return f"fill {arguments.value:g}"
