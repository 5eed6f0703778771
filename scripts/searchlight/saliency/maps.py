"""The maps of a saliency store: what ``score`` and ``differentiate`` write alike."""

from __future__ import annotations

import numpy as np

from searchlight.store.zarr import CHUNK_FRAMES, Writer

MAPS = ("actor", "critic")


class MapsWriter:
    """Writes ``actor`` and ``critic`` (time, y, x) float32, and ``actor_peak`` and ``critic_peak`` (time,) float32.

    The peaks are the largest absolute values of the maps.
    """

    def __init__(self, writer: Writer, shape: tuple[int, int], length: int) -> None:
        """Begin the arrays, for maps of a height and width and a number of frames."""
        self._maps = {
            name: writer.array(name, ("time", "y", "x"), shape, np.float32, (CHUNK_FRAMES, *shape)) for name in MAPS
        }
        self._peaks = {name: writer.array(f"{name}_peak", ("time",), (), np.float32, (length,)) for name in MAPS}

    def append(self, actor: np.ndarray, critic: np.ndarray) -> None:
        """Append the maps of some frames, (frame, height, width) each."""
        for name, maps in zip(MAPS, (actor, critic), strict=True):
            self._maps[name].append(maps)
            self._peaks[name].append(np.abs(maps).max(axis=(1, 2)))
