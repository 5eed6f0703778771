"""Perturbation masks: 1 keeps a pixel, 0 hides it.

Each mask is stored as its box and the values inside it, so that local masks take little memory and little work. Sets
that are too large for memory (thousands of whole-frame masks) lie in a temporary file, which is read in pieces. So a
job's memory does not grow with the number of masks.

The perturbers in ``searchlight.saliency.perturbers`` make masks one at a time; any other ``PerturbImage`` of
xaitk-saliency makes them all at once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from searchlight import registry
from searchlight.agents.preprocessing import Preprocessing
from searchlight.errors import SearchlightError, one_line
from searchlight.saliency import perturbers, plugins

IN_MEMORY_BYTES = 64 * 1024**2


class Masks:
    """A sequence of masks of one shape.

    Attributes:
        shape: height and width of the masks.
        boxes: (mask, 4) int64: top, bottom, left, right (bottom and right excluded) of the pixels that each mask
            hides, fully or in part; all zero for a mask that keeps everything.
        binary: whether all values are 0 or 1.
    """

    def __init__(self, masks: Iterator[np.ndarray], shape: tuple[int, int]) -> None:
        """Take masks, each (height, width) float32 in 0..1, from an iterator."""
        self.shape = shape
        self.binary = True
        boxes: list[tuple[int, int, int, int]] = []
        held: list[np.ndarray] = []
        self._file: IO[bytes] | None = None
        held_bytes = 0
        for mask in masks:
            box = _bounding_box(mask)
            values = np.ascontiguousarray(mask[box[0] : box[1], box[2] : box[3]], dtype=np.float32).ravel()
            self.binary = self.binary and bool(np.all((values == 0) | (values == 1)))
            boxes.append(box)
            held.append(values)
            held_bytes += values.nbytes
            if held_bytes > IN_MEMORY_BYTES:
                self._spill(held)
                held_bytes = 0
        self.boxes = np.array(boxes, dtype=np.int64).reshape(-1, 4)
        areas = (self.boxes[:, 1] - self.boxes[:, 0]) * (self.boxes[:, 3] - self.boxes[:, 2])
        self._offsets = np.concatenate([[0], np.cumsum(areas)])
        if self._file is not None:
            self._spill(held)
        self._values = np.concatenate([np.zeros(0, np.float32), *held])

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def size(self) -> int:
        """Number of values in all masks' boxes."""
        return int(self._offsets[-1])

    @property
    def density(self) -> float:
        """Fraction of all masks' area that lies in their boxes, 0 to 1."""
        return self.size / max(1, len(self) * self.shape[0] * self.shape[1])

    @property
    def covered(self) -> np.ndarray:
        """Pixels that at least one mask hides, fully or in part, (height, width) bool."""
        covered = np.zeros(self.shape, bool)
        for index, (top, bottom, left, right) in enumerate(self.boxes.tolist()):
            covered[top:bottom, left:right] |= self.values(index) < 1
        return covered

    @property
    def in_memory(self) -> bool:
        """Whether the values are in memory, where reading them costs nothing."""
        return self._file is None

    def values(self, index: int) -> np.ndarray:
        """Return a mask's values inside its box, (bottom - top, right - left) float32."""
        start, stop = self._offsets[index : index + 2]
        top, bottom, left, right = self.boxes[index]
        return self._read(int(start), int(stop)).reshape(bottom - top, right - left)

    def patches(self, indices: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Return masks inside given boxes of one size, (mask, height, width) float32; 1 keeps a pixel."""
        tops, lefts = boxes[:, 0], boxes[:, 2]
        height, width = boxes[0, 1] - boxes[0, 0], boxes[0, 3] - boxes[0, 2]
        patches = np.ones((len(indices), height, width), np.float32)
        for patch, index, top, left in zip(patches, indices, tops, lefts, strict=True):
            own = self.boxes[index]
            # The given box may be smaller than the mask's own, because the agent may not see all of the mask.
            upper, lower = max(own[0], top), min(own[1], top + height)
            first, last = max(own[2], left), min(own[3], left + width)
            if upper < lower and first < last:
                values = self.values(index)[upper - own[0] : lower - own[0], first - own[2] : last - own[2]]
                patch[upper - top : lower - top, first - left : last - left] = values
        return patches

    def dense(self, start: int, stop: int) -> np.ndarray:
        """Return whole masks, (mask, height, width) float32."""
        indices = np.arange(start, stop)
        whole = np.tile(np.array([0, self.shape[0], 0, self.shape[1]]), (len(indices), 1))
        return self.patches(indices, whole)

    def _spill(self, held: list[np.ndarray]) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="searchlight-masks-")  # noqa: SIM115  open as long as the object
        for values in held:
            self._file.write(values.tobytes())
        held.clear()

    def _read(self, start: int, stop: int) -> np.ndarray:
        if self._file is None:
            return self._values[start:stop]
        self._file.seek(4 * start)
        return np.frombuffer(self._file.read(4 * (stop - start)), np.float32)


def make_masks(perturber: dict[str, dict[str, Any]], image: np.ndarray) -> Masks:
    """Return the masks that a perturber of the config makes for images of one shape.

    Args:
        perturber: ``{NAME: {argument: value}}`` as ``searchlight.saliency.plugins.check`` returns it.
        image: an image of that shape, (height, width) or (height, width, channel); xaitk's perturbers use its shape
            alone.

    Raises:
        SearchlightError: the plug-in cannot be built, or its result is not a set of masks of that shape.
    """
    ((name, arguments),) = perturber.items()
    shape = (image.shape[0], image.shape[1])
    if registry.file_of(perturbers.FOLDER, name) is not None:
        chosen = registry.choose(perturbers.FOLDER, perturber)
        return Masks(chosen.module.masks(shape, chosen.arguments), shape)
    return Masks(iter(_checked(name, plugins.build("perturber", name, arguments)(image), shape)), shape)


def masks_of(spec: dict[str, Any], preprocessing: Preprocessing) -> Masks:
    """Return the masks of a perturbation of the config."""
    shape = (*preprocessing.screen, 3) if spec["space"] == "screen" else preprocessing.shape
    return make_masks(spec["perturber"], np.zeros(shape, np.uint8))


def _checked(name: str, made: Any, shape: tuple[int, int]) -> np.ndarray:
    """Return a plug-in's masks as an array; raise an error if shape, type or values are wrong."""
    allowed = f"(1 or more, {shape[0]}, {shape[1]})"
    try:
        masks = np.asarray(made)
    except ValueError as error:
        raise SearchlightError(
            f"{name}: found masks of several shapes ({one_line(error)}), allowed: {allowed}"
        ) from error
    if masks.dtype.kind not in "buif":
        raise SearchlightError(f"{name}: found masks of type {masks.dtype}, allowed: numbers of the shape {allowed}")
    if masks.ndim != 3 or masks.shape[1:] != shape or not len(masks):
        raise SearchlightError(f"{name}: found masks of the shape {masks.shape}, allowed: {allowed}")
    low, high = masks.min(), masks.max()
    if not (low >= 0 and high <= 1):  # NaN fails both comparisons
        raise SearchlightError(
            f"{name}: found masks with values from {low:g} to {high:g}, allowed: 0 (hides) to 1 (keeps)"
        )
    return masks


def _bounding_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    changed = mask != 1
    rows = np.flatnonzero(changed.any(axis=1))
    if not len(rows):
        return 0, 0, 0, 0
    columns = np.flatnonzero(changed.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
