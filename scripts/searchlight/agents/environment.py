"""The Atari environments, made in the same way for playing and for replaying."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import ale_py
import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Discrete

from searchlight.config import environments
from searchlight.config.environments import own_code, own_module
from searchlight.errors import SearchlightError, one_line

gymnasium.register_envs(ale_py)
gymnasium.logger.min_level = gymnasium.logger.ERROR  # published agents need old ids, so no warnings


def make_environment(env: str | dict[str, Any], key: str = "env") -> gymnasium.Env:
    """Make an Atari environment whose observation is the screen, (H, W, 3) uint8; errors name ``key``.

    Args:
        env: its id, or ``{id: …, argument: value}``. A module before the id is imported; the working directory's own
            comes first.
        key: key of the environment in the config.

    Raises:
        SearchlightError: the environment does not exist, or is not an Atari game with a screen in colour.
    """
    try:
        spec = environments.check(env)
    except SearchlightError as error:
        raise SearchlightError(f"{key}: {error}") from error
    arguments: dict[str, Any] = dict(spec) if isinstance(spec, dict) else {"id": spec}
    if isinstance(skip := arguments.get("frameskip"), list):
        arguments["frameskip"] = tuple(skip)
    name = environments.written(spec)
    try:
        with _own_modules(spec):
            environment = gymnasium.make(arguments.pop("id"), **arguments)
    except ModuleNotFoundError as error:
        missing = error.name or getattr(error.__cause__, "name", None)  # gymnasium raises one of its own from it
        raise SearchlightError(
            f"{key}: found '{name}', but no module '{missing}': neither a file of {Path.cwd()} nor installed"
        ) from error
    except Exception as error:  # for a wrong name, gymnasium raises many kinds
        raise SearchlightError(f"{key}: found '{name}': {one_line(error)}") from error
    if not isinstance(environment.unwrapped, ale_py.AtariEnv):
        raise SearchlightError(f"{key}: found '{name}', allowed: an Atari (ALE) environment")
    shape = environment.observation_space.shape
    if shape is None or len(shape) != 3 or shape[2] != 3:
        raise SearchlightError(f"{key}: found '{name}' with observations of shape {shape}, allowed: a screen in colour")
    if not isinstance(environment.action_space, Discrete):
        raise SearchlightError(f"{key}: found '{name}' with actions that are no list, allowed: a list of actions")
    return environment


@contextmanager
def _own_modules(spec: str | dict[str, Any]) -> Iterator[None]:
    """Let the working directory's own module be imported, if the environment names it."""
    if own_module(spec) is None:
        yield
        return
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


def game_of(environment: gymnasium.Env) -> ale_py.AtariEnv:
    """Return the game behind gymnasium's wrappers."""
    return cast("ale_py.AtariEnv", environment.unwrapped)


def screen_of(environment: gymnasium.Env) -> tuple[int, int]:
    """Return the height and width of the screen in pixels."""
    height, width, _ = cast("tuple[int, int, int]", environment.observation_space.shape)
    return height, width


def describe_environment(environment: gymnasium.Env, env: str | dict[str, Any]) -> dict[str, Any]:
    """Return the id, settings and action names of the environment, in plain types, to make it again.

    Args:
        environment: the environment.
        env: what it was made from. The user's own code that it ran is told by its digest.
    """
    spec = cast("EnvSpec", environment.spec)  # gymnasium.make sets it
    settings = {name: value for name, value in spec.kwargs.items() if not callable(value)}
    code = own_code(env)
    return {
        "env": env,
        "environment": spec.id,
        "environment_settings": {name: list(v) if isinstance(v, tuple) else v for name, v in settings.items()},
        "action_meanings": list(game_of(environment).get_action_meanings()),
        **({"environment_code": code} if code else {}),
    }
