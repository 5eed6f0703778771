"""Arguments of preprocessings that stack pictures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from searchlight.config.arguments import PositiveInt

Stack = Annotated[
    PositiveInt, Field(le=64, description="Number of pictures in an observation: the newest and those before.")
]
Padding = Annotated[
    Literal["first", "zeros"],
    Field(description="What stands in place of pictures before the stack began: the `first` picture, or `zeros`."),
]
