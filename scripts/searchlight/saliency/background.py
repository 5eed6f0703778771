"""The background of an episode's screens, for the fill of that name.

The background of a pixel is its median over screens around a decision. Moving objects disappear, still objects stay.
The background changes along the episode, because an object that is gone (a brick that was hit) must not come back. So
every ``KEY_DECISIONS`` decisions have a picture, and a frame takes the nearest picture.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from searchlight.store.zarr import CHUNK_FRAMES, Reader, Variable, create, load

# Decisions between pictures. A brick that was hit comes back for up to half as many decisions. Bricks that were hit get
# 2 % of the critic's saliency in the default clip; with 50 decisions they got 9 %.
KEY_DECISIONS = 25
# Screens in a median; the number is odd, because the median of an even number may be a level of no screen.
SCREENS = 61
# Chunks of the episode in memory at a time.
_CHUNKS = 64


def write_background(
    episode_path: str | Path,
    output: str | Path,
    *,
    window: int | Literal["episode"],
) -> None:
    """Write the background of an episode.

    Args:
        episode_path: store written by ``searchlight.agents.rollout``.
        output: path of the store to write: ``background`` (key, y, x, channel) uint8, and ``key`` (key,) int64, the
            decision of each picture.
        window: number of decisions before and after the picture's that screens are drawn from; ``episode`` makes one
            picture from all.

    Raises:
        SearchlightError: the store is missing or damaged.
    """
    with load(episode_path) as episode, create(output) as writer:
        length, *shape = episode.shape("frame")
        keys = np.zeros(1, np.int64) if window == "episode" else np.arange(0, length, KEY_DECISIONS)

        @lru_cache(_CHUNKS)
        def chunk(number: int) -> np.ndarray:
            return episode.read("frame", slice(number * CHUNK_FRAMES, (number + 1) * CHUNK_FRAMES))

        pictures = writer.array(
            "background",
            ("key", "y", "x", "channel"),
            tuple(shape),
            np.uint8,
            (1, *shape),
            {"long_name": "median of the screens around a decision, RGB"},
        )
        for key in keys.tolist():
            screens = [
                chunk(decision // CHUNK_FRAMES)[decision % CHUNK_FRAMES] for decision in decisions(key, length, window)
            ]
            pictures.append(_median(np.stack(screens))[None])
        writer.variable("key", Variable(("key",), keys, {"long_name": "decision of the episode"}))
        kept = ("agent", "seed", "environment", "checkpoint")
        about = {name: episode.attributes[name] for name in kept}
        writer.attributes({**about, "window": window, "screens": SCREENS})


def decisions(key: int, length: int, window: int | Literal["episode"]) -> list[int]:
    """Return the decisions whose screens make one picture: an odd number, evenly spaced.

    Args:
        key: decision of the picture.
        length: number of decisions in the episode.
        window: as in ``write_background``.
    """
    first, last = 0, length - 1
    if window != "episode":
        first, last = max(first, key - window), min(last, key + window)
    count = min(SCREENS, last - first + 1)
    count -= count % 2 == 0
    return np.rint(np.linspace(first, last, count)).astype(int).tolist()


def _median(screens: np.ndarray) -> np.ndarray:
    """Return the median of an odd number of screens (n, height, width, channel) uint8."""
    middle = len(screens) // 2
    return np.partition(screens, middle, axis=0)[middle]


class Backgrounds:
    """The backgrounds of an episode, from the store written by ``write_background``."""

    def __init__(self, store: Reader) -> None:
        """Read the decisions of the pictures."""
        self._keys = store.read("key")
        self._picture = lru_cache(2)(lambda key: store.read("background", slice(key, key + 1))[0])

    def nearest(self, decision: int) -> np.ndarray:
        """Return the picture nearest to a decision, (H, W, 3) uint8; of two equally near ones, the earlier."""
        return self._picture(int(np.abs(self._keys - decision).argmin()))
