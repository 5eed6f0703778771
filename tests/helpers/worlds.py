"""Worlds for tests, and the games that ale-py ships."""

from __future__ import annotations

from typing import Any

import gymnasium
from searchlight.agents import wrappers
from searchlight.agents.environment import make_environment
from searchlight.agents.world import World

IDS = sorted(name for name in gymnasium.registry if name.startswith("ALE/"))
# Games in which ALE's grey is not that of the colours.
OWN_GREY = ("ALE/AirRaid-v5", "ALE/LaserGates-v5")
# Games whose own actions do not begin with NOOP.
NO_NOOP = ("ALE/Backgammon-v5", "ALE/VideoCheckers-v5")


def make_world(spec: str | dict[str, Any], env: str | dict[str, Any]) -> World:
    """Return the world of an environment as the config names both."""
    return wrappers.build(spec, make_environment(env), env)
