"""Grad-CAM on the last convolution (Selvaraju et al. 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np
from searchlight.saliency.gradients import Scene

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn


class Arguments(Table):
    """Which cells of the last convolution raise the output: its channels, weighted by their mean gradient.

    Negative sums become zero, as in the paper. A cell lies at the centre of the pixels that it sees, and between cells
    the map is interpolated. Only for networks of convolutions, followed by dense or recurrent layers.

    Its limits: it is coarse, 5x5 to 7x7 cells for usual agents. A ball is much smaller than that.
    Faithfulness measures it near random maps.
    """


def attributions(scene: Scene, arguments: Arguments) -> Tensor:
    """Return the maps, (number, 1, height, width).

    Raises:
        SearchlightError: the network has no last convolution that is known.
    """
    import torch

    features, gradients, convolutions = scene.explained.last_features(scene.observation)
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    cells = torch.relu((weights * features).sum(dim=1, keepdim=True))
    height, width = scene.observation.shape[1:]
    rows, columns = (
        torch.from_numpy(spread(length, centres))
        for length, centres in zip((height, width), centres_of(convolutions, cells.shape[2:]), strict=True)
    )
    return rows @ cells @ columns.T


def centres_of(convolutions: Sequence[nn.Conv2d], cells: Sequence[int]) -> list[np.ndarray]:
    """Return where on the observation the cells of the last convolution have their centres: rows, and columns.

    Cell ``i`` of a convolution with kernel ``k``, stride ``s`` and padding ``p`` has its centre at
    ``s i + (k - 1) / 2 - p`` of its input.
    """
    found = []
    for axis, count in enumerate(cells):
        centres = np.arange(count, dtype=np.float64)
        for convolution in reversed(convolutions):
            kernel, stride = convolution.kernel_size[axis], convolution.stride[axis]
            centres = stride * centres + (kernel - 1) / 2 - int(convolution.padding[axis])
        found.append(centres)
    return found


def spread(length: int, centres: np.ndarray) -> np.ndarray:
    """Return the weight of each cell at each of ``length`` pixels, (pixel, cell) float32; each pixel's sum to 1."""
    pixels = np.arange(length)
    return np.stack([np.interp(pixels, centres, one) for one in np.eye(len(centres))], axis=1).astype(np.float32)
