"""How long an episode is, and which of its frames a clip has: small files that jobs wait for.

So the workflow knows an episode's blocks without opening its store, and no job works for a clip whose frames are not
there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from searchlight.blocks import frames_of_clip, length_line
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
    _write(output, length_line(_length(episode_path)))


def check_frames(
    episode_path: str | Path, output: str | Path, *, clip: str, frames: tuple[int, int | Literal["end"]]
) -> None:
    """Check that an episode holds a clip's frames, and write the first and the last as a line.

    Args:
        episode_path: store written by ``searchlight.rollout``.
        output: path of the text to write.
        clip: its name in the config.
        frames: first and last frame, both included; ``end`` is the episode's last.

    Raises:
        SearchlightError: the episode is shorter than the clip, or its store is missing or damaged.
    """
    wanted = frames_of_clip(clip, tuple(frames), _length(episode_path))
    _write(output, f"{wanted.start} {wanted.stop - 1}\n")


def _length(episode_path: str | Path) -> int:
    with load(episode_path) as episode:
        return episode.shape("frame")[0]


def _write(output: str | Path, text: str) -> None:
    with written_whole(output) as partial:
        partial.write_text(text, encoding="utf-8")
