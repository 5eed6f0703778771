"""Random cells, enlarged to the image: equal to xaitk-saliency's ``RISEGrid``."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from searchlight.config.arguments import Chance, Int, PositiveInt, Table
from searchlight.lazy import numpy as np

NAME = "RISEGrid"


class Arguments(Table):
    """Random masks of `s` x `s` cells, smoothly enlarged and shifted (Petsiuk et al. 2018)."""

    n: PositiveInt = Field(description="Number of masks.")
    s: PositiveInt = Field(description="Cells along each side.")
    p1: Chance = Field(description="Probability that a cell is kept.")
    seed: Int = Field(0, ge=0, description="Seed of the masks.")


def masks(shape: tuple[int, int], arguments: Arguments) -> Iterator[np.ndarray]:
    """Yield random masks, (height, width); cells and shifts have two generators of one seed, as in xaitk."""
    from skimage.transform import resize

    cells, shifts = np.random.default_rng(arguments.seed), np.random.default_rng(arguments.seed)
    cell = np.ceil(np.array(shape) / arguments.s)
    for _ in range(arguments.n):
        grid = (cells.random((arguments.s, arguments.s)) < arguments.p1).astype(np.float32)
        y, x = shifts.integers(0, cell[0]), shifts.integers(0, cell[1])
        enlarged = resize(grid, (arguments.s + 1) * cell, order=1, mode="reflect", anti_aliasing=False)
        yield enlarged[y : y + shape[0], x : x + shape[1]]
