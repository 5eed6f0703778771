"""The configuration: its pydantic models, and its mistakes said in one line each.

The models are the one source of the JSON schema in ``workflow/schemas`` and of the reference in
``config/README.md`` (``searchlight.config.reference`` writes both).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from searchlight import registry
from searchlight.agents import networks, preprocessings
from searchlight.config.arguments import Float, Int, Table
from searchlight.config.playable import MACROBLOCKS_A_FRAME, MACROBLOCKS_A_SECOND, macroblocks
from searchlight.errors import SearchlightError, one_line
from searchlight.saliency import fills, plugins

# A name is a part of file names, together with other names and suffixes: a file system allows 255 characters.
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
TABLES = ("agents", "perturbations", "methods", "clips")

# What texts must match, and how a user is told.
_NAME, _COLOUR, _DIGEST = rf"^{NAME}$", r"^#[0-9a-fA-F]{6}$", r"^[0-9a-f]{64}$"
PATTERNS = {
    _NAME: "at most 64 letters, digits, '-' and '_', the first a letter or a digit",
    _COLOUR: "#rrggbb",
    _DIGEST: "64 hex digits",
}

Name = Annotated[str, StringConstraints(pattern=_NAME)]
Colour = Annotated[str, StringConstraints(pattern=_COLOUR)]
Digest = Annotated[str, BeforeValidator(lambda text: str(text).lower()), StringConstraints(pattern=_DIGEST)]


def _checkpoint(source: str) -> str:
    scheme = urlsplit(source).scheme.lower() if "://" in source else source.partition(":")[0]
    if "://" not in source and re.search("[{}]", source):
        raise ValueError(f"found '{source}', allowed: no braces in a path, Snakemake takes them for wildcards")
    if "://" in source and scheme not in ("https", "http"):
        raise ValueError(f"found '{source}', allowed: https://…, a path, bundled:NAME, catalogue:NAME")
    if scheme in ("bundled", "catalogue") and not re.fullmatch(NAME, source.partition(":")[2]):
        raise ValueError(f"found '{source}', allowed: {scheme}:NAME, the name of letters, digits, '-' and '_'")
    return source


def _member(check: Callable[[Any], Any]) -> BeforeValidator:
    """Return what checks a key that names a member of a registry, with or without arguments."""

    def validate(spec: Any) -> Any:
        try:
            return None if spec is None else check(spec)
        except SearchlightError as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(validate, json_schema_input_type=str | dict[str, Any])


def _fill(spec: Any, info: ValidationInfo) -> Any:
    try:
        return fills.check(spec, info.data.get("space"))
    except SearchlightError as error:
        raise ValueError(str(error)) from error


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
    preprocessing: Annotated[str | dict[str, dict[str, Any]] | None, _member(preprocessings.check)] = Field(
        None,
        description="How a screen becomes what the network sees: a [preprocessing](#preprocessings), with or without "
        "arguments. May be left out for an agent of the catalogue.",
        examples=["cv2"],
    )
    network: Annotated[str | None, _member(partial(registry.name_of, networks.FOLDER))] = Field(
        None,
        description="Which network the checkpoint holds: "
        + ", ".join(f"`{name}`" for name in registry.names(networks.FOLDER))
        + ". Without it, it is found by the checkpoint's tensors.",
    )
    actions: Literal["greedy", "sampled"] = Field(
        "greedy", description="Take the action with the highest logit, or draw from the policy."
    )

    @model_validator(mode="after")
    def _plain_http_needs_a_digest(self) -> Agent:
        if self.checkpoint.lower().startswith("http://") and self.sha256 is None:
            raise ValueError(f"found '{self.checkpoint}' without sha256, allowed: https://, or http:// with sha256")
        return self


class Perturbation(Table):
    """What the agent is kept from seeing, patch by patch."""

    space: Literal["screen", "observation"] = Field(
        description="Change the colour screen, then prepare it; or what the network sees, the observation, itself.",
        examples=["screen"],
    )
    perturber: Annotated[dict[str, dict[str, Any]], _member(partial(plugins.check, "perturber"))] = Field(
        description="Which patches are hidden: a [perturber](#perturbers) with its arguments.",
        examples=[{"SlidingWindow": {"window_size": [5, 5], "stride": [5, 5]}}],
    )
    fill: Annotated[
        dict[str, dict[str, Any]],
        BeforeValidator(_fill, json_schema_input_type=float | tuple[float, float, float] | str | dict[str, Any]),
    ] = Field(
        0,
        validate_default=True,
        description="What hidden pixels are replaced by ([below](#fills)): one of them by name, with its arguments "
        "(`{background: {window: 50}}`, `{background: 50}`) or without (`background`), or a number for a level, or "
        "`[red, green, blue]`.",
    )
    memory_lag: Int = Field(
        0,
        ge=0,
        description="How many steps the recurrent memory is behind the screen. 0 is right; 1 is what the XAITK "
        "notebook did.",
    )


class Method(Table):
    """How the responses to a perturbation become a saliency map."""

    perturbation: Name = Field(description="A name from `perturbations`.", examples=["window"])
    scorer: Annotated[dict[str, dict[str, Any]], _member(partial(plugins.check, "scorer"))] = Field(
        description="How the outputs become a map: a [scorer](#scorers), with or without arguments.",
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


Frame = Annotated[Int, Field(ge=0)]
Seed = Annotated[Int, Field(ge=0, lt=2**31)]


class ClipFamily(Table):
    """What a user asks for: some frames of one episode, or the same of several, shown by some methods."""

    agent: Name | Annotated[tuple[Name, ...], Field(min_length=1)] = Field(
        description="A name from `agents`. A list of them gives a clip for each, with its name after the clip's: "
        "`demo` of `[breakout, pong]` is `demo-breakout` and `demo-pong`.",
        examples=["breakout"],
    )
    seed: Seed | Annotated[tuple[Seed, ...], Field(min_length=1)] = Field(
        0,
        description="Seed of the episode. A list gives a clip for each: `demo` of `[1, 2]` is `demo-seed-1` and "
        "`demo-seed-2`, or `demo-breakout-seed-1`, … where agents are a list too. A list of one is named like that "
        "as well, so that it can grow.",
    )
    max_steps: Int = Field(
        3000,
        gt=0,
        description="The episode ends with the game or after so many decisions. Clips of one agent and seed share "
        "their episode and must agree.",
    )
    frames: Annotated[
        Literal["all"] | tuple[Frame, Frame | Literal["end"]],
        AfterValidator(lambda frames: (0, "end") if frames == "all" else frames),
    ] = Field(
        description="First and last frame, both included; `[1000, end]` goes on to the episode's end, `all` is "
        "`[0, end]`. How many jobs an open end needs is known once the episode was played.",
        examples=[[1000, 1299]],
    )
    methods: tuple[Name, ...] = Field(min_length=1, description="Names from `methods`.", examples=[["occlusion"]])
    fps: Annotated[Float, Field(ge=0.1, le=240)] = Field(30, description="Frames a second of the videos.")

    @model_validator(mode="after")
    def _frames_in_order(self) -> ClipFamily:
        first, last = self.frames
        if last != "end" and first > last:
            raise ValueError(f"frames: found [{first}, {last}], allowed: first frame <= last frame")
        if (first if last == "end" else last) >= self.max_steps:
            raise ValueError(
                f"frames: found [{first}, {last}], allowed: frames 0 to {self.max_steps - 1} (max_steps: "
                f"{self.max_steps})"
            )
        return self

    @model_validator(mode="after")
    def _each_once(self) -> ClipFamily:
        for key, what in (("agent", "agent"), ("seed", "seed"), ("methods", "method")):
            values = getattr(self, key)
            if isinstance(values, tuple) and len(set(values)) < len(values):
                raise ValueError(f"{key}: found {list(values)}, allowed: each {what} once")
        return self

    def clips(self, name: str) -> dict[str, Clip]:
        """Return the clips that it stands for, by their names; ``name`` is its own in the config."""
        agents = self.agent if isinstance(self.agent, tuple) else (self.agent,)
        seeds = self.seed if isinstance(self.seed, tuple) else (self.seed,)
        clips = {}
        for agent, seed in product(agents, seeds):
            parts = [name]
            parts += [agent] if isinstance(self.agent, tuple) else []
            parts += [f"seed-{seed}"] if isinstance(self.seed, tuple) else []
            clips["-".join(parts)] = Clip.model_construct(**{**dict(self), "agent": agent, "seed": seed})
        return clips


class Clip(ClipFamily):
    """One of a family: of one agent, with one seed."""

    agent: Name
    seed: Seed


_LEVEL = (
    f"hardware plays H.264 up to level 5.2, {MACROBLOCKS_A_FRAME} macroblocks a frame, {MACROBLOCKS_A_SECOND} a second"
)


def _largest_zoom(fps: float) -> int:
    """Return the largest zoom at which hardware plays videos of so many frames a second."""
    zoom = 1
    while macroblocks(zoom + 1) <= MACROBLOCKS_A_FRAME and macroblocks(zoom + 1) * fps <= MACROBLOCKS_A_SECOND:
        zoom += 1
    return zoom


def _playable(zoom: int) -> int:
    if macroblocks(zoom) > MACROBLOCKS_A_FRAME:
        raise ValueError(f"found {zoom}, allowed: 1 to {_largest_zoom(0)} ({_LEVEL})")
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
        description=f"Each pixel of the screen becomes a square of this side; at most {_largest_zoom(0)}, or what "
        "`fps` leaves: " + _LEVEL + ".",
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
    def _names_exist(self) -> Config:
        for key, method in self.methods.items():
            _must_be_in(f"methods.{key}.perturbation", method.perturbation, self.perturbations)
        episodes: dict[tuple[str, int], tuple[str, int]] = {}
        makers: dict[str, str] = {}
        for key, family in self.clips.items():
            for method in family.methods:
                _must_be_in(f"clips.{key}.methods", method, self.methods)
            for name, clip in family.clips(key).items():
                _must_be_in(f"clips.{key}.agent", clip.agent, self.agents)
                maker = makers.setdefault(name, key)
                if maker != key:
                    raise ValueError(
                        f"clips.{key}: found a second clip '{name}', allowed: one, and clips.{maker} has it"
                    )
                other, steps = episodes.setdefault((clip.agent, clip.seed), (key, clip.max_steps))
                if steps != clip.max_steps:
                    raise ValueError(
                        f"clips.{key}.max_steps: found {clip.max_steps}, allowed: {steps}, as clips.{other} of the "
                        "same agent and seed has it"
                    )
        return self

    @model_validator(mode="after")
    def _names_are_no_loops(self) -> Config:
        """Refuse names that end in the same text 20 times or more: Snakemake takes them for a loop of rules."""
        clips = [name for key, family in self.clips.items() for name in family.clips(key)]
        for table, names in (*((table, getattr(self, table)) for table in TABLES), ("clips", clips)):
            for name in names:
                if found := re.search(r"(.+?)\1{19,}$", name):
                    raise ValueError(
                        f"{table}.{name}: found a name that ends in '{found[1]}' 20 times or more, allowed: 19 times"
                    )
        return self

    @model_validator(mode="after")
    def _videos_can_be_played(self) -> Config:
        blocks = macroblocks(self.video.zoom)
        for key, clip in self.clips.items():
            if blocks * clip.fps > MACROBLOCKS_A_SECOND:
                raise ValueError(
                    f"clips.{key}.fps: found {clip.fps:g} with video.zoom {self.video.zoom}, allowed: fps up to "
                    f"{MACROBLOCKS_A_SECOND // blocks}, or zoom up to {_largest_zoom(clip.fps)} ({_LEVEL})"
                )
        return self


class Settings(Config):
    """A config whose agents are complete, and whose families of clips are written out."""

    clips: dict[Name, Clip]


def _must_be_in(key: str, name: str, table: dict[str, Any]) -> None:
    if name not in table:
        raise ValueError(f"{key}: found '{name}', allowed: {', '.join(table)}")


def own_config(root: Path) -> str:
    """Return the config that all others are laid over: that of the working directory, or else the project's own."""
    here = Path("config/config.yaml")
    return str(here if here.is_file() else root / here)


