"""How long an episode is: a small file, from which the workflow knows an episode's blocks without opening its store."""

from __future__ import annotations

from pathlib import Path

from searchlight.store.blocks import length_line
from searchlight.store.files import write_text
from searchlight.store.records import mark
from searchlight.store.zarr import load


def write_length(episode_path: str | Path, output: str | Path) -> None:
    """Write how many frames an episode has, as a line.

    Args:
        episode_path: store written by ``searchlight.agents.rollout``.
        output: path of the text to write; ``searchlight.store.blocks.read_length`` reads it.

    Raises:
        SearchlightError: the store is missing or damaged.
    """
    with load(episode_path) as episode:
        length = episode.shape("frame")[0]
    write_text(output, length_line(length, mark().decode()))
