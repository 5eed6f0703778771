"""The Atari environments, made in the same way for playing and for replaying."""

from __future__ import annotations

from typing import Any, cast

import ale_py
import gymnasium
from gymnasium.envs.registration import EnvSpec

from searchlight.errors import SearchlightError, one_line

gymnasium.register_envs(ale_py)
gymnasium.logger.min_level = gymnasium.logger.ERROR  # published agents need old ids, so no warnings


def make_environment(name: str, key: str = "env") -> gymnasium.Env:
    """Make an Atari environment whose observation is the screen, (H, W, 3) uint8; errors name ``key``.

    Raises:
        SearchlightError: the environment does not exist, or is not an Atari game with a screen in colour.
    """
    try:
        environment = gymnasium.make(name)
    except Exception as error:  # for a wrong name, gymnasium raises many kinds, also ImportError
        raise SearchlightError(f"{key}: found '{name}': {one_line(error)}") from error
    if not isinstance(environment.unwrapped, ale_py.AtariEnv):
        raise SearchlightError(f"{key}: found '{name}', allowed: an Atari (ALE) environment")
    shape = environment.observation_space.shape
    if shape is None or len(shape) != 3 or shape[2] != 3:
        raise SearchlightError(f"{key}: found '{name}' with observations of shape {shape}, allowed: a screen in colour")
    return environment


def game_of(environment: gymnasium.Env) -> ale_py.AtariEnv:
    """Return the game behind gymnasium's wrappers."""
    return cast("ale_py.AtariEnv", environment.unwrapped)


def screen_of(environment: gymnasium.Env) -> tuple[int, int]:
    """Return the height and width of the screen in pixels."""
    height, width, _ = cast("tuple[int, int, int]", environment.observation_space.shape)
    return height, width


def describe_environment(environment: gymnasium.Env) -> dict[str, Any]:
    """Return the id, settings and action names of the environment, in plain types, to make it again."""
    spec = cast("EnvSpec", environment.spec)  # gymnasium.make sets it
    settings = {name: value for name, value in spec.kwargs.items() if not callable(value)}
    return {
        "environment": spec.id,
        "environment_settings": {name: list(v) if isinstance(v, tuple) else v for name, v in settings.items()},
        "action_meanings": list(game_of(environment).get_action_meanings()),
    }
