"""Measures of a clip's methods: what one method's maps say beside what is known of the agent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from searchlight import measures, registry
from searchlight.agents import networks
from searchlight.agents.policy_file import load_policy
from searchlight.clips.measure_clip import Frames, frames_to_measure, write_measured
from searchlight.saliency.maps import MAPS
from searchlight.saliency.recorded import Moment, Recorded, about_episode
from searchlight.saliency.single_maps import Maps, make_maker
from searchlight.store.zarr import Reader, load


def measure_method(
    policy_path: str | Path,
    episode_path: str | Path,
    saliency_paths: Sequence[str | Path],
    output: str | Path,
    *,
    clip: str,
    method: str,
    how: dict[str, Any],
    name: str,
    arguments: dict[str, Any],
    frames: Frames | None,
    of_clip_path: str | Path | None = None,
    background_path: str | Path | None = None,
    network: networks.Spec | None = None,
    threads: int = 1,
    notice: Callable[[str], None],
) -> None:
    """Write the part of a measure that is of a method.

    Args:
        policy_path: safetensors written by ``searchlight.agents.checkpoint``.
        episode_path: store written by ``searchlight.agents.rollout``.
        saliency_paths: stores written by ``searchlight.saliency.score`` or ``searchlight.saliency.differentiate``, of
            all blocks that hold the clip's frames; only for measures that use the clip's maps.
        output: path of the store to write, as ``searchlight.clips.measure_clip`` writes it.
        clip: name of the clip in the config.
        method: name of the method in the config.
        how: the method, as ``searchlight.saliency.single_maps.make_maker`` takes it.
        name: of the measure.
        arguments: of the measure.
        frames: first and last frame of the clip; None for a measure of the whole episode.
        of_clip_path: the part of the same measure that is of the clip; None if it has none.
        background_path: store written by ``searchlight.saliency.background``, for methods with a window.
        network: the agent's network in the config.
        threads: number of torch's threads.
        notice: called with one line for each thing that a user should know.

    Raises:
        SearchlightError: the measure cannot be taken of this agent, clip or method.
    """
    torch.set_num_threads(threads)
    chosen = registry.choose(measures.FOLDER, {name: arguments})
    lag = 0 if how["perturbation"] is None else how["perturbation"]["memory_lag"]
    with ExitStack() as stack:
        episode = stack.enter_context(load(episode_path))
        background = None if background_path is None else stack.enter_context(load(background_path))
        of_clip = None if of_clip_path is None else stack.enter_context(load(of_clip_path))
        recorded, policy = Recorded(episode, background, lag), load_policy(policy_path, network)
        if chosen.get("USES_MAPS", False):
            blocks = [stack.enter_context(load(path)) for path in saliency_paths]
            space, maps, maker = blocks[0].attributes["space"], stored_maps(blocks), None
        else:
            maker = make_maker(policy, recorded.preprocessing, how)
            space, maps = maker.space, maker.maps
        scene = measures.MethodScene(
            episode,
            recorded,
            policy,
            frames_to_measure(clip, frames, recorded.length),
            f"clips.{clip}",
            method,
            space,
            maps,
            maker,
            of_clip,
        )
        about = {**about_episode(episode, policy_path), "clip": clip, "measure": name, "arguments": arguments}
        measured = chosen.module.of_method(scene, chosen.arguments)
        key = f"clips.{clip}: {name} of {method}"
        write_measured(output, measured, {**about, "method": method, "space": space}, notice, key)


def stored_maps(blocks: Sequence[Reader]) -> Callable[[Moment], Maps]:
    """Return a function that reads the unscaled maps of a moment from the stores of blocks."""
    held = [block.read("time") for block in blocks]

    def maps(moment: Moment) -> Maps:
        for block, time in zip(blocks, held, strict=True):
            if len(row := np.flatnonzero(time == moment.decision)):
                return Maps(*(block.read(layer, slice(int(row[0]), int(row[0]) + 1))[0] for layer in MAPS))
        raise LookupError(f"no maps of frame {moment.decision}")

    return maps
