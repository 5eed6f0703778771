"""Random cells of a fixed grid, kept or hidden as a whole: samples for ``LIME``."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from searchlight.config.arguments import Chance, Int, IntPair, PositiveInt, Table
from searchlight.lazy import numpy as np

NAME = "RandomCells"


class Arguments(Table):
    """Random masks of whole cells of `s` pixels: hard edges, and the same grid in all masks."""

    n: PositiveInt = Field(description="Number of masks.")
    s: IntPair = Field(description="Height and width of a cell in pixels; the last row and column may be cut.")
    p1: Chance = Field(0.5, description="Probability that a cell is kept.")
    seed: Int = Field(0, ge=0, description="Seed of the masks.")


def masks(shape: tuple[int, int], arguments: Arguments) -> Iterator[np.ndarray]:
    """Yield random masks, (height, width) float32 of 0 and 1."""
    cells = np.random.default_rng(arguments.seed)
    (height, width), (tall, wide) = shape, arguments.s
    for _ in range(arguments.n):
        grid = (cells.random((-(-height // tall), -(-width // wide))) < arguments.p1).astype(np.float32)
        yield grid.repeat(tall, axis=0).repeat(wide, axis=1)[:height, :width]
