"""The configuration as pydantic models, one for each table.

``searchlight.config.reference`` writes the JSON schema in ``workflow/schemas`` and the reference in
``config/README.md`` from the models.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    model_validator,
)

from searchlight.agents import networks, preprocessings
from searchlight.agents import wrappers as worlds
from searchlight.config import checkpoints, consistency, environments, names, playable
from searchlight.config.allowed import Allowed
from searchlight.config.arguments import Bool, Float, Int, PositiveFloat, Probability, Table
from searchlight.config.families import Clip, ClipFamily
from searchlight.config.messages import in_words, mistake, refuse
from searchlight.config.names import Name
from searchlight.config.outputs import OF_PROBABILITIES, Output
from searchlight.errors import SearchlightError
from searchlight.saliency import fills, gradients, plugins, scorers

Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$"), Allowed("#rrggbb")]
Digest = Annotated[
    str,
    BeforeValidator(lambda text: str(text).lower()),
    StringConstraints(pattern=r"^[0-9a-f]{64}$"),
    Allowed("64 hex digits"),
]


def _checkpoint(source: str) -> str:
    scheme = urlsplit(source).scheme.lower() if "://" in source else source.partition(":")[0]
    if "://" not in source and re.search("[{}]", source):
        raise ValueError(f"found '{source}', allowed: no braces in a path, Snakemake takes them for wildcards")
    if "://" in source and scheme not in ("https", "http"):
        raise ValueError(f"found '{source}', allowed: https://…, a path, hub:ORG/NAME, bundled:NAME, catalogue:NAME")
    if scheme in ("bundled", "catalogue") and not re.fullmatch(names.PATTERN, source.partition(":")[2]):
        raise ValueError(f"found '{source}', allowed: {scheme}:NAME, the name of letters, digits, '-' and '_'")
    in_words(checkpoints.on_hub, source)
    return source


def _member(check: Callable[[Any], Any]) -> BeforeValidator:
    """Return the validator of a key that names a member of a registry, with or without arguments."""

    def validate(spec: Any) -> Any:
        return None if spec is None else in_words(check, spec)

    return BeforeValidator(validate, json_schema_input_type=str | dict[str, Any])


def _fill(spec: Any, info: ValidationInfo) -> Any:
    return in_words(fills.check, spec, info.data.get("space"))


class RandomActions(Table):
    """Greedy actions, but for some that are drawn at random."""

    epsilon: Probability = Field(description="Chance of an action that is drawn from all, each as likely.")


Actions = Annotated[Literal["greedy", "sampled"] | RandomActions, Allowed("greedy, sampled or {epsilon: 0.05}")]


class Agent(Table):
    """A trained agent: where its weights are, and the world it was trained for."""

    checkpoint: Annotated[str, AfterValidator(_checkpoint)] = Field(
        description="Where the weights are ([all forms](#checkpoints)): `bundled:NAME` (ships with the project), "
        "`catalogue:NAME` (a known public agent of `config/catalogue.yaml`), a path, an `https://` address, or a file "
        "of the Hugging Face hub: `hub:ORG/NAME`, `sb3:ppo/BreakoutNoFrameskip-v4`, "
        "`cleanrl:BreakoutNoFrameskip-v4-dqn_atari-seed1`.",
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
        "found is printed with the line to paste here (of a repository on the hub, the commit). Addresses with plain "
        "`http://` must have one.",
    )
    env: Annotated[
        str | dict[str, Any] | None,
        Allowed("a gymnasium id, or {id: …, argument: value}"),
        _member(environments.check),
    ] = Field(
        None,
        description="The Atari environment: its gymnasium id (`Breakout-v0`, `BreakoutNoFrameskip-v4`, `ALE/Pong-v5`, "
        "…), or the id with [arguments](#environments). `my_envs:ID` first imports `my_envs.py` of the working "
        "directory, your own module that registers the id; when that file changes, the agent plays again. May be left "
        "out for an agent of the catalogue, of `sb3:` or of `cleanrl:`.",
        examples=["Breakout-v0"],
    )
    wrappers: Annotated[
        str | dict[str, dict[str, Any]],
        Allowed("`NAME` or `{NAME: {argument: value}}`"),
        _member(worlds.check),
    ] = Field(
        "none",
        description="The world of the library that the agent was trained with: [wrappers](#wrappers), with or without "
        "arguments. Rewards are always the game's own.",
    )
    preprocessing: Annotated[
        str | dict[str, dict[str, Any]] | None,
        Allowed("`NAME` or `{NAME: {argument: value}}`"),
        _member(preprocessings.check),
    ] = Field(
        None,
        description="How a screen becomes what the network sees: a [preprocessing](#preprocessings), with or without "
        "arguments. May be left out for an agent of the catalogue, of `sb3:` or of `cleanrl:`.",
        examples=["cv2"],
    )
    network: Annotated[
        str | dict[str, Any] | None,
        Allowed("`NAME`, `{NAME: {argument: value}}` or `{module: FILE, class: NAME, arguments: {…}}`"),
        _member(networks.check),
    ] = Field(
        None,
        description="Which [network](#networks) the checkpoint holds, with or without arguments. Without it, the "
        "checkpoint's tensors tell. Or a class in a file of your own, [whose code then runs](../docs/own_network.md).",
    )
    actions: Actions = Field(
        "greedy",
        description="Take the action with the highest output (`greedy`), draw from the policy (`sampled`), or take a "
        "random action with a chance and the greedy one otherwise (`{epsilon: 0.05}`, as Q-networks are played).",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form_fills_in_missing_keys(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        try:
            brought = checkpoints.brought(str(given.get("checkpoint")))
        except SearchlightError:  # the check of the key reports it
            return given
        return {**{key: value for key, value in brought.items() if key in cls.model_fields}, **given}

    @model_validator(mode="after")
    def _plain_http_needs_a_digest(self) -> Agent:
        if self.checkpoint.lower().startswith("http://") and self.sha256 is None:
            found = f"'{self.checkpoint}' without sha256"
            refuse([mistake(("checkpoint",), found, "https://, or http:// with sha256")])
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
        Allowed("a number, `[red, green, blue]`, `NAME` or `{NAME: {argument: value}}`"),
        BeforeValidator(_fill, json_schema_input_type=float | tuple[float, float, float] | str | dict[str, Any]),
    ] = Field(
        0,
        validate_default=True,
        description="What hidden pixels are replaced by ([below](#fills)): one of them by name, with its arguments "
        "(`{background: {window: 50}}`, `{background: 50}`) or without (`background`), or a number for a level, or "
        "`[red, green, blue]`.",
    )
    stack: Literal["all", "newest"] = Field(
        "all",
        description="Where an observation is a stack of pictures: hide the same patch in all of them, each by its own "
        "fill, or in the newest alone. `newest` also makes the patch appear to move.",
    )
    memory_lag: Int = Field(
        0,
        ge=0,
        description="How many steps the recurrent memory is behind the screen. 0 is right; 1 is what the XAITK "
        "notebook did.",
    )


def _output(output: Output | None, info: ValidationInfo) -> Output | None:
    """Return the output that a scorer compares: as given, or its own, or ``logits``. Without a scorer, as given."""
    scorer = info.data.get("scorer")
    if scorer is None:
        return output
    own: Output | None = scorers.told(scorer, "OUTPUT")
    if output is not None and own is not None and output != own:
        raise ValueError(f"found '{output}', allowed: {own}, which {next(iter(scorer))} compares, or no output")
    return output or own or "logits"


def _temperature(temperature: float | None, info: ValidationInfo) -> float | None:
    if temperature is not None and (output := info.data.get("output")) not in (None, *OF_PROBABILITIES):
        raise ValueError(f"found {temperature:g} with the output '{output}', allowed: with {_either(OF_PROBABILITIES)}")
    return temperature


def _signed(signed: bool, info: ValidationInfo) -> bool:
    scorer, output = info.data.get("scorer"), info.data.get("output")
    if signed and scorer is not None and not scorers.told(scorer, "SIGNED"):
        allowed = _either(scorers.signed_ones())
        raise ValueError(f"found true with the scorer {next(iter(scorer))}, allowed: with {allowed}")
    if signed and output not in (None, "chosen_action"):
        raise ValueError(f"found true with the output '{output}', allowed: with chosen_action")
    return signed


def _either(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


class Method(Table):
    """How a saliency map is made: from the responses to a perturbation by a scorer, or from a gradient."""

    perturbation: Name | None = Field(
        None, description="A name from `perturbations`; with a `scorer`.", examples=["window"]
    )
    scorer: Annotated[
        dict[str, dict[str, Any]] | None,
        Allowed("`NAME` or `{NAME: {argument: value}}`"),
        _member(partial(plugins.check, "scorer")),
    ] = Field(
        None,
        description="How the outputs become a map: a [scorer](#scorers), with or without arguments.",
        examples=["OcclusionScoring"],
    )
    output: Annotated[Output | None, AfterValidator(_output)] = Field(
        None,
        validate_default=True,
        description="What of the network's answer the actor's map compares. `logits`: logits or Q-values as they are; "
        "`log_probabilities` or `probabilities` of all actions; `advantages`: logits or Q-values less their mean; "
        "`chosen_action`: that with the highest unperturbed output (also where actions are sampled), its "
        "log-probability, or of Q-networks its advantage. Without it: the scorer's own, or else `logits`.",
    )
    temperature: Annotated[PositiveFloat | None, AfterValidator(_temperature)] = Field(
        None,
        description="Q-networks have probabilities only by this: the softmax of the Q-values divided by it. Needed "
        "where probabilities of one are compared. A policy's own probabilities stay as they are.",
    )
    signed: Annotated[Bool, AfterValidator(_signed)] = Field(
        False,
        description="Keep the map's sign: what raises and what lowers the chosen action, and the value, in two "
        "colours. For a scorer that has a sign, with `output: chosen_action`.",
    )
    gradient: Annotated[
        dict[str, dict[str, Any]] | None,
        Allowed("`NAME` or `{NAME: {argument: value}}`"),
        _member(gradients.check),
    ] = Field(
        None,
        description="In place of a perturbation and a scorer: a [gradient](#gradients), with or without arguments.",
        examples=["integrated_gradients"],
    )
    of: Literal["chosen_action", "every_action"] = Field(
        "chosen_action",
        description="What the actor's map by a gradient explains: the advantage of the action with the highest output "
        "(also where actions are sampled), or that of each action, their maps summed. An advantage is a logit or "
        "Q-value less the mean of all.",
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

    @model_validator(mode="after")
    def _one_way_to_make_maps(self) -> Method:
        given = {key for key in self.model_fields_set if getattr(self, key) is not None}
        if self.gradient is not None:
            extra = [key for key in type(self).model_fields if key in given - {"gradient", "of", "scale", "gain"}]
            allowed = "without, which an overlay takes out by null"
            refuse([mistake(("gradient",), f"it beside {', '.join(extra)}", allowed)] if extra else [])
            return self
        needed = {"perturbation": "a name from perturbations", "scorer": "a scorer"}
        missing = [key for key in needed if getattr(self, key) is None]
        refuse(mistake((key,), "none", f"{needed[key]}, or a gradient in place of both") for key in missing[:1])
        if "of" in given:
            refuse([mistake(("of",), f"'{self.of}' without a gradient", "with one")])
        return self


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


class Config(Table):
    """Everything that a run depends on."""

    block_size: Int = Field(
        240, gt=0, description="Consecutive frames that one `perturb` or `differentiate` job works on."
    )
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
    """A config with complete agents, and with one entry for each clip in place of families."""

    clips: dict[Name, Clip]  # type: ignore[assignment]  # dict is invariant, but settings never change
