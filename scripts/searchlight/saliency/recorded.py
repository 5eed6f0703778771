"""Frames of an episode as its agent saw them: for jobs that run the network again.

The episode's store holds all that the network's outputs follow from. Every job checks that they do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from searchlight.agents import preprocessings
from searchlight.agents.policy import Memory
from searchlight.agents.policy_file import read_metadata
from searchlight.agents.preprocessing import PreparedFrame
from searchlight.errors import SearchlightError
from searchlight.saliency.background import Backgrounds
from searchlight.store.zarr import Reader

TOLERANCE = 1e-4
# Names of the arrays of an episode that hold its memory begin so.
_MEMORY = "memory_"


@dataclass(frozen=True)
class Moment:
    """One frame of an episode as its agent saw it.

    Attributes:
        decision: of the episode.
        decisions: those whose screens the observation is made of, oldest first.
        screens: (picture, H, W, 3) uint8, their screens.
        prepared: the same screens, prepared.
        memory: arrays of (1, size), as recorded.
        earlier_memory: the same, some decisions earlier.
        outputs: the recorded outputs (action,) and ``value`` (), by the names of their arrays.
        backgrounds: (picture, H, W, 3) uint8, the background of each picture's screen; None without backgrounds.
        where: the episode and the frame, for errors.
    """

    decision: int
    decisions: list[int]
    screens: np.ndarray
    prepared: PreparedFrame
    memory: dict[str, Tensor]
    earlier_memory: dict[str, Tensor]
    outputs: dict[str, np.ndarray]
    backgrounds: np.ndarray | None
    where: str


class Recorded:
    """The moments of an episode.

    Attributes:
        length: number of decisions.
        preprocessing: the agent's.
        given: name of the array of the network's outputs, such as ``logits``.
    """

    def __init__(self, episode: Reader, background: Reader | None = None, lag: int = 0) -> None:
        """Take an open store of an episode, and one of its backgrounds if they are needed.

        Args:
            episode: store written by ``searchlight.agents.rollout``.
            background: store written by ``searchlight.saliency.background``.
            lag: number of decisions by which ``Moment.earlier_memory`` is older.
        """
        self._episode, self._lag = episode, lag
        self._backgrounds = None if background is None else Backgrounds(background)
        self.length, height, width, _ = episode.shape("frame")
        self.preprocessing = preprocessings.build(episode.attributes["preprocessing"], (height, width))
        self.given: str = episode.attributes["output"]
        self._memories = [name for name in episode.names() if name.startswith(_MEMORY)]

    def moments(self, frames: range) -> Iterator[Moment]:
        """Yield the moments of consecutive frames; those of their run are in memory together."""
        if not frames:
            return
        rows, first = slice(frames.start, frames.stop), max(0, frames.start - self._lag)
        recorded = {name: self._episode.read(name, rows) for name in (self.given, "value")}
        memory = {
            name.removeprefix(_MEMORY): torch.from_numpy(self._episode.read(name, slice(first, frames.stop)))
            for name in self._memories
        }
        for row, (frame, decisions, screens) in enumerate(self._stacks(frames)):
            behind = self._backgrounds
            yield Moment(
                frame,
                decisions,
                screens,
                self.preprocessing.prepare(screens),
                _memory_at(memory, frame - first),
                _memory_at(memory, max(0, frame - self._lag - first)),
                {name: array[row] for name, array in recorded.items()},
                None if behind is None else np.stack([behind.nearest(one) for one in decisions]),
                f"{self._episode.path}: frame {frame}",
            )

    def _stacks(self, frames: range) -> Iterator[tuple[int, list[int], np.ndarray]]:
        """Yield each of some frames with the decisions of its stack and their screens, (picture, H, W, 3)."""
        stack, first = self.preprocessing.stack, max(0, frames.start - self.preprocessing.stack + 1)
        begun = list(frames)
        if stack > 1:
            begun = self._episode.read("stack_begun", slice(frames.start, frames.stop)).tolist()
        screens = self._episode.read("frame", slice(first, frames.stop))
        for frame, since in zip(frames, begun, strict=True):
            decisions = self.preprocessing.decisions(frame, since)
            # Slices are views.
            together = decisions == list(range(decisions[0], frame + 1))
            rows = slice(decisions[0] - first, frame + 1 - first) if together else np.array(decisions) - first
            yield frame, decisions, screens[rows]


def _memory_at(memory: Memory, index: int) -> dict[str, Tensor]:
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
