"""The world of stable-baselines3's ``AtariWrapper``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from searchlight.agents.world import World
from searchlight.agents.wrappers._baselines import Baselines, BaselinesArguments

if TYPE_CHECKING:
    import gymnasium


class Arguments(BaselinesArguments):
    """`make_atari_env` of stable-baselines3 and its zoo, for environments such as `BreakoutNoFrameskip-v4`.

    No-ops begin a game, an action lasts four frames of which the agent sees the maximum of the last two, a lost life is
    an end, and FIRE is pressed after it.
    """


def build(environment: gymnasium.Env, arguments: Arguments) -> World:
    """Return the world of an environment without a frame skip of its own."""
    return Baselines(environment, arguments)
