"""A clip's store: frames, maps and outputs in one labelled store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np

from searchlight.agents import preprocessings
from searchlight.errors import SearchlightError
from searchlight.saliency.maps import MAPS
from searchlight.store.blocks import frames_of_clip, runs, scores_before
from searchlight.store.zarr import CHUNK_FRAMES, Reader, Variable, Writer, create, load

# Frames in memory at a time.
RUN_FRAMES = 4 * CHUNK_FRAMES


# Attributes of a saliency store that are its block's alone.
OF_BLOCK = ("block", "block_size")


def collect_clip(
    episode_path: str | Path,
    saliency_paths: Sequence[str | Path],
    output: str | Path,
    *,
    clip: str,
    frames: tuple[int, int | Literal["end"]],
    method: str,
    scale: str,
    notice: Callable[[str], None],
) -> None:
    """Write a clip's store.

    Args:
        episode_path: store written by ``searchlight.agents.rollout``.
        saliency_paths: stores written by ``searchlight.saliency.score`` or ``searchlight.saliency.differentiate``, of
            all blocks that hold the clip's frames.
        output: path of the store to write. Its arrays lie along ``time``, the decision of the episode. They are the
            episode's recorded arrays, ``score`` (sum of rewards before each decision), ``effective_masks`` (number of
            masks that change the agent's observation; not for gradients), and the scaled maps ``actor`` and ``critic``.
            Maps lie on the screen's pixels (y, x), or on the observation's (observation_y, observation_x), whose
            coordinates are screen positions in pixels. ``actor_peak`` and ``critic_peak`` are the largest absolute
            values of the unscaled maps. The attribute ``made_by`` describes the method in words. The attribute
            ``coverage`` is the fraction of the agent's pixels that at least one mask hides. The attribute ``seen`` is
            the top, bottom, left and right of the part of the screen that the agent sees.
        clip: name of the clip in the config.
        frames: first and last frame, both included; ``end`` is the episode's last.
        method: name of the method in the config.
        scale: divisor of the maps: the largest absolute value of the ``frame`` or of the ``clip``, or ``none``.
        notice: called with one line for each limit of the maps that a user may overlook.

    Raises:
        SearchlightError: the episode is shorter than the clip, or a block is missing.
    """
    with ExitStack() as stack:
        episode = stack.enter_context(load(episode_path))
        wanted = frames_of_clip(clip, frames, episode.shape("frame")[0])
        blocks = [stack.enter_context(load(path)) for path in saliency_paths]
        blocks.sort(key=lambda block: block.read("time", slice(0, 1)).item())
        held = np.concatenate([block.read("time") for block in blocks])
        if not np.isin(wanted, held).all():
            raise SearchlightError(f"clips.{clip}: no saliency for frame {np.setdiff1d(wanted, held)[0]}")
        writer = stack.enter_context(create(output))
        size = blocks[0].shape("actor")[1:]
        space, signed = blocks[0].attributes["space"], blocks[0].attributes["signed"]
        dimensions = ("y", "x") if space == "screen" else ("observation_y", "observation_x")

        peaks = {layer: np.concatenate([*_rows(blocks, f"{layer}_peak", wanted)]) for layer in MAPS}
        for layer in MAPS:
            array = writer.array(
                layer,
                ("time", *dimensions),
                size,
                np.float32,
                (CHUNK_FRAMES, *size),
                {"long_name": f"{'signed ' if signed else ''}saliency of the {layer}", "scale": scale},
            )
            for maps in _rows(blocks, layer, wanted):
                array.append(_divided(maps, scale, peaks[layer].max()))
            what = {"long_name": f"largest saliency of the {layer} in the frame, before it is scaled"}
            writer.variable(f"{layer}_peak", Variable(("time",), peaks[layer], what))
        effective = None
        if "effective_masks" in blocks[0].names():
            effective = np.concatenate([*_rows(blocks, "effective_masks", wanted)])
            what = {"long_name": "number of masks that change what the agent sees"}
            writer.variable("effective_masks", Variable(("time",), effective, what))
        _copy_episode(episode, writer, wanted)
        writer.variable("time", Variable(("time",), np.array(wanted), {"long_name": "decision of the episode"}))
        scores = np.array(scores_before(episode.read("reward", slice(0, wanted.stop)), wanted))
        writer.variable("score", Variable(("time",), scores, {"long_name": "reward before this decision"}))
        _, height, width, _ = episode.shape("frame")
        screen = (height, width)
        preprocessing = preprocessings.build(episode.attributes["preprocessing"], screen)
        for name, length in zip(("y", "x"), screen, strict=True):
            writer.variable(name, Variable((name,), np.arange(length)))
        if space == "observation":
            for name, places in zip(dimensions, preprocessing.centres(), strict=True):
                where = {"long_name": "centre of the observed pixel on the screen", "units": "pixel"}
                writer.variable(name, Variable((name,), places, where))
        scored = blocks[0].attributes
        details = {name: value for name, value in scored.items() if name not in OF_BLOCK}
        about = {"clip": clip, "frames": [wanted.start, wanted.stop - 1], "method": method, "scale": scale}
        writer.attributes({**episode.attributes, **about, **details, "space": space, "seen": list(preprocessing.seen)})
    for line in _of_gradient(peaks) if effective is None else _of_masks(scored, effective):
        notice(f"clips.{clip}, method {method}: {line}")


def _of_gradient(peaks: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Yield a line for each map of a gradient that is zero in all frames."""
    for layer in MAPS:
        if not peaks[layer].any():
            yield f"the gradient of the {layer} is zero in all of its frames: all maps of the {layer} are zero"


def _of_masks(about: Mapping[str, Any], effective: np.ndarray) -> Iterator[str]:
    """Yield a line for each reason why zeros do not mean "not salient", or why maps mean little."""
    if not effective.any():
        why = about["unchanged_because"]
        yield f"no mask changes what the agent sees in any of its frames ({why}): all maps are zero"
    if (missed := 1 - about["coverage"]) > 0:
        part = f"{missed:.0%}" if missed >= 0.01 else "less than 1%"
        yield (
            f"{part} of what the agent sees is hidden by no mask (a stride larger than the window?): maps are zero "
            "there because nothing was tried"
        )
    if "caution" in about:
        yield about["caution"]


def _rows(blocks: Sequence[Reader], name: str, wanted: range) -> Iterator[np.ndarray]:
    """Yield an array's rows of the wanted frames in order, a run at a time."""
    for block in blocks:
        held = block.read("time")
        rows = np.flatnonzero((held >= wanted.start) & (held < wanted.stop))
        for start in range(0, len(rows), RUN_FRAMES):
            run = rows[start : start + RUN_FRAMES]
            yield block.read(name, slice(int(run[0]), int(run[-1]) + 1))


def _divided(maps: np.ndarray, scale: str, largest_of_clip: np.float32) -> np.ndarray:
    if scale == "none":
        return maps
    largest = np.abs(maps).max(axis=(1, 2), keepdims=True) if scale == "frame" else largest_of_clip
    return maps / np.where(largest == 0, np.float32(1), largest)


def _copy_episode(episode: Reader, writer: Writer, wanted: range) -> None:
    for name in episode.names():
        if name == "time" or name.startswith("memory_"):
            continue
        shape = episode.shape(name)[1:]
        dtype = episode.read(name, slice(0, 1)).dtype
        array = writer.array(name, episode.dimensions(name), shape, dtype, (CHUNK_FRAMES, *shape), episode.about(name))
        for rows in runs(wanted.start, wanted.stop, RUN_FRAMES):
            array.append(episode.read(name, rows))
