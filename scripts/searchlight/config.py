"""The configuration: its pydantic models, and its mistakes said in one line each.

The models are the one source of the JSON schema in ``workflow/schemas`` and of the reference in
``config/README.md`` (``searchlight.reference`` writes both).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from searchlight import plugins
from searchlight.errors import SearchlightError, one_line
from searchlight.plugins import Float, Int

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
TABLES = ("agents", "perturbations", "methods", "clips")

# What texts must match, and how a user is told.
_NAME, _COLOUR, _DIGEST = rf"^{NAME}$", r"^#[0-9a-fA-F]{6}$", r"^[0-9a-f]{64}$"
PATTERNS = {
    _NAME: "letters, digits, '-' and '_', the first a letter or a digit",
    _COLOUR: "#rrggbb",
    _DIGEST: "64 hex digits",
}

Name = Annotated[str, StringConstraints(pattern=_NAME)]
Colour = Annotated[str, StringConstraints(pattern=_COLOUR)]
Digest = Annotated[str, BeforeValidator(lambda text: str(text).lower()), StringConstraints(pattern=_DIGEST)]
Preprocessing = Literal["cv2", "imresize"]


def _checkpoint(source: str) -> str:
    scheme = urlsplit(source).scheme.lower() if "://" in source else source.partition(":")[0]
    if "://" in source and scheme not in ("https", "http"):
        raise ValueError(f"found '{source}', allowed: https://…, a path, bundled:NAME, catalogue:NAME")
    if scheme in ("bundled", "catalogue") and not re.fullmatch(NAME, source.partition(":")[2]):
        raise ValueError(f"found '{source}', allowed: {scheme}:NAME, the name of letters, digits, '-' and '_'")
    return source


def _plugin(kind: str) -> BeforeValidator:
    def validate(spec: Any) -> Any:
        try:
            return plugins.check(kind, spec)
        except SearchlightError as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(validate)


class Table(BaseModel):
    """A table of the config: unknown keys are errors, and nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
        description="How a screen becomes the 80x80 observation: `cv2` (mean of RGB, halved), or `imresize` (the same "
        "with the screen's range stretched to 0..255 first, which agents trained with `scipy.misc.imresize` expect). "
        "May be left out for an agent of the catalogue.",
        examples=["cv2"],
    )
    actions: Literal["greedy", "sampled"] = Field(
        "greedy", description="Take the action with the highest logit, or draw from the policy."
    )

    @model_validator(mode="after")
    def _plain_http_needs_a_digest(self) -> Agent:
        if self.checkpoint.lower().startswith("http://") and self.sha256 is None:
            raise ValueError(f"found '{self.checkpoint}' without sha256, allowed: https://, or http:// with sha256")
        return self


class Blur(Table):
    """A fill that is the image itself, blurred."""

    blur: Float = Field(gt=0, description="Standard deviation in pixels of what is perturbed.")


Level = Annotated[Float, Field(ge=0, le=255)]


class Perturbation(Table):
    """What the agent is kept from seeing, patch by patch."""

    space: Literal["screen", "observation"] = Field(
        description="Change the 210x160 colour screen, then prepare it; or the 80x80 observation itself.",
        examples=["screen"],
    )
    perturber: Annotated[dict[str, dict[str, Any]], _plugin("perturber")] = Field(
        description="A `PerturbImage` plug-in of xaitk-saliency with its arguments (below).",
        examples=[{"SlidingWindow": {"window_size": [5, 5], "stride": [5, 5]}}],
    )
    fill: Level | tuple[Level, Level, Level] | Blur = Field(
        0,
        description="What hidden pixels are replaced by: a level (0 to 255 on the screen, 0 to 1 in the observation), "
        "a colour `[red, green, blue]` (screen only), or `{blur: sigma}`.",
    )
    memory_lag: Int = Field(
        0,
        ge=0,
        description="How many steps the recurrent memory is behind the screen. 0 is right; 1 is what the XAITK "
        "notebook did.",
    )

    @model_validator(mode="after")
    def _fill_fits_space(self) -> Perturbation:
        if self.space == "observation":
            if isinstance(self.fill, tuple):
                raise ValueError(f"fill: found the colour {list(self.fill)}, allowed in observation space: 0 to 1")
            if isinstance(self.fill, float) and self.fill > 1:
                raise ValueError(f"fill: found {self.fill:g}, allowed in observation space: 0 to 1")
        elif not isinstance(self.fill, Blur):
            levels = self.fill if isinstance(self.fill, tuple) else (self.fill,)
            for level in levels:
                if not level.is_integer():
                    raise ValueError(f"fill: found {level:g}, allowed on the screen: whole levels 0 to 255")
        return self


