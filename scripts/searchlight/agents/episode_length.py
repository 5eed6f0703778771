"""Length of an episode in a small file: the workflow derives the episode's blocks without opening the store."""

from __future__ import annotations

from pathlib import Path

from searchlight.store.files import write_text
from searchlight.store.records import mark
from searchlight.store.zarr import load


def write_length(episode_path: str | Path, output: str | Path) -> None:
    """Write the number of frames of an episode, as a line.

    Args:
        episode_path: store written by ``searchlight.agents.rollout``.
        output: path of the text to write; ``searchlight.store.blocks.read_length`` reads it.

    Raises:
        SearchlightError: the store is missing or damaged.
    """
    with load(episode_path) as episode:
        length = episode.shape("frame")[0]
    write_text(output, f"{length} {mark().decode()}".rstrip() + "\n")
