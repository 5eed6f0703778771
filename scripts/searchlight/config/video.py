"""The table ``video`` of the config."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from searchlight.config import playable
from searchlight.config.allowed import Allowed
from searchlight.config.arguments import Float, Int, Table

Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$"), Allowed("#rrggbb")]


def _playable(zoom: int) -> int:
    if zoom > playable.largest_zoom():
        raise ValueError(f"found {zoom}, allowed: 1 to {playable.largest_zoom()} ({playable.LEVEL})")
    return zoom


class Video(Table):
    """How all videos look."""

    style: Literal["spotlight", "notebook"] = Field(
        "spotlight",
        description="`spotlight` dims the screen, shows it as it is where the map is bright, and lets it glow there in "
        "the actor's or the critic's colour; `notebook` adds a colour to the screen, as the XAITK notebook does.",
    )
    gamma: Annotated[Float, Field(gt=0)] | None = Field(
        None,
        description="Videos show the map to this power, after `gain`. Without it: 0.5, a square root, by which weak "
        "places can be seen beside strong ones; and 1 in the notebook's style.",
    )
    zoom: Annotated[Int, Field(ge=1), AfterValidator(_playable)] = Field(
        4,
        description="Each pixel of the screen becomes a square of this side; at most "
        f"{playable.largest_zoom()}, or what `fps` leaves: {playable.LEVEL}.",
    )
    opacity: Float = Field(
        0.8,
        gt=0,
        le=1,
        description="Of the spotlight's glow, or of the colour that the notebook's style adds (notebook: 200/255).",
    )
    highlight: Colour = Field(
        "#ff0000", description="Colour of the notebook's style in the videos that show the actor or the critic alone."
    )
    actor: Colour = Field(
        "#648fff", description="Colour of the actor; in the notebook's style, only where both are in one frame."
    )
    critic: Colour = Field("#ffb000", description="Colour of the critic, likewise.")
    raises: Colour = Field("#fe6100", description="Colour of what raises the output, in maps of `signed` methods.")
    lowers: Colour = Field("#00b4ff", description="Colour of what lowers it.")

    def look(self) -> dict[str, Any]:
        """Return the settings that the style uses, in plain types."""
        gamma = self.gamma if self.gamma is not None else {"spotlight": 0.5, "notebook": 1.0}[self.style]
        unused = {"highlight"} if self.style == "spotlight" else set()
        return {**self.model_dump(mode="json", exclude=unused), "gamma": gamma}
