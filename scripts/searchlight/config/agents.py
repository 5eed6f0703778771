"""The table ``agents`` of the config."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from searchlight.agents import networks, preprocessings
from searchlight.agents import wrappers as worlds
from searchlight.config import checkpoints, environments, names
from searchlight.config.allowed import Allowed
from searchlight.config.arguments import Probability, Table
from searchlight.config.messages import in_words, mistake, refuse
from searchlight.config.registered import named_member
from searchlight.errors import SearchlightError

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
        named_member(environments.check),
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
        named_member(worlds.check),
    ] = Field(
        "none",
        description="The world of the library that the agent was trained with: [wrappers](#wrappers), with or without "
        "arguments. Rewards are always the game's own.",
    )
    preprocessing: Annotated[
        str | dict[str, dict[str, Any]] | None,
        Allowed("`NAME` or `{NAME: {argument: value}}`"),
        named_member(preprocessings.check),
    ] = Field(
        None,
        description="How a screen becomes what the network sees: a [preprocessing](#preprocessings), with or without "
        "arguments. May be left out for an agent of the catalogue, of `sb3:` or of `cleanrl:`.",
        examples=["cv2"],
    )
    network: Annotated[
        str | dict[str, Any] | None,
        Allowed("`NAME`, `{NAME: {argument: value}}` or `{module: FILE, class: NAME, arguments: {…}}`"),
        named_member(networks.check),
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
