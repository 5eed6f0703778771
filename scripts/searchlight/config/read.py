"""Reading a config: from the tables that Snakemake merged to settings that rules can use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_origin

import yaml
from pydantic import ValidationError

from searchlight import registry
from searchlight.agents import preprocessings
from searchlight.config.messages import lines
from searchlight.config.models import Agent, Config, Settings
from searchlight.errors import SearchlightError

# The tables whose entries a user names.
_TABLES = tuple(name for name, field in Config.model_fields.items() if get_origin(field.annotation) is dict)


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

    Args:
        config: the tables of the config.
        catalogue: the file of known public agents.

    Raises:
        SearchlightError: one line a mistake, each with its key, what was found and what is allowed.
    """
    config = dict(config)
    for table in _TABLES:
        if isinstance(config.get(table), dict):
            config[table] = {str(name): entry for name, entry in config[table].items() if entry is not None}
    try:
        given = Config.model_validate(config)
    except ValidationError as error:
        raise SearchlightError("\n".join(f"config: {line}" for line in lines(error, Config))) from error
    in_catalogue = any(agent.checkpoint.startswith("catalogue:") for agent in given.agents.values())
    known = read_catalogue(catalogue) if in_catalogue else {}
    agents = {name: _complete(name, agent, known) for name, agent in given.agents.items()}
    clips = {name: clip for key, family in given.clips.items() for name, clip in family.clips(key).items()}
    return Settings.model_construct(**{**dict(given), "agents": agents, "clips": clips})


def read_catalogue(path: Path) -> dict[str, Agent]:
    """Read the known public agents; the file is part of the project, so its mistakes are bugs."""
    return {name: Agent.model_validate(entry) for name, entry in yaml.safe_load(path.read_text())["agents"].items()}


def _complete(name: str, agent: Agent, known: dict[str, Agent]) -> Agent:
    """Return an agent with what it does not say from its entry in the catalogue, and refuse one that lacks a key."""
    if agent.checkpoint.startswith("catalogue:"):
        entry = known.get(agent.checkpoint.removeprefix("catalogue:"))
        if entry is None:
            raise SearchlightError(
                f"config: agents.{name}.checkpoint: found '{agent.checkpoint}', allowed: {', '.join(known)}"
            )
        agent = entry.model_copy(update=agent.model_dump(exclude_unset=True, exclude={"checkpoint"}))
    for key, allowed in (
        ("env", "a gymnasium id such as Breakout-v0"),
        ("preprocessing", " or ".join(registry.names(preprocessings.FOLDER))),
    ):
        if getattr(agent, key) is None:
            raise SearchlightError(f"config: agents.{name}.{key}: missing, allowed: {allowed}")
    return agent
