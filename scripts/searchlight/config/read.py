"""Reading a config: tables that Snakemake merged become the settings of rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_origin

import yaml
from pydantic import ValidationError

from searchlight import registry
from searchlight.agents import preprocessings
from searchlight.config.agents import Agent
from searchlight.config.messages import lines
from searchlight.config.models import Config, Settings
from searchlight.errors import SearchlightError

# Tables whose entries have names that the user chooses.
_TABLES = tuple(name for name, field in Config.model_fields.items() if get_origin(field.annotation) is dict)


def own_config(root: Path) -> str:
    """Return the path of the base config: the working directory's, or else the project's own."""
    here = Path("config/config.yaml")
    return str(here if here.is_file() else root / here)


def typed(value: Any) -> Any:
    """Return a command line's value with real numbers and nulls, because Snakemake leaves them text inside tables."""
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

    An entry that is ``null`` is left out, because a preset removes an entry of the default in this way.

    Args:
        config: the tables of the config.
        catalogue: the file of known public agents.

    Raises:
        SearchlightError: one line for each mistake, with its key, what was found and what is allowed.
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
    """Return an agent with missing keys filled in from the catalogue; refuse it if a key is still missing."""
    if agent.checkpoint.startswith("catalogue:"):
        entry = known.get(agent.checkpoint.removeprefix("catalogue:"))
        if entry is None:
            raise SearchlightError(
                f"config: agents.{name}.checkpoint: found '{agent.checkpoint}', allowed: {', '.join(known)}"
            )
        agent = entry.model_copy(update={key: getattr(agent, key) for key in agent.model_fields_set - {"checkpoint"}})
    for key, allowed in (
        ("env", "a gymnasium id such as Breakout-v0"),
        ("preprocessing", " or ".join(registry.names(preprocessings.FOLDER))),
    ):
        if getattr(agent, key) is None:
            raise SearchlightError(f"config: agents.{name}.{key}: missing, allowed: {allowed}")
    return agent
