"""The world of CleanRL's Atari scripts.

They take stable-baselines3's wrappers, in an order that only changes what becomes of a frame and of a reward. So the
world is the same; the stack and the resize are the preprocessing's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from searchlight.agents.world import World
from searchlight.agents.wrappers._baselines import Baselines, BaselinesArguments

if TYPE_CHECKING:
    import gymnasium


class Arguments(BaselinesArguments):
    """`make_env` of CleanRL's `dqn_atari.py`, `ppo_atari.py` and the like: the same world as `sb3`."""


def build(environment: gymnasium.Env, arguments: Arguments) -> World:
    """Return the world of an environment without a frame skip of its own."""
    return Baselines(environment, arguments)