class Method(Table):
    """How the responses to a perturbation become a saliency map."""

    perturbation: Name = Field(description="A name from `perturbations`.", examples=["window"])
    scorer: Annotated[dict[str, dict[str, Any]], _plugin("scorer")] = Field(
        description="A `GenerateClassifierConfidenceSaliency` plug-in of xaitk-saliency, or `SquaredDifference` (the "
        "paper's own score), with its arguments (below).",
        examples=["OcclusionScoring"],
    )
    scale: Literal["frame", "clip", "none"] = Field(
        "frame", description="Divide each map by its own maximum, all by the clip's, or leave them as they are."
    )
    gain: Float = Field(
        1,
        gt=0,
        description="Videos show the scaled map times this, cut at 1, so that weak frames can be seen beside a strong "
        "one (the paper's code calls it a fudge factor).",
    )


class Clip(Table):
    """What a user asks for: some frames of one episode, shown by some methods."""

    agent: Name = Field(description="A name from `agents`.", examples=["breakout"])
    seed: Int = Field(0, ge=0, lt=2**31, description="Seed of the episode.")
    max_steps: Int = Field(
        3000,
        gt=0,
        description="The episode ends with the game or after so many decisions. Clips of one agent and seed share "
        "their episode and must agree.",
    )
    frames: tuple[Annotated[Int, Field(ge=0)], Annotated[Int, Field(ge=0)]] = Field(
        description="First and last frame, both included.", examples=[[1000, 1299]]
    )
    methods: tuple[Name, ...] = Field(min_length=1, description="Names from `methods`.", examples=[["occlusion"]])
    fps: Annotated[Float, Field(ge=0.1, le=240)] = Field(30, description="Frames a second of the videos.")

    @model_validator(mode="after")
    def _frames_in_order(self) -> Clip:
        first, last = self.frames
        if first > last:
            raise ValueError(f"frames: found [{first}, {last}], allowed: first frame <= last frame")
        if last >= self.max_steps:
            raise ValueError(
                f"frames: found [{first}, {last}], allowed: frames 0 to {self.max_steps - 1} (max_steps: "
                f"{self.max_steps})"
            )
        if len(set(self.methods)) < len(self.methods):
            raise ValueError(f"methods: found {list(self.methods)}, allowed: each method once")
        return self


class Video(Table):
    """How all videos look."""

    zoom: Int = Field(4, ge=1, le=12, description="Each pixel of the screen becomes a square of this side.")
    opacity: Float = Field(
        0.8, gt=0, le=1, description="How much of the colour is added where saliency is 1; the notebook's is 200/255."
    )
    highlight: Colour = Field("#ff0000", description="Colour of the videos that show the actor or the critic alone.")
    actor: Colour = Field("#3060ff", description="Colour of the actor where both are in one frame.")
    critic: Colour = Field("#ff2020", description="Colour of the critic where both are in one frame.")


class Config(Table):
    """Everything that a run depends on."""

    block_size: Int = Field(160, gt=0, description="Consecutive frames that one `perturb` job works on.")
    device: Literal["cpu", "cuda"] = Field(
        "cpu",
        description="Where `perturb` jobs run the network: one thread each, or a GPU, which each job then asks for "
        "(`--resources gpu=1` where there is one). The same results to 1e-4 of the logits' scale.",
    )
    agents: dict[Name, Agent] = Field(description="The agents, each under a name of your own.")
    perturbations: dict[Name, Perturbation] = Field(description="What is hidden from them.")
    methods: dict[Name, Method] = Field(description="How saliency is scored.")
    clips: dict[Name, Clip] = Field(min_length=1, description="What is shown.")
    video: Video = Field(default_factory=Video, description="How it looks.")

    @model_validator(mode="after")
    def _names_exist(self) -> Config:
        for key, method in self.methods.items():
            _must_be_in(f"methods.{key}.perturbation", method.perturbation, self.perturbations)
        episodes: dict[tuple[str, int], tuple[str, int]] = {}
        for key, clip in self.clips.items():
            _must_be_in(f"clips.{key}.agent", clip.agent, self.agents)
            for method in clip.methods:
                _must_be_in(f"clips.{key}.methods", method, self.methods)
            other, steps = episodes.setdefault((clip.agent, clip.seed), (key, clip.max_steps))
            if steps != clip.max_steps:
                raise ValueError(
                    f"clips.{key}.max_steps: found {clip.max_steps}, allowed: {steps}, as clips.{other} of the same "
                    "agent and seed has it"
                )
        return self


