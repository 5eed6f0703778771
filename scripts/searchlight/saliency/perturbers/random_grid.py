"""Random cells of a size in pixels: equal to xaitk-saliency's ``RandomGrid``."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from searchlight.config.arguments import Chance, Int, IntPair, PositiveInt, Table
from searchlight.lazy import numpy as np

NAME = "RandomGrid"


class Arguments(Table):
    """Random masks of cells of `s` pixels, smoothly enlarged and shifted."""

    n: PositiveInt = Field(description="Number of masks.")
    s: IntPair = Field(description="Height and width of a cell in pixels.")
    p1: Chance = Field(description="Probability that a cell is kept.")
    seed: Int = Field(0, ge=0, description="Seed of the masks.")


def masks(shape: tuple[int, int], arguments: Arguments) -> Iterator[np.ndarray]:
    """Yield random masks, (height, width); cells and shifts have two generators of one seed, as in xaitk."""
    from skimage.transform import resize

    cells, shifts = np.random.default_rng(arguments.seed), np.random.default_rng(arguments.seed)
    cell, size = np.array(arguments.s), np.array(shape)
    grid_shape = size // cell + 1 + (size % cell != 0)
    enlarged_shape = grid_shape * cell
    centre = (enlarged_shape - size) // 2
    reach = cell // 2
    for _ in range(arguments.n):
        grid = (cells.random(tuple(grid_shape)) < arguments.p1).astype(np.float32)
        x = centre[1] + (shifts.integers(-reach[1], reach[1]) if reach[1] else 0)
        y = centre[0] + (shifts.integers(-reach[0], reach[0]) if reach[0] else 0)
        yield resize(grid, enlarged_shape, order=1)[y : y + shape[0], x : x + shape[1]]
