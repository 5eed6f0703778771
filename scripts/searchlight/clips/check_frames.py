"""Check that an episode has a clip's frames; jobs wait for its result, so that none works in vain."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from searchlight.store.blocks import frames_of_clip
from searchlight.store.files import write_text
from searchlight.store.records import mark
from searchlight.store.zarr import load


def check_frames(
    episode_path: str | Path, output: str | Path, *, clip: str, frames: tuple[int, int | Literal["end"]]
) -> None:
    """Check that an episode has a clip's frames, and write the first and the last frame as a line.

    Args:
        episode_path: store written by ``searchlight.agents.rollout``.
        output: path of the text to write.
        clip: name of the clip in the config.
        frames: first and last frame, both included; ``end`` is the episode's last.

    Raises:
        SearchlightError: the episode is shorter than the clip, or its store is missing or damaged.
    """
    with load(episode_path) as episode:
        wanted = frames_of_clip(clip, frames, episode.shape("frame")[0])
    write_text(output, f"{wanted.start} {wanted.stop - 1} {mark().decode()}".rstrip() + "\n")
