"""Pixel levels, shared by the fills of one level or colour."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from searchlight.config.arguments import Float

Level = Annotated[Float, Field(ge=0, le=255)]


def not_whole(levels: Iterable[float]) -> str | None:
    """Return an error text if a level of the screen is not a whole number; else None."""
    found = next((level for level in levels if not level.is_integer()), None)
    return None if found is None else f"found {found:g}, allowed on the screen: whole levels 0 to 255"
