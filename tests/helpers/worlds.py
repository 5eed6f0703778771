"""Worlds for tests, and the stacks that an agent sees in them, made independently of the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from searchlight.agents import wrappers
from searchlight.agents.environment import make_environment
from searchlight.agents.world import Step, World


def make_world(spec: str | dict[str, Any], env: str | dict[str, Any]) -> World:
    """Return the world of an environment as the config names both."""
    return wrappers.build(spec, make_environment(env), env)


def stacks_of(prepare: Callable[[np.ndarray], np.ndarray], count: int, padding: str) -> Callable[[Step], np.ndarray]:
    """Return a function from each step of a world, in turn, to the stack (count, h, w) that its agent sees.

    Args:
        prepare: makes a picture (h, w) of a screen (H, W, 3).
        count: number of pictures.
        padding: what stands before the first picture of a stack, ``zeros`` or the ``first`` one.
    """
    pictures: list[np.ndarray] = []

    def stack(step: Step) -> np.ndarray:
        picture = prepare(step.frame)
        if step.begun:
            before = np.zeros_like(picture) if padding == "zeros" else picture
            pictures[:] = [before] * count
        pictures.append(picture)
        return np.stack(pictures[-count:])

    return stack
