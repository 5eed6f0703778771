"""Mistakes between the tables of a config, where each table is valid alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from searchlight import measures, registry
from searchlight.agents import networks
from searchlight.config import environments
from searchlight.config.messages import mistake
from searchlight.config.names import repeated_end
from searchlight.config.outputs import OF_PROBABILITIES
from searchlight.config.playable import LEVEL, largest_fps, largest_zoom
from searchlight.measures import games
from searchlight.saliency.scorers import told

if TYPE_CHECKING:
    from searchlight.config.models import Config


def mistakes(config: Config) -> Iterator[InitErrorDetails]:
    """Yield all mistakes between the tables."""
    yield from _unknown_names(config)
    yield from _unfit_methods(config)
    yield from _unknown_games(config)
    yield from _conflicting_families(config)
    yield from _names_like_loops(config)
    yield from _unplayable_videos(config)


def _unknown_names(config: Config) -> Iterator[InitErrorDetails]:
    """Yield names of entries that do not exist."""
    for key, method in config.methods.items():
        if method.perturbation is not None and method.perturbation not in config.perturbations:
            allowed = ", ".join(config.perturbations)
            yield mistake(("methods", key, "perturbation"), repr(method.perturbation), allowed)
    for key, family in config.clips.items():
        for name in family.agents:
            if name not in config.agents:
                yield mistake(("clips", key, "agent"), repr(name), ", ".join(config.agents))
        for name in family.methods:
            if name not in config.methods:
                yield mistake(("clips", key, "methods"), repr(name), ", ".join(config.methods))


def _unfit_methods(config: Config) -> Iterator[InitErrorDetails]:
    """Yield scorers that do not take their masks, and probabilities of Q-networks without a temperature."""
    for key, method in config.methods.items():
        if method.perturbation is None or method.scorer is None:
            continue
        perturbation, perturbers = config.perturbations.get(method.perturbation), told(method.scorer, "PERTURBERS")
        if perturbation is not None and perturbers is not None:
            (perturber,) = perturbation.perturber
            if perturber not in perturbers:
                (scorer,) = method.scorer
                found = f"{scorer} with the perturber {perturber} of perturbations.{method.perturbation}"
                yield mistake(("methods", key, "scorer"), found, f"with {', '.join(perturbers)}")
        if method.output in OF_PROBABILITIES and method.temperature is None:
            agents = (agent for family in config.clips.values() if key in family.methods for agent in family.agents)
            q_network = next((agent for agent in agents if _gives_q_values(config, agent)), None)
            if q_network is not None:
                found = f"none with the output '{method.output}' of agents.{q_network}, a Q-network"
                yield mistake(("methods", key, "temperature"), found, "a number greater than 0")


def _unknown_games(config: Config) -> Iterator[InitErrorDetails]:
    """Yield measures of objects for games whose objects are not known."""
    for key, family in config.clips.items():
        asking = [name for name in family.measures if measures.told(name, "USES_OBJECTS")]
        for name in family.agents if asking else ():
            env = config.agents[name].env if name in config.agents else None
            game = None if env is None else environments.game(env)
            if game is not None and registry.file_of(games.FOLDER, game) is None:
                found = f"{asking[0]} for agents.{name}, which plays {game}"
                allowed = f"{asking[0]} for {', '.join(registry.names(games.FOLDER))}"
                yield mistake(("clips", key, "measures"), found, allowed)


def _gives_q_values(config: Config, agent: str) -> bool:
    """Return whether an agent's network is one that the config names and that gives Q-values."""
    network = config.agents[agent].network if agent in config.agents else None
    return network is not None and networks.is_q_network(network)


def _conflicting_families(config: Config) -> Iterator[InitErrorDetails]:
    """Yield families that repeat a clip's name, or give one episode two lengths."""
    makers: dict[str, str] = {}
    episodes: dict[tuple[str, int], tuple[str, int]] = {}
    for key, family in config.clips.items():
        for clip, agent, seed in family.episodes(key):
            maker = makers.setdefault(clip, key)
            if maker != key:
                yield mistake(("clips", key), f"a second clip '{clip}'", f"one, and clips.{maker} has it")
            other, steps = episodes.setdefault((agent, seed), (key, family.max_steps))
            if steps != family.max_steps:
                allowed = f"{steps}, as clips.{other} of the same agent and seed has it"
                yield mistake(("clips", key, "max_steps"), str(family.max_steps), allowed)


def _names_like_loops(config: Config) -> Iterator[InitErrorDetails]:
    """Yield names of entries and of families' clips that Snakemake takes for a loop of rules."""
    given = [(table, name) for table, entries in config if isinstance(entries, dict) for name in entries]
    made = [("clips", clip) for key, family in config.clips.items() for clip, _, _ in family.episodes(key)]
    for table, name in dict.fromkeys(given + made):
        if end := repeated_end(name):
            yield mistake((table, name), f"a name that ends in '{end}' 20 times or more", "19 times")


def _unplayable_videos(config: Config) -> Iterator[InitErrorDetails]:
    """Yield families whose videos are too fast for hardware at the config's zoom."""
    zoom = config.video.zoom
    fastest = largest_fps(zoom)
    for key, family in config.clips.items():
        if family.fps > fastest:
            found = f"{family.fps:g} with video.zoom {zoom}"
            allowed = f"fps up to {int(fastest)}, or zoom up to {largest_zoom(family.fps)} ({LEVEL})"
            yield mistake(("clips", key, "fps"), found, allowed)
