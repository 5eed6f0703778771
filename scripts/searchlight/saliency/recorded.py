"""Frames of an episode as its agent saw them: for jobs that run the network again.

The episode's store holds all that the network's outputs follow from. Every job checks that they do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from searchlight.agents.policy import Memory
from searchlight.agents.policy_file import read_metadata
from searchlight.agents.preprocessing import Preprocessing
from searchlight.errors import SearchlightError
from searchlight.store.zarr import Reader

TOLERANCE = 1e-4


class Stacks:
    """The screens that the observations of an episode's frames are made of."""

    def __init__(self, episode: Reader, preprocessing: Preprocessing, frames: range) -> None:
        """Read at which decisions the stacks of some frames were begun."""
        self._episode, self._preprocessing, self._frames = episode, preprocessing, frames
        if preprocessing.stack > 1:
            self._begun = episode.read("stack_begun", slice(frames.start, frames.stop)).tolist()
        else:
            self._begun = list(frames)

    def of(self, frames: range) -> Iterator[tuple[int, list[int], np.ndarray]]:
        """Yield each of some frames with the decisions of its stack and their screens, (picture, H, W, 3)."""
        first = max(0, frames.start - self._preprocessing.stack + 1)
        screens = self._episode.read("frame", slice(first, frames.stop))
        for frame in frames:
            decisions = self._preprocessing.decisions(frame, self._begun[frame - self._frames.start])
            # Slices are views.
            stop = frame + 1 - first
            together = decisions == list(range(decisions[0], frame + 1))
            rows = slice(decisions[0] - first, stop) if together else np.array(decisions) - first
            yield frame, decisions, screens[rows]


def memory_at(memory: Memory, index: int) -> dict[str, Tensor]:
    """Return the memory at one of some decisions, arrays of (1, hidden)."""
    return {name: array[index : index + 1] for name, array in memory.items()}


def check_recorded(expected: Iterable[np.ndarray], recorded: Mapping[str, np.ndarray], where: str) -> None:
    """Check that the recorded outputs and value are those that the policy computes from the recorded frame.

    Raises:
        SearchlightError: an output differs by more than ``TOLERANCE`` of the outputs' size.
    """
    for (name, stored), ours in zip(recorded.items(), expected, strict=True):
        difference = float(np.abs(stored - ours).max())
        if not difference <= TOLERANCE * max(1.0, float(np.abs(ours).max())):
            raise SearchlightError(
                f"{where}: recorded {name} differ from the policy's by {difference:.3g}, allowed: {TOLERANCE:g} of "
                "their size; the episode was not played by this checkpoint, or was changed, or the network draws "
                "random numbers"
            )


def about_episode(episode: Reader, policy_path: str | Path) -> dict[str, Any]:
    """Return what stores of an episode's results say of it, as attributes.

    Raises:
        SearchlightError: another checkpoint played it.
    """
    played, given = episode.attributes["checkpoint"]["sha256"], read_metadata(policy_path)["sha256"]
    if played != given:
        raise SearchlightError(
            f"{episode.path}: played by the checkpoint {played}, but {policy_path} is {given}; play it again"
        )
    kept = ("agent", "seed", "environment", "preprocessing", "checkpoint", "output")
    return {**{name: episode.attributes[name] for name in kept}, "screen": list(episode.shape("frame")[1:3])}
