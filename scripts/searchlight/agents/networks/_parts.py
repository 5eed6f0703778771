"""Modules that hold layers of a checkpoint, one or several side by side, and can draw each of them anew.

Where each layer has inputs of its own, weights between the layers are zero, and stay so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Part(NamedTuple):
    """A layer of a checkpoint within a module that may hold several side by side: how it is drawn anew.

    Attributes:
        kind: ``convolution``, ``dense``, ``lstm`` or ``gru``.
        outputs, inputs: its rows and columns of the module's weights.
        bound: torch draws a new layer of this kind and size from -bound to bound.
        scale: factor of its weights, which hold the observation's scale.
        biased: whether it has a bias.
    """

    kind: str
    outputs: slice
    inputs: slice
    bound: float
    scale: float = 1.0
    biased: bool = True


class Convolution(nn.Conv2d):
    """A convolution of one or more parts; weights between parts are zero."""

    parts: tuple[Part, ...] = ()

    def reset_parameters(self) -> None:
        """Draw each part anew as torch does; without parts, nothing is drawn."""
        _draw(self.weight, self.bias, self.parts)


class Product(nn.Linear):
    """A product of one or more parts; where they have features of their own, weights between them are zero."""

    parts: tuple[Part, ...] = ()

    def reset_parameters(self) -> None:
        """Draw each part anew as torch does; without parts, nothing is drawn."""
        _draw(self.weight, self.bias, self.parts)


@torch.no_grad()
def _draw(weight: Tensor, bias: Tensor | None, parts: Sequence[Part]) -> None:
    for part in parts:
        limit = part.bound * part.scale
        weight[part.outputs, part.inputs].uniform_(-limit, limit)
        if bias is not None and part.biased:
            bias[part.outputs].uniform_(-part.bound, part.bound)


def part_of(kind: str, weight: Tensor, size: int | None = None, scale: float = 1.0, biased: bool = True) -> Part:
    """Return a layer as the only part of a module; ``size`` is that of a recurrent layer's memory."""
    outputs, inputs, *_ = weight.shape
    # Torch's bounds: of dense layers and convolutions by their inputs, of recurrent layers by their memory.
    bound = (weight[0].numel() if size is None else size) ** -0.5
    return Part(kind, slice(0, outputs), slice(0, inputs), bound, scale, biased)


def moved(parts: Sequence[Part], apart: bool) -> tuple[Part, ...]:
    """Return parts below each other, and (``apart``) beside each other."""
    found, row, column = [], 0, 0
    for part in parts:
        height, width = part.outputs.stop - part.outputs.start, part.inputs.stop - part.inputs.start
        found.append(part._replace(outputs=slice(row, row + height), inputs=slice(column, column + width)))
        row, column = row + height, column + width * apart
    return tuple(found)
