"""The first convolution of patches of an observation, computed for whole patches without gathering.

Its few input channels cost little, so all windows of a patch go through one product. The layer is linear in its input
channels. Where a perturbation leaves the older pictures of a stack as they are, their part is computed once a frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from searchlight.saliency.boxes import Boxes, Convolution, Held
from searchlight.saliency.patches import Gathered, Patches, newest, seen_with


@dataclass(frozen=True)
class Observed:
    """An observation, and what the first layer makes of its older channels.

    Attributes:
        observation: (height, width, channel) float32.
        older: for a number of newest channels, the part of the first layer before its activation that all other
            channels make, bias included, (position, channel); filled in when it is needed.
    """

    observation: np.ndarray
    older: dict[int, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """Patches of one size whose first layer is computed together.

    Attributes:
        patches: the patches.
        place: (n,) index of each mask's patch.
        corners: (n, 2) row and column of each patch's first position in the layer's output.
        size: height and width of the patches in the layer's output.
    """

    patches: Patches
    place: np.ndarray
    corners: np.ndarray
    size: tuple[int, int]


class FirstLayer:
    """The first convolution of a policy, with its activation."""

    def __init__(
        self, geometry: Convolution, convolution: nn.Conv2d, activation: Callable[[Tensor], Tensor], numbers: int
    ) -> None:
        """Prepare the convolution's weights, on their device; ``numbers`` values are computed at a time."""
        self._geometry, self._activation, self._numbers = geometry, activation, numbers
        self._bias, self._taps = bias_of(convolution), taps_first(convolution.weight)
        self._flat_taps = self._taps.flatten(0, 1)

    def of_whole(self, observations: np.ndarray) -> Tensor:
        """Return the layer for whole observations; both are (batch, row, column, channel)."""
        return self._of(self._with_margins(observations))

    def parts(self, some: Gathered, members: np.ndarray) -> tuple[list[Part], Held]:
        """Return the parts of some masks, and where their positions lie in the rows that ``write`` fills."""
        held = Held(np.empty((len(members), 2), np.int64), *np.empty((2, len(members)), np.int64))
        found, total = [], 0
        for part, patches in enumerate(some.parts):
            mine = np.flatnonzero(some.part[members] == part)
            if not len(mine):
                continue
            place = some.place[members[mine]]
            touched = self._geometry.touched(Boxes(patches.corners[place], np.array([patches.values.shape[1:3]])))
            height, width = touched.sizes.max(axis=0, initial=1).tolist()
            held.corners[mine], held.pitches[mine] = touched.corners, width
            held.first[mine] = total + np.arange(len(mine)) * (height * width)
            found.append(Part(patches, place, touched.corners, (height, width)))
            total += len(mine) * height * width
        return found, held

    def write(self, observed: Observed, parts: list[Part], out: Tensor) -> None:
        """Write the layer of all positions of some parts, (position, channel)."""
        first, start = self._geometry, 0
        for one in parts:
            changing = newest(observed.observation, one.patches.values)
            starts, needed = first.starts(one.corners), first.needs(one.size)
            seen = torch.from_numpy(seen_with(changing, one.patches, one.place, starts, needed))
            area, step = one.size[0] * one.size[1], max(1, self._numbers // (one.size[0] * one.size[1] * out.shape[1]))
            corners = np.split(one.corners, range(step, len(one.corners), step))
            for some, where in zip(seen.split(step), corners, strict=True):
                layer = out[start : start + len(some) * area]
                if seen.shape[3] == first.channels_in:
                    self._of(some, out=layer)
                else:
                    self._of_newest(observed, some, where, one.size, out=layer)
                start += len(layer)

    def _with_margins(self, observations: np.ndarray) -> Tensor:
        """Return whole observations with the zeros that the windows reach."""
        rows, columns = self._geometry.margins
        return torch.nn.functional.pad(torch.from_numpy(observations), (0, 0, *columns, *rows))

    def _of(self, seen: Tensor, out: Tensor | None = None) -> Tensor:
        """Return the layer of parts of observations, margins included, by one product of all windows."""
        windows, shape = self._windows(seen)
        layer = torch.addmm(self._bias, windows, self._flat_taps, out=out)
        return self._activation(layer).view(*shape, -1)

    def _windows(self, seen: Tensor) -> tuple[Tensor, torch.Size]:
        """Return the windows of parts of observations, (position, tap * channel), and their places.

        The places are (part, row, column).
        """
        (height, width), (down, right) = self._geometry.kernel, self._geometry.stride
        windows = seen.to(self._bias.device).unfold(1, height, down).unfold(2, width, right)
        if seen.shape[3] == 1:
            # Windows of one channel are copied faster tap by tap.
            taps = windows.permute(4, 5, 3, 0, 1, 2).reshape(height * width, -1).t()
            return taps, windows.shape[:3]
        # With channels last, a row of a window is one piece of memory.
        return windows.permute(0, 1, 2, 4, 5, 3).reshape(windows.shape[:3].numel(), -1), windows.shape[:3]

    def _older(self, observed: Observed, count: int) -> Tensor:
        """Return the layer before its activation without the newest channels, bias included."""
        found = observed.older.get(count)
        if found is None:
            seen = self._with_margins(observed.observation[None, :, :, :-count])
            windows, _ = self._windows(seen)
            taps = self._taps[:, :-count].flatten(0, 1)
            found = observed.older[count] = torch.addmm(self._bias, windows, taps)
        return found

    def _of_newest(
        self, observed: Observed, seen: Tensor, corners: np.ndarray, size: tuple[int, int], out: Tensor
    ) -> None:
        """Write the layer of parts of the newest channels, where the older channels are the unperturbed ones.

        Args:
            observed: the unperturbed frame.
            seen: (part, row, column, c), margins included.
            corners: (part, 2) first row and column of each part in the layer's output.
            size: height and width of the parts in the layer's output.
            out: (part * row * column, channel).
        """
        first, count = self._geometry, seen.shape[3]
        # Positions outside of the layer are computed, too, but nothing reads them.
        row = (corners[:, :1] + np.arange(size[0])).clip(0, first.size[0] - 1)
        column = (corners[:, 1:] + np.arange(size[1])).clip(0, first.size[1] - 1)
        places = torch.from_numpy((row[:, :, None] * first.size[1] + column[:, None]).ravel()).to(self._bias.device)
        torch.index_select(self._older(observed, count), 0, places, out=out)
        windows, _ = self._windows(seen)
        self._activation(out.addmm_(windows, self._taps[:, -count:].flatten(0, 1)))


def bias_of(convolution: nn.Conv2d) -> Tensor:
    """Return a convolution's bias, (output channel,); zeros for a convolution without one."""
    return convolution.bias if convolution.bias is not None else convolution.weight.new_zeros(len(convolution.weight))


def taps_first(weight: Tensor) -> Tensor:
    """Return a convolution's weights as (tap, input channel, output channel)."""
    return weight.permute(2, 3, 1, 0).flatten(0, 1).contiguous()
