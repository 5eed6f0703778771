"""The number of an episode's frames, in a file of its own: so the workflow knows its blocks without opening stores."""

from __future__ import annotations

from pathlib import Path

from searchlight.blocks import length_line
from searchlight.files import written_whole
from searchlight.store import load


def write_length(episode_path: str | Path, output: str | Path) -> None:
    """Write how many frames an episode has, as a line.

    Args:
        episode_path: store written by ``searchlight.rollout``.
        output: path of the text to write; ``searchlight.blocks.read_length`` reads it.

    Raises:
        SearchlightError: the store is missing or damaged.
    """
    with load(episode_path) as episode:
        length = episode.shape("frame")[0]
    with written_whole(output) as partial:
        partial.write_text(length_line(length), encoding="utf-8")