def typed(value: Any) -> Any:
    """Return what a command line gives, with its numbers and nulls: in tables and lists, Snakemake leaves them text."""
    if isinstance(value, dict):
        return {key: typed(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [typed(entry) for entry in value]
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def read_config(config: dict[str, Any], catalogue: Path) -> Settings:
    """Validate a config as Snakemake merged it, complete its agents from the catalogue and write out its clips.

    An entry of a table that is ``null`` is left out: so a preset takes out what the default has.

    Raises:
        SearchlightError: one line a mistake, each with its key, what was found and what is allowed.
    """
    config = dict(config)
    for table in TABLES:
        if isinstance(config.get(table), dict):
            config[table] = {str(name): entry for name, entry in config[table].items() if entry is not None}
    try:
        given = Config.model_validate(config)
    except ValidationError as error:
        lines: dict[str, str] = {}
        for found in error.errors():
            line = _explain(found)
            lines.setdefault(line.partition(": ")[0], line)  # a key of several types fails once for each
        raise SearchlightError("\n".join(f"config: {line}" for line in lines.values())) from error
    agents = {name: _complete(name, agent, catalogue) for name, agent in given.agents.items()}
    clips = {name: clip for key, family in given.clips.items() for name, clip in family.clips(key).items()}
    return Settings.model_construct(**{**dict(given), "agents": agents, "clips": clips})


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
        ("preprocessing", " or ".join(registry.names(preprocessings.FOLDER))),
    ):
        if getattr(agent, key) is None:
            raise SearchlightError(f"config: agents.{name}.{key}: missing, allowed: {allowed}")
    return agent


def _model_at(location: tuple[str | int, ...]) -> type[BaseModel] | None:
    models = {"agents": Agent, "perturbations": Perturbation, "methods": Method, "clips": ClipFamily}
    if not location:
        return Config
    if location[0] == "video" and len(location) == 1:
        return Video
    return models.get(str(location[0])) if len(location) == 2 else None


# Keys that take several types, or lists: pydantic fails once for each of them, and a user is told of all in one.
_IN_WORDS = {
    ("clips", "agent"): "a name of agents, or a list of them",
    ("clips", "seed"): f"0 to {2**31 - 1}, or a list of such numbers",
    ("clips", "frames"): "[first, last], [first, end] or all",
    ("clips", "methods"): "a list of names of methods, at least one",
}


def _explain(found: dict[str, Any]) -> str:
    """Return one line for one error of pydantic's: key, what was found, what is allowed."""
    location = found["loc"]
    if location and location[-1] == "[key]":
        key = ".".join(str(part) for part in location[:-2])
        return f"{key}: found the name {found['input']!r}, allowed: {PATTERNS[_NAME]}"
    kind, context = found["type"], found.get("ctx", {})
    of_value = len(location) > 3 or (len(location) == 3 and kind not in ("missing", "extra_forbidden", "value_error"))
    in_words = _IN_WORDS.get((location[0], location[2])) if of_value else None
    location = location[:3] if in_words else location
    key = ".".join(str(part) for part in location)
    model = _model_at(tuple(location[:-1])) if location else None
    if in_words:
        return f"{key}: found {found['input']!r}, allowed: {in_words}"
    if kind == "extra_forbidden" and model is not None:
        return f"{key}: unknown key, allowed: {', '.join(model.model_fields)}"
    if kind == "missing":
        what = model.model_fields.get(str(location[-1])) if model else None
        hint = f" ({_plain(what.description)})" if what is not None and what.description else ""
        return f"{key}: missing{hint}"
    if kind == "value_error":
        text = one_line(context["error"])
        if not key or re.match(rf"({'|'.join(TABLES)})\.", text):
            return text
        separator = "." if re.match(r"(agent|seed|frames|methods): ", text) else ": "
        return f"{key}{separator}{text}"
    if "pattern" in context:
        allowed = PATTERNS[context["pattern"]]
    elif "expected" in context:
        allowed = context["expected"]
    else:
        allowed = one_line(ValueError(found["msg"])).removeprefix("Input should be ")
    return f"{key}: found {found['input']!r}, allowed: {allowed}"


def _plain(text: str) -> str:
    return text.partition(":")[0].partition(". ")[0].rstrip(".").lower()