def _must_be_in(key: str, name: str, table: dict[str, Any]) -> None:
    if name not in table:
        raise ValueError(f"{key}: found '{name}', allowed: {', '.join(table)}")


def read_config(config: dict[str, Any], catalogue: Path) -> Config:
    """Validate a config as Snakemake merged it, and complete its agents from the catalogue.

    An entry of a table that is ``null`` is left out: so a preset takes out what the default has.

    Raises:
        SearchlightError: one line a mistake, each with its key, what was found and what is allowed.
    """
    config = dict(config)
    for table in TABLES:
        if isinstance(config.get(table), dict):
            config[table] = {str(name): entry for name, entry in config[table].items() if entry is not None}
    try:
        settings = Config.model_validate(config)
    except ValidationError as error:
        lines: dict[str, str] = {}
        for found in error.errors():
            line = _explain(found)
            lines.setdefault(line.partition(": ")[0], line)  # a key of several types fails once for each
        raise SearchlightError("\n".join(f"config: {line}" for line in lines.values())) from error
    agents = {name: _complete(name, agent, catalogue) for name, agent in settings.agents.items()}
    return settings.model_copy(update={"agents": agents})


def read_catalogue(path: Path) -> dict[str, Agent]:
    """Read the known public agents; the file is part of the project, so its mistakes are bugs."""
    return {name: Agent.model_validate(entry) for name, entry in yaml.safe_load(path.read_text())["agents"].items()}


def _complete(name: str, agent: Agent, catalogue: Path) -> Agent:
    if agent.checkpoint.startswith("catalogue:"):
        entries = read_catalogue(catalogue)
        entry = agent.checkpoint.removeprefix("catalogue:")
        if entry not in entries:
            raise SearchlightError(
                f"config: agents.{name}.checkpoint: found '{agent.checkpoint}', allowed: {', '.join(entries)}"
            )
        given = agent.model_dump(exclude_unset=True, exclude={"checkpoint"})
        agent = entries[entry].model_copy(update=given)
    for key, allowed in (
        ("env", "a gymnasium id such as Breakout-v0"),
        ("preprocessing", " or ".join(get_args(Preprocessing))),
    ):
        if getattr(agent, key) is None:
            raise SearchlightError(f"config: agents.{name}.{key}: missing, allowed: {allowed}")
    return agent


def _model_at(location: tuple[str | int, ...]) -> type[BaseModel] | None:
    models = {"agents": Agent, "perturbations": Perturbation, "methods": Method, "clips": Clip}
    if not location:
        return Config
    if location[0] == "video" and len(location) == 1:
        return Video
    return models.get(str(location[0])) if len(location) == 2 else None


def _explain(found: dict[str, Any]) -> str:
    """Return one line for one error of pydantic's: key, what was found, what is allowed."""
    location = found["loc"]
    if location and location[-1] == "[key]":
        key = ".".join(str(part) for part in location[:-2])
        return f"{key}: found the name {found['input']!r}, allowed: {PATTERNS[_NAME]}"
    is_fill = len(location) > 2 and location[0] == "perturbations" and location[2] == "fill"
    if is_fill:
        location = location[:3]
    key = ".".join(str(part) for part in location)
    model = _model_at(tuple(location[:-1])) if location else None
    kind, context = found["type"], found.get("ctx", {})
    if kind == "extra_forbidden" and model is not None and not is_fill:
        return f"{key}: unknown key, allowed: {', '.join(model.model_fields)}"
    if kind == "missing" and not is_fill:
        what = model.model_fields.get(str(location[-1])) if model else None
        hint = f" ({_plain(what.description)})" if what is not None and what.description else ""
        return f"{key}: missing{hint}"
    if kind == "value_error":
        text = one_line(context["error"])
        if not key or re.match(rf"({'|'.join(TABLES)})\.", text):
            return text
        separator = "." if re.match(r"(fill|frames|methods): ", text) else ": "
        return f"{key}{separator}{text}"
    if is_fill:
        return f"{key}: found {found['input']!r}, allowed: 0 to 255, [red, green, blue] or {{blur: sigma}}"
    if "pattern" in context:
        allowed = PATTERNS[context["pattern"]]
    elif "expected" in context:
        allowed = context["expected"]
    else:
        allowed = one_line(ValueError(found["msg"])).removeprefix("Input should be ")
    return f"{key}: found {found['input']!r}, allowed: {allowed}"


def _plain(text: str) -> str:
    return text.partition(":")[0].partition(". ")[0].rstrip(".").lower()
