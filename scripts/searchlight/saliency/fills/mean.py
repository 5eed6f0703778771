"""The mean colour of what the agent sees."""

from __future__ import annotations

from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np
from searchlight.saliency.fills import Scene

FORM = "mean"


class Arguments(Table):
    """The mean level or colour of what the agent sees of the frame. For comparison: its limits are those of `level`."""


def image(scene: Scene, arguments: Arguments) -> np.ndarray:
    """Return the mean level, (), or colour, (3,)."""
    mean = scene.seen.mean(axis=(0, 1), dtype=np.float64)
    return np.rint(mean).astype(np.uint8) if scene.image.dtype == np.uint8 else mean.astype(np.float32)


def words(arguments: Arguments) -> str:
    """Return the fill's name on pages."""
    return "fill mean"
