"""Blocks: fixed runs of consecutive frames of an episode, the unit of parallel work.

Block ``k`` always holds the frames ``[k * size, (k + 1) * size)``, cut only by the episode's end. A clip decides which
blocks are needed, and never which frames a block holds.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Literal, TextIO

from searchlight.errors import SearchlightError, damaged


def runs(start: int, stop: int, size: int) -> Iterator[slice]:
    """Yield slices of at most ``size`` from ``start`` to ``stop``, because only one slice is in memory at a time."""
    for first in range(start, stop, size):
        yield slice(first, min(first + size, stop))


def scores_before(rewards: Iterable[float], frames: range) -> list[float]:
    """Return the score before the decision at each frame; ``rewards`` are the episode's, from its start."""
    return list(accumulate(rewards, initial=0.0))[frames.start : frames.stop]


def blocks_of(first: int, last: int, size: int) -> range:
    """Return the blocks of ``size`` frames that hold the frames ``first`` to ``last`` (both included), if any."""
    return range(first // size, last // size + 1) if first <= last else range(0)


def frames_of(block: int, size: int, length: int) -> range:
    """Return the frames of a block in an episode of ``length`` frames; empty if the block starts past the end."""
    return range(min(block * size, length), min((block + 1) * size, length))


def frames_of_clip(clip: str, frames: tuple[int, int | Literal["end"]], length: int) -> range:
    """Return a clip's frames as a range.

    Raises:
        SearchlightError: the first or the last frame lies past the episode's end.
    """
    first, given = frames
    last = max(first, length - 1) if given == "end" else given
    if last >= length:
        raise SearchlightError(
            f"clips.{clip}.frames: found [{first}, {given}], but the episode has frames 0 to {length - 1}"
        )
    return range(first, last + 1)


def read_length(file: TextIO) -> int:
    """Return the number of frames that ``searchlight.agents.episode_length`` wrote, from an open file.

    Raises:
        SearchlightError: the file is damaged.
    """
    text = file.read()
    if (line := re.fullmatch(r"(\d{1,9})( \S+)?\n", text, re.ASCII)) is None:
        raise damaged(file.name, f"found {text[:20]!r}")
    return int(line[1])
