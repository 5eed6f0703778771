"""Worlds for tests."""

from __future__ import annotations

from typing import Any

from searchlight.agents import wrappers
from searchlight.agents.environment import make_environment
from searchlight.agents.world import World


def make_world(spec: str | dict[str, Any], env: str | dict[str, Any]) -> World:
    """Return the world of an environment as the config names both."""
    return wrappers.build(spec, make_environment(env), env)
