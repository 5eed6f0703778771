"""Mistakes between the tables of a config, where each table is valid alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from searchlight.config.messages import mistake
from searchlight.config.names import repeated_end
from searchlight.config.playable import LEVEL, largest_fps, largest_zoom

if TYPE_CHECKING:
    from searchlight.config.models import Config


def mistakes(config: Config) -> Iterator[InitErrorDetails]:
    """Yield all mistakes between the tables."""
    yield from _unknown_names(config)
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
