"""A clip: the frames, maps and outputs of what a user asked for, in one labelled store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import numpy as np

from searchlight.blocks import check_frames, runs, scores_before
from searchlight.errors import SearchlightError
from searchlight.preprocessing import CELL, OBSERVATION, SCREEN, TOP
from searchlight.store import CHUNK_FRAMES, Reader, Variable, create, load

MAPS = ("actor", "critic")
# Frames in memory at a time.
RUN_FRAMES = 4 * CHUNK_FRAMES


def collect_clip(
    episode_path: str | Path,
    saliency_paths: Sequence[str | Path],
    output: str | Path,
    *,
    clip: str,
    frames: tuple[int, int | Literal["end"]],
    method: str,
    scale: str,
) -> None:
    """Write a clip's store.

    Args:
        episode_path: store written by ``searchlight.rollout``.
        saliency_paths: stores written by ``searchlight.scoring``, of all blocks that hold the clip's frames.
        output: path of the store to write. Along ``time``, whose coordinate is the decision of the episode: what the
            episode recorded, ``score`` (the reward before each decision), and ``actor`` and ``critic``, scaled maps
            on the screen's pixels (y, x) or on the observation's (observation_y, observation_x), whose coordinates
            say where on the screen they lie.
        clip: its name in the config.
        frames: first and last frame, both included; ``end`` is the episode's last.
        method: its name in the config.
        scale: divide maps by the ``frame``'s maximum, by the ``clip``'s, or by ``none``.

    Raises:
        SearchlightError: the episode is shorter than the clip, or a block is not there.
    """
    with ExitStack() as stack:
        episode = stack.enter_context(load(episode_path))
        blocks = [stack.enter_context(load(path)) for path in saliency_paths]
        blocks.sort(key=lambda block: block.read("frame", slice(0, 1)).item())
        wanted = check_frames(clip, tuple(frames), episode.shape("frame")[0])
        held = np.concatenate([block.read("frame") for block in blocks])
        if not np.isin(wanted, held).all():
            raise SearchlightError(f"clips.{clip}: no saliency for frame {np.setdiff1d(wanted, held)[0]}")
        writer = stack.enter_context(create(output))
        size = blocks[0].shape("actor")[1:]
        space = blocks[0].attributes["perturbation"]["space"]
        dimensions = ("y", "x") if space == "screen" else ("observation_y", "observation_x")

        divisors = _largest(blocks, wanted) if scale == "clip" else None
        for layer in MAPS:
            array = writer.array(
                layer,
                ("time", *dimensions),
                size,
                np.float32,
                (CHUNK_FRAMES, *size),
                {"long_name": f"saliency of the {layer}", "scale": scale},
            )
            for maps in _maps(blocks, layer, wanted):
                array.append(_divided(maps, scale, divisors[layer] if divisors else None))
        _copy_episode(episode, writer, wanted)
        writer.variable("time", Variable(("time",), np.array(wanted), {"long_name": "decision of the episode"}))
        scores = np.array(scores_before(episode.read("reward", slice(0, wanted.stop)), wanted))
        writer.variable("score", Variable(("time",), scores, {"long_name": "reward before this decision"}))
        writer.variable("y", Variable(("y",), np.arange(SCREEN[0])))
        writer.variable("x", Variable(("x",), np.arange(SCREEN[1])))
        if space == "observation":
            centre = (CELL - 1) / 2
            for name, count, start in (("observation_y", OBSERVATION[0], TOP), ("observation_x", OBSERVATION[1], 0)):
                where = {"long_name": "centre of the observed pixel on the screen", "units": "pixel"}
                writer.variable(name, Variable((name,), start + CELL * np.arange(count) + centre, where))
        details = {name: blocks[0].attributes[name] for name in ("perturbation", "scorer")}
        about = {"clip": clip, "frames": [wanted.start, wanted.stop - 1], "method": method, "scale": scale}
        writer.attributes({**episode.attributes, **about, **details, "space": space})


def _maps(blocks: Sequence[Reader], layer: str, wanted: range) -> Iterator[np.ndarray]:
    """Yield the wanted maps of a layer in the order of their frames, a run at a time."""
    for block in blocks:
        held = block.read("frame")
        rows = np.flatnonzero((held >= wanted.start) & (held < wanted.stop))
        for start in range(0, len(rows), RUN_FRAMES):
            run = rows[start : start + RUN_FRAMES]
            yield block.read(layer, slice(int(run[0]), int(run[-1]) + 1))


def _largest(blocks: Sequence[Reader], wanted: range) -> dict[str, float]:
    return {layer: max(float(maps.max()) for maps in _maps(blocks, layer, wanted)) for layer in MAPS}


def _divided(maps: np.ndarray, scale: str, divisor: float | None) -> np.ndarray:
    if scale == "none":
        return maps
    largest = maps.max(axis=(1, 2), keepdims=True) if scale == "frame" else np.float32(divisor)
    return maps / np.where(largest == 0, np.float32(1), largest)


def _copy_episode(episode: Reader, writer, wanted: range) -> None:
    for name in episode.names():
        if name == "time" or name.startswith("memory_"):
            continue
        shape = episode.shape(name)[1:]
        dtype = episode.read(name, slice(0, 1)).dtype
        array = writer.array(name, episode.dimensions(name), shape, dtype, (CHUNK_FRAMES, *shape))
        for rows in runs(wanted.start, wanted.stop, RUN_FRAMES):
            array.append(episode.read(name, rows))
