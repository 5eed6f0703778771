"""The configuration as pydantic models, one a table.

The models are the one source of the JSON schema in ``workflow/schemas`` and of the reference in
``config/README.md`` (``searchlight.config.reference`` writes both).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from searchlight import registry
from searchlight.agents import preprocessings
from searchlight.config import consistency, names, playable
from searchlight.config.arguments import Float, Int, PositiveInt, Table
from searchlight.config.families import Clip, ClipFamily
from searchlight.config.messages import Allowed, mistake, refuse
from searchlight.config.names import Name
from searchlight.errors import SearchlightError
from searchlight.saliency import plugins

Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$"), Allowed("#rrggbb")]
Digest = Annotated[
    str,
    BeforeValidator(lambda text: str(text).lower()),
    StringConstraints(pattern=r"^[0-9a-f]{64}$"),
    Allowed("64 hex digits"),
]
# Meaning of `fill: background`: decisions before and after a frame whose screens make its background.
BACKGROUND_WINDOW = 200


def _checkpoint(source: str) -> str:
    scheme = urlsplit(source).scheme.lower() if "://" in source else source.partition(":")[0]
    if "://" not in source and re.search("[{}]", source):
        raise ValueError(f"found '{source}', allowed: no braces in a path, Snakemake takes them for wildcards")
    if "://" in source and scheme not in ("https", "http"):
        raise ValueError(f"found '{source}', allowed: https://…, a path, bundled:NAME, catalogue:NAME")
    if scheme in ("bundled", "catalogue") and not re.fullmatch(names.PATTERN, source.partition(":")[2]):
        raise ValueError(f"found '{source}', allowed: {scheme}:NAME, the name of letters, digits, '-' and '_'")
    return source


def _plugin(kind: str) -> BeforeValidator:
    def validate(spec: Any) -> Any:
        try:
            return plugins.check(kind, spec)
        except SearchlightError as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(validate)


# Names come from the names of files, because reading a config must not import numpy.
PREPROCESSINGS = registry.names(preprocessings.FOLDER)
Preprocessing = Literal[PREPROCESSINGS]  # type: ignore[valid-type]


class Agent(Table):
    """A trained agent: where its weights are, and the world it was trained for."""

    checkpoint: Annotated[str, AfterValidator(_checkpoint)] = Field(
        description="Where the weights are: `bundled:NAME` (ships with the project), `catalogue:NAME` (a known public "
        "agent of `config/catalogue.yaml`), a path, or an `https://` address. Files of torch (`.tar`, `.pt`, `.pth`), "
        "safetensors, or a zip archive of them.",
        examples=["bundled:breakout"],
    )
    member: str | None = Field(
        None,
        description="Which file of a zip archive: its name, or a pattern such as `breakout-v0/*.tar`; of several, "
        "the one with the highest step number is taken.",
    )
    sha256: Digest | None = Field(
        None,
        description="Digest that the file (the archive, where it is one) must have. Where none is given, the digest "
        "found is printed with the line to paste here. Addresses with plain `http://` must have one.",
    )
    env: str | None = Field(
        None,
        description="Gymnasium id of the Atari environment: `Breakout-v0`, `BreakoutNoFrameskip-v4`, `ALE/Pong-v5`, … "
        "May be left out for an agent of the catalogue.",
        examples=["Breakout-v0"],
    )
    preprocessing: Preprocessing | None = Field(
        None,
        description="How a screen becomes what the network sees ([below](#preprocessings)). May be left out for an "
        "agent of the catalogue.",
        examples=["cv2"],
    )
    actions: Literal["greedy", "sampled"] = Field(
        "greedy", description="Take the action with the highest logit, or draw from the policy."
    )

    @model_validator(mode="after")
    def _plain_http_needs_a_digest(self) -> Agent:
        if self.checkpoint.lower().startswith("http://") and self.sha256 is None:
            found = f"'{self.checkpoint}' without sha256"
            refuse([mistake(("checkpoint",), found, "https://, or http:// with sha256")])
        return self


class Blur(Table):
    """A fill that is the image itself, blurred."""

    blur: Float = Field(gt=0, description="Standard deviation in pixels of what is perturbed.")


class Background(Table):
    """A fill that is what is usually there: the median of 61 screens around the frame."""

    background: PositiveInt | Literal["episode"] = Field(
        description="How many decisions before and after the frame the screens are drawn from, or `episode` for all."
    )


Level = Annotated[Float, Field(ge=0, le=255)]
FillName = Literal["background", "mean"]


def _named_fill(fill: Any) -> Any:
    return Background(background=BACKGROUND_WINDOW) if fill == "background" else fill


class Perturbation(Table):
    """What the agent is kept from seeing, patch by patch."""

    space: Literal["screen", "observation"] = Field(
        description="Change the colour screen, then prepare it; or what the network sees, the observation, itself.",
        examples=["screen"],
    )
    perturber: Annotated[dict[str, dict[str, Any]], _plugin("perturber")] = Field(
        description="A `PerturbImage` plug-in of xaitk-saliency with its arguments (below).",
        examples=[{"SlidingWindow": {"window_size": [5, 5], "stride": [5, 5]}}],
    )
    fill: Annotated[
        Level | tuple[Level, Level, Level] | Blur | Background | FillName,
        BeforeValidator(registry.without_nulls),
        AfterValidator(_named_fill),
        Allowed(
            "background, {background: decisions or episode}, {blur: sigma}, mean, 0 to 255, or [red, green, blue]; "
            "one of them, an overlay takes out the other by null"
        ),
    ] = Field(
        0,
        description="What hidden pixels are replaced by: `background` (what is usually there; short for "
        f"`{{background: {BACKGROUND_WINDOW}}}`), `{{blur: sigma}}`, `mean` (of what the agent sees of the frame), a "
        "level (0 to 255 on the screen, 0 to 1 in the observation), or a colour `[red, green, blue]` (screen only). "
        "Which to take: [below](#which-fill).",
    )
    memory_lag: Int = Field(
        0,
        ge=0,
        description="How many steps the recurrent memory is behind the screen. 0 is right; 1 is what the XAITK "
        "notebook did.",
    )

    @field_validator("fill")
    @classmethod
    def _fill_fits_space(cls, fill: Any, info: ValidationInfo) -> Any:
        space = info.data.get("space")
        if space == "observation":
            if isinstance(fill, tuple):
                raise ValueError(f"found the colour {list(fill)}, allowed in observation space: 0 to 1")
            if isinstance(fill, float) and fill > 1:
                raise ValueError(f"found {fill:g}, allowed in observation space: 0 to 1")
        elif space == "screen" and isinstance(fill, (float, tuple)):
            for level in fill if isinstance(fill, tuple) else (fill,):
                if not level.is_integer():
                    raise ValueError(f"found {level:g}, allowed on the screen: whole levels 0 to 255")
        return fill


class Method(Table):
    """How the responses to a perturbation become a saliency map."""

    perturbation: Name = Field(description="A name from `perturbations`.", examples=["window"])
    scorer: Annotated[dict[str, dict[str, Any]], _plugin("scorer")] = Field(
        description="`SquaredDifference` (the paper's own score), `RISE`, or a `GenerateClassifierConfidenceSaliency` "
        "plug-in of xaitk-saliency, with its arguments (below).",
        examples=["OcclusionScoring"],
    )
    scale: Literal["frame", "clip", "none"] = Field(
        "frame", description="Divide each map by its own maximum, all by the clip's, or leave them as they are."
    )
    gain: Float = Field(
        1,
        gt=0,
        description="Videos show the scaled map times this, cut at 1 (the paper's code calls it a fudge factor), and "
        "then under `video.gamma`.",
    )


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

    def look(self) -> dict[str, Any]:
        """Return what the style uses, in plain types."""
        gamma = self.gamma if self.gamma is not None else {"spotlight": 0.5, "notebook": 1.0}[self.style]
        unused = {"highlight"} if self.style == "spotlight" else set()
        return {**self.model_dump(mode="json", exclude=unused), "gamma": gamma}


class Config(Table):
    """Everything that a run depends on."""

    block_size: Int = Field(240, gt=0, description="Consecutive frames that one `perturb` job works on.")
    device: Literal["cpu", "cuda"] = Field(
        "cpu",
        description="Where `perturb` jobs run the network: one thread each, or a GPU, which each job then asks for: "
        "on one machine, give `--resources gpu=1` where it has one; Slurm is asked with `--gpus=1`. "
        "The same results to 1e-4 of the logits' scale.",
    )
    agents: dict[Name, Agent] = Field(description="The agents, each under a name of your own.")
    perturbations: dict[Name, Perturbation] = Field(description="What is hidden from them.")
    methods: dict[Name, Method] = Field(description="How saliency is scored.")
    clips: dict[Name, ClipFamily] = Field(min_length=1, description="What is shown.")
    video: Video = Field(default_factory=Video, description="How it looks.")

    @model_validator(mode="after")
    def _tables_fit_together(self) -> Config:
        refuse(consistency.mistakes(self))
        return self


class Settings(Config):
    """A config whose agents are complete, and whose families of clips are written out."""

    clips: dict[Name, Clip]  # type: ignore[assignment]  # dict is invariant, but settings never change
