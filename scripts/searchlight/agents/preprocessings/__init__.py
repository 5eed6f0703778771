"""Preprocessings: ways to make an observation from a screen. A registry (``searchlight.registry``).

A member has:

- ``Arguments``, a pydantic model whose docstring describes the member;
- ``build(screen, arguments)``, which returns a ``searchlight.agents.preprocessing.Preprocessing`` for a screen's height
  and width. It raises a ``SearchlightError`` if it does not support that size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from searchlight import registry
from searchlight.errors import SearchlightError

if TYPE_CHECKING:
    from searchlight.agents.preprocessing import Preprocessing

FOLDER = "agents/preprocessings"
# Height and width of nearly all games' screens.
USUAL_SCREEN = (210, 160)


def check(spec: Any) -> str | dict[str, dict[str, Any]]:
    """Return a preprocessing of the config with all of its arguments; its name alone if it has none.

    Raises:
        SearchlightError: the preprocessing does not exist, or its arguments are wrong.
    """
    name, arguments = next(iter(registry.choose(FOLDER, spec).spec.items()))
    return {name: arguments} if arguments else name


def build(spec: str | dict[str, dict[str, Any]], screen: tuple[int, int], key: str = "preprocessing") -> Preprocessing:
    """Return a preprocessing of the config for screens of a height and width.

    Args:
        spec: its name, or ``{NAME: {argument: value}}``.
        screen: height and width in pixels.
        key: key of the preprocessing in the config, for errors.

    Raises:
        SearchlightError: the preprocessing does not exist, or does not support this size.
    """
    try:
        chosen = registry.choose(FOLDER, spec)
        return chosen.module.build(screen, chosen.arguments)
    except SearchlightError as error:
        raise SearchlightError(f"{key}: {error}") from error
