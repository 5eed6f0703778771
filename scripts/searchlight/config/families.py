"""Families of clips: one entry of ``clips`` stands for a clip of each of its agents and seeds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Annotated, Any, Literal

from annotated_types import MinLen
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from searchlight import measures
from searchlight.config.allowed import Allowed, not_allowed
from searchlight.config.arguments import Float, Int, Table
from searchlight.config.messages import in_words
from searchlight.config.names import Name

Agents = Annotated[Name | Annotated[tuple[Name, ...], MinLen(1)], Allowed("a name of agents, or a list of them")]
Seed = Annotated[Int, Field(ge=0, lt=2**31)]
Seeds = Annotated[
    Seed | Annotated[tuple[Seed, ...], MinLen(1)], Allowed(f"0 to {2**31 - 1}, or a list of such numbers")
]
Frame = Annotated[Int, Field(ge=0)]
Range = tuple[Frame, Frame | Literal["end"]]


def _written_out(frames: Any) -> Any:
    return (0, "end") if frames == "all" else frames


def _measures(given: Any) -> dict[str, dict[str, Any]]:
    """Return measures by name, each with all its arguments; the form that a config has once it was read is kept."""
    if isinstance(given, dict):
        given = [{name: arguments} for name, arguments in given.items()]
    if not isinstance(given, (list, tuple)):
        raise not_allowed(repr(given), "a list of measures, each `NAME` or `{NAME: {argument: value}}`")
    found: dict[str, dict[str, Any]] = {}
    for spec in given:
        ((name, arguments),) = in_words(measures.check, spec).items()
        if name in found:
            raise ValueError(f"found '{name}' twice, allowed: each measure once")
        found[name] = arguments
    return found


class ClipFamily(Table):
    """What a user asks for: some frames of one episode, or the same of several, shown by some methods."""

    agent: Agents = Field(
        description="A name from `agents`. A list of them gives a clip for each, with its name after the clip's: "
        "`demo` of `[breakout, pong]` is `demo-breakout` and `demo-pong`.",
        examples=["breakout"],
    )
    seed: Seeds = Field(
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
        Range,
        BeforeValidator(_written_out, json_schema_input_type=Literal["all"] | Range),
        Allowed("[first, last], [first, end] or all"),
    ] = Field(
        description="First and last frame, both included; `[1000, end]` goes on to the episode's end, `all` is "
        "`[0, end]`. How many jobs an open end needs is known once the episode was played.",
        examples=[[1000, 1299]],
    )
    methods: Annotated[tuple[Name, ...], MinLen(1), Allowed("a list of names of methods, at least one")] = Field(
        description="Names from `methods`.", examples=[["occlusion"]]
    )
    measures: Annotated[
        dict[str, dict[str, Any]],
        Allowed("a list of measures, each `NAME` or `{NAME: {argument: value}}`"),
        BeforeValidator(_measures, json_schema_input_type=list[str | dict[str, Any]]),
    ] = Field(
        (),
        validate_default=True,
        description="How far to believe what is shown: [measures](#measures), each with or without arguments. Their "
        "numbers stand on the clip's page, and in files beside it.",
        examples=[["objects", "faithfulness"]],
    )
    fps: Annotated[Float, Field(ge=0.1, le=240)] = Field(30, description="Frames a second of the videos.")

    @field_validator("frames")
    @classmethod
    def _frames_in_order(cls, frames: Range, info: ValidationInfo) -> Range:
        first, last = frames
        if last != "end" and first > last:
            raise ValueError(f"found [{first}, {last}], allowed: first frame <= last frame")
        steps = info.data.get("max_steps")
        if steps is not None and (first if last == "end" else last) >= steps:
            raise ValueError(f"found [{first}, {last}], allowed: frames 0 to {steps - 1} (max_steps: {steps})")
        return frames

    @field_validator("agent", "seed", "methods")
    @classmethod
    def _each_once(cls, values: Any, info: ValidationInfo) -> Any:
        if isinstance(values, tuple) and len(set(values)) < len(values):
            one = "method" if info.field_name == "methods" else info.field_name
            raise ValueError(f"found {list(values)}, allowed: each {one} once")
        return values

    @property
    def agents(self) -> tuple[str, ...]:
        """The names of the agents, a tuple also for one agent."""
        return self.agent if isinstance(self.agent, tuple) else (self.agent,)

    def episodes(self, name: str) -> Iterator[tuple[str, str, int]]:
        """Yield name, agent and seed of each clip of the family; ``name`` is the family's name in the config."""
        seeds = self.seed if isinstance(self.seed, tuple) else (self.seed,)
        for agent, seed in product(self.agents, seeds):
            parts = [name]
            parts += [agent] if isinstance(self.agent, tuple) else []
            parts += [f"seed-{seed}"] if isinstance(self.seed, tuple) else []
            yield "-".join(parts), agent, seed

    def clips(self, name: str) -> dict[str, Clip]:
        """Return the clips of the family by name; ``name`` is the family's name in the config."""
        shared = dict(self)
        return {
            clip: Clip.model_construct(**{**shared, "agent": agent, "seed": seed})
            for clip, agent, seed in self.episodes(name)
        }


class Clip(ClipFamily):
    """One clip of a family, with one agent and one seed."""

    agent: Name
    seed: Seed
