"""One colour everywhere; on the screen alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from searchlight.config.allowed import Allowed
from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np
from searchlight.saliency.fills import Scene
from searchlight.saliency.fills._levels import Level, not_whole

FORM = "[red, green, blue]"
SHORT = (list, tuple)


class Arguments(Table):
    """A colour, on the screen alone; `[red, green, blue]` is short for it. Its limits are those of `level`."""

    rgb: Annotated[tuple[Level, Level, Level], Allowed("[red, green, blue], each 0 to 255")] = Field(
        description="Red, green and blue, 0 to 255."
    )


def image(scene: Scene, arguments: Arguments) -> np.ndarray:
    """Return the colour, (3,)."""
    return np.asarray(arguments.rgb, scene.image.dtype)


def refusal(arguments: Arguments, space: str) -> str | None:
    """Return the reason why the space does not allow the colour; None if it does."""
    if space == "observation":
        return f"found the colour {list(arguments.rgb)}, allowed in observation space: 0 to 1"
    return not_whole(arguments.rgb)


def words(arguments: Arguments) -> str:
    """Return the fill's name on pages."""
    return "fill " + ",".join(f"{level:g}" for level in arguments.rgb)
