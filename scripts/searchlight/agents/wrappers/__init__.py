"""Wrappers: the worlds that agents of some library were trained in. A registry (``searchlight.registry``).

A member has:

- ``Arguments``, a pydantic model whose docstring describes the member;
- ``build(environment, arguments)``, which returns a ``searchlight.agents.world.World``. It raises a
  ``SearchlightError`` if the library's wrappers do not take the environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from searchlight import registry
from searchlight.config.environments import without_skip, written
from searchlight.errors import SearchlightError

if TYPE_CHECKING:
    import ale_py
    import gymnasium

    from searchlight.agents.world import World

FOLDER = "agents/wrappers"


def check(spec: Any) -> str | dict[str, dict[str, Any]]:
    """Return wrappers of the config with all of their arguments; their name alone if they have none.

    Raises:
        SearchlightError: the wrappers do not exist, or their arguments are wrong.
    """
    name, arguments = next(iter(registry.choose(FOLDER, spec).spec.items()))
    return {name: arguments} if arguments else name


def build(
    spec: str | dict[str, dict[str, Any]],
    environment: gymnasium.Env,
    env: str | dict[str, Any],
    key: str = "wrappers",
) -> World:
    """Return the world of an environment.

    Args:
        spec: the wrappers' name, or ``{NAME: {argument: value}}``.
        environment: the environment.
        env: the environment as the config names it.
        key: key of the wrappers in the config, for errors.

    Raises:
        SearchlightError: the wrappers do not exist, or do not take the environment.
    """
    try:
        chosen = registry.choose(FOLDER, spec)
        world: World = chosen.module.build(environment, chosen.arguments)
    except SearchlightError as error:
        raise SearchlightError(f"{key}: {error}") from error
    skip = cast("ale_py.AtariEnv", environment.unwrapped)._frameskip
    if world.frame_skip > 1 and skip != 1:
        raise SearchlightError(
            f"{key}: found '{chosen.name}', which skips frames, with env {written(env)}, which skips frames itself "
            f"(frameskip: {skip}), allowed: env: {without_skip(env)}"
        )
    return world
