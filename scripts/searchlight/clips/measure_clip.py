"""Measures of a clip: the part of each that does not depend on a method."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from searchlight import measures, registry
from searchlight.agents import networks
from searchlight.agents.policy_file import load_policy
from searchlight.measures import Measured
from searchlight.saliency.recorded import Recorded, about_episode
from searchlight.store.blocks import frames_of_clip
from searchlight.store.zarr import Variable, create, load

Frames = tuple[int, int | Literal["end"]]


def measure_clip(
    policy_path: str | Path,
    episode_path: str | Path,
    output: str | Path,
    *,
    clip: str,
    name: str,
    arguments: dict[str, Any],
    frames: Frames | None,
    background_path: str | Path | None = None,
    network: networks.Spec | None = None,
    threads: int = 1,
    notice: Callable[[str], None],
) -> None:
    """Write the part of a measure that is of a clip.

    Args:
        policy_path: safetensors written by ``searchlight.agents.checkpoint``.
        episode_path: store written by ``searchlight.agents.rollout``.
        output: path of the store to write: ``time`` (time,) int64, the decisions that were measured, and the measure's
            own arrays.
        clip: name of the clip in the config.
        name: of the measure.
        arguments: of the measure.
        frames: first and last frame of the clip; None for a measure of the whole episode.
        background_path: store written by ``searchlight.saliency.background``; only for measures with a window.
        network: the agent's network in the config.
        threads: number of torch's threads.
        notice: called with one line for each thing that a user should know.

    Raises:
        SearchlightError: the measure cannot be taken of this agent or clip.
    """
    torch.set_num_threads(threads)
    chosen = registry.choose(measures.FOLDER, {name: arguments})
    with ExitStack() as stack:
        episode = stack.enter_context(load(episode_path))
        background = None if background_path is None else stack.enter_context(load(background_path))
        recorded = Recorded(episode, background)
        scene = measures.Scene(
            episode,
            recorded,
            load_policy(policy_path, network),
            frames_to_measure(clip, frames, recorded.length),
            f"clips.{clip}",
        )
        about = {**about_episode(episode, policy_path), "clip": clip, "measure": name, "arguments": arguments}
        write_measured(output, chosen.module.of_clip(scene, chosen.arguments), about, notice, f"clips.{clip}: {name}")


def frames_to_measure(clip: str, frames: Frames | None, length: int) -> range:
    """Return the frames that a measure may choose from: a clip's, or all of the episode."""
    return range(length) if frames is None else frames_of_clip(clip, frames, length)


def write_measured(
    output: str | Path, measured: Measured, about: dict[str, Any], notice: Callable[[str], None], key: str
) -> None:
    """Write what a measure gave, and say its notices."""
    with create(output) as writer:
        for name, variable in measured.variables.items():
            writer.variable(name, variable)
        time = np.array(measured.time, np.int64)
        writer.variable("time", Variable(("time",), time, {"long_name": "decision of the episode"}))
        writer.attributes({**about, **measured.attributes, "notices": list(measured.notices)})
    for line in measured.notices:
        notice(f"{key}: {line}")
