"""Bases: what the pixels of an observation are replaced by. A method wins on its own fill, so there are three."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from searchlight.lazy import numpy as np
from searchlight.saliency import fills
from searchlight.saliency.fills import background, blur, level

if TYPE_CHECKING:
    from searchlight.agents.preprocessing import Preprocessing
    from searchlight.saliency.recorded import Moment

# Standard deviation of the blur, in pixels of the observation.
SIGMA = 3.0
BASES = ("black", "blur", "background")


def window() -> int | Literal["episode"]:
    """Return the window of the background."""
    return background.Arguments().window


def bases_of(moment: Moment, preprocessing: Preprocessing) -> np.ndarray:
    """Return the bases of a frame, (base, height, width, channel) float32, in the order of ``BASES``.

    In all pictures of a stack, each by its own base. Pictures that a young stack does not have stay zeros.
    """
    made = (
        partial(level.image, arguments=level.Arguments(value=0)),
        partial(blur.image, arguments=blur.Arguments(sigma=SIGMA)),
        partial(background.image, arguments=background.Arguments()),
    )
    pictures = len(moment.screens)
    return np.stack([fills.filled(fill, moment.prepared, preprocessing, pictures, moment.backgrounds) for fill in made])
