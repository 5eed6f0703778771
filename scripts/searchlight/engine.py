"""Exact incremental evaluation: the policy's outputs under perturbations, from one evaluation of the frame.

A perturbation changes some pixels of the observation; take the box around them, rows ``[t, u)`` and likewise columns.
Through a convolution with kernel ``k``, stride ``s`` and padding ``p``, followed by a pointwise activation, only the
output's rows ``[ceil((t + p - k + 1) / s), floor((u - 1 + p) / s) + 1)`` can depend on rows ``[t, u)``. So a box of
the observation becomes a box of each layer. Outside of it the layer's output is that of the unperturbed frame, which
is computed once; inside, it is computed anew from the layer before, whose values are the mask's own within its box
there, and the unperturbed frame's around it. No approximation is made, and nothing outside the boxes is touched.

Let ``a`` be the unperturbed frame's features after the last layer, and ``a + d`` a mask's, with ``d`` zero outside the
last box. The product with the weights ``W`` of the recurrent (or first linear) layer is linear,

    W (a + d) + b = (W a + b) + W d,

so it changes by the product of ``d`` inside the box with the columns of ``W`` that meet it. Only what follows it, a few
hundred numbers a mask, is computed in full.

The boxes are those of the pixels that really change in a frame, so they are found for each frame
(``searchlight.boxes``). Masks whose boxes have about one size go through the layers together. A mask whose boxes would
cost more operations than the whole network does goes through the whole network instead, in batches. A mask that
changes no pixel takes the unperturbed outputs.

The idea is that of Krypton (Nakandala, Kumar and Papakonstantinou, SIGMOD 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from searchlight.boxes import (
    BoxClass,
    Convolution,
    boxes_after,
    classes_of,
    gathered_rows,
    landing,
    operations,
    outside,
)
from searchlight.perturbation import Patches, Perturbation
from searchlight.policy import Memory, Policy
from searchlight.preprocessing import OBSERVATION

# What a multiply-add in boxes costs, in those of the whole network, whose memory is used in order.
BOX_COST = 1.3
# Up to this many positions, a box's taps are gathered one by one for one product; beyond, its input is gathered whole
# and convolved, which reads every number once.
MOST_TAPPED = 16
# Boxes are convolved in multiples of so many: a shape that is new costs as much as some boxes, to prepare for.
EVEN = 8
# A box of more than this part of the last layer meets all weights at once, zeros included.
WHOLE = 0.5


@dataclass(frozen=True)
class Limits:
    """How much is computed at a time; no result depends on it but by rounding.

    Attributes:
        masks: whose boxes are worked out together.
        numbers: of a layer's output, where boxes are computed.
        batch: observations in one forward of the whole network.
    """

    masks: int
    numbers: int
    batch: int


# What stays in a core's cache; a GPU wants much work at a time.
LIMITS = {"cpu": Limits(masks=512, numbers=2**18, batch=8), "cuda": Limits(masks=4096, numbers=2**26, batch=512)}


@dataclass(frozen=True)
class Reference:
    """What the policy makes of an unperturbed observation.

    Attributes:
        observation: (80, 80) float32.
        layers: of each layer, what it gives: (position, channel), zeros around it where the next layer has margins.
        product: of the features with the next layer's weights, bias included, (1, product).
    """

    observation: np.ndarray
    layers: list[Tensor]
    product: Tensor


class Engine:
    """The outputs of one policy under perturbations, frame by frame."""

    def __init__(self, policy: Policy) -> None:
        """Prepare a policy's weights, on the device where they are."""
        self._policy = policy
        self._convolutions = geometry(policy)
        self._device = policy.product[0].device
        self._limits = LIMITS[self._device.type]
        self._biases = [convolution.bias for convolution in policy.convolutions]
        self._taps = [_taps_first(convolution.weight) for convolution in policy.convolutions]
        self._kernels = [
            convolution.weight.contiguous(memory_format=torch.channels_last) for convolution in policy.convolutions
        ]
        weight, self._product_bias = policy.product
        height, width = self._convolutions[-1].size
        # (row * column * channel, product): features are in that order here.
        features = weight.view(len(weight), -1, height, width).permute(2, 3, 1, 0)
        self._product_weight = features.reshape(-1, len(weight))
        self._whole = operations(
            boxes_after(np.array([[0, OBSERVATION[0], 0, OBSERVATION[1]]]), self._convolutions),
            self._convolutions,
            len(weight),
        )[0]

    def reference(self, observation: np.ndarray) -> Reference:
        """Evaluate the unperturbed observation, (80, 80) float32, up to the product."""
        layers, features = [], None
        for depth, features in enumerate(self._layers(observation[None])):
            kept = features
            if depth + 1 < len(self._convolutions):
                rows, columns = self._convolutions[depth + 1].margins
                kept = torch.nn.functional.pad(features, (0, 0, *columns, *rows))
            layers.append(kept.view(-1, kept.shape[-1]))
        return Reference(observation, layers, self._product(features))

    def respond(
        self, reference: Reference, memory: Memory, patches: Iterable[Patches], count: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the policy's outputs for one observation, under each mask and as it is.

        Args:
            reference: the observation, evaluated.
            memory: arrays of (1, hidden).
            patches: what the masks change; masks that are in none take the reference's output exactly.
            count: number of masks.

        Returns:
            Logits (mask, action) and value (mask,) under each mask; reference logits (action,) and value (); all
            float32.
        """
        reference_logits, reference_value = self.decide(reference.product, memory)
        logits, value = np.repeat(reference_logits, count, axis=0), np.repeat(reference_value, count)
        for masks, product in self._products(reference, patches):
            logits[masks], value[masks] = self.decide(product, memory)
        return logits, value, reference_logits[0], reference_value[0]

    def decide(self, product: Tensor, memory: Memory) -> tuple[np.ndarray, np.ndarray]:
        """Return logits (mask, action) and value (mask,) of products (mask, product) and a memory of (1, hidden)."""
        memory = {name: array.to(self._device) for name, array in memory.items()}
        logits, value, _ = self._policy.decide(product, memory)
        return logits.cpu().numpy(), value.cpu().numpy()

    def _products(self, reference: Reference, patches: Iterable[Patches]) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yield masks with their products, (mask, product)."""
        for some in _runs(patches, self._limits.masks):
            boxes = boxes_after(some.boxes, self._convolutions)
            cost = BOX_COST * operations(boxes, self._convolutions, len(self._product_bias))
            wide = np.flatnonzero(cost >= self._whole)
            for start in range(0, len(wide), self._limits.batch):
                members = wide[start : start + self._limits.batch]
                yield some.masks[members], self._by_network(reference, some, members)
            local = list(classes_of(boxes, self._convolutions, np.flatnonzero(cost < self._whole)))
            if local:
                masks = np.concatenate([some.masks[one.members] for one in local])
                yield masks, torch.cat([self._by_boxes(reference, some, one) for one in local])

    def _by_network(self, reference: Reference, some: _Masks, members: np.ndarray) -> Tensor:
        """Return the products of masks by whole observations."""
        seen = np.repeat(reference.observation[None], len(members), axis=0)
        some.write(seen, np.zeros((len(seen), 2), np.int64), members)
        *_, features = self._layers(seen)
        return self._product(features)

    def _layers(self, observations: np.ndarray) -> Iterator[Tensor]:
        """Yield what each layer gives for whole observations, (batch, row, column, channel)."""
        rows, columns = self._convolutions[0].margins
        seen = self._first_layer(torch.nn.functional.pad(torch.from_numpy(observations), (*columns, *rows)))
        yield seen
        for depth in range(1, len(self._convolutions)):
            yield (seen := self._convolved(depth, seen, self._convolutions[depth].padding))

    def _first_layer(self, seen: Tensor) -> Tensor:
        """Return the first layer of parts of observations, margins included: one product of all their windows."""
        (height, width), (down, right) = self._convolutions[0].kernel, self._convolutions[0].stride
        windows = seen.to(self._device).unfold(1, height, down).unfold(2, width, right).permute(3, 4, 0, 1, 2)
        layer = torch.addmm(self._biases[0], windows.reshape(height * width, -1).t(), self._taps[0])
        return self._policy.activation(layer, out=layer).view(*windows.shape[2:], -1)

    def _convolved(self, depth: int, seen: Tensor, padding: tuple[int, int], out: Tensor | None = None) -> Tensor:
        """Return what a layer gives for (batch, row, column, channel), in that order."""
        stride = self._convolutions[depth].stride
        seen = seen.permute(0, 3, 1, 2)
        layer = torch.nn.functional.conv2d(seen, self._kernels[depth], self._biases[depth], stride, padding)
        layer = layer.permute(0, 2, 3, 1).contiguous()
        if out is None:
            return self._policy.activation(layer, out=layer)
        return self._policy.activation(layer.view(-1, layer.shape[-1])[: len(out)], out=out)

    def _multiplied(self, depth: int, taps: Tensor, out: Tensor) -> None:
        """Write what a layer gives where its taps, (position, tap, channel), are gathered."""
        taps = taps.reshape(-1, len(self._taps[depth]))[: len(out)]
        self._policy.activation(torch.addmm(self._biases[depth], taps, self._taps[depth], out=out), out=out)

    def _product(self, features: Tensor) -> Tensor:
        """Return the product of whole features, (batch, row, column, channel)."""
        return torch.addmm(self._product_bias, features.reshape(len(features), -1), self._product_weight)

    def _by_boxes(self, reference: Reference, some: _Masks, one: BoxClass) -> Tensor:
        """Return the products of a class of masks by their boxes."""
        rows = self._landed(reference, some, one)
        for depth in range(landing(self._convolutions) + 1, len(self._convolutions)):
            convolution, size = self._convolutions[depth], one.sizes[depth]
            tapped = size[0] * size[1] <= MOST_TAPPED
            corners, sizes = one.corners[depth - 1 : depth + 1], one.sizes[depth - 1 : depth + 1]
            index = gathered_rows(convolution, corners, sizes, tapped)
            if not tapped:
                index = np.resize(index, len(index) // len(one.members) * _even(len(one.members)))
            gathered = rows.index_select(0, self._index(index))
            rows, own = self._rows(reference, depth, one)
            if tapped:
                self._multiplied(depth, gathered, own)
            else:
                gathered = gathered.view(-1, *convolution.needs(size), gathered.shape[1])
                self._convolved(depth, gathered, (0, 0), out=own)
        return self._product_of_boxes(one, rows, reference)

    def _index(self, rows: np.ndarray) -> Tensor:
        return torch.from_numpy(rows).to(self._device)

    def _rows(self, reference: Reference, depth: int, one: BoxClass) -> tuple[Tensor, Tensor]:
        """Return the rows that the next layer gathers from: the unperturbed ones, and a class's own, yet unwritten."""
        given = reference.layers[depth] if depth + 1 < len(self._convolutions) else reference.layers[depth][:0]
        height, width = one.sizes[depth]
        rows = given.new_empty(len(given) + len(one.members) * height * width, given.shape[1])
        rows[: len(given)] = given
        return rows, rows[len(given) :]

    def _landed(self, reference: Reference, some: _Masks, one: BoxClass) -> Tensor:
        """Return the rows after the second layer (the first, where it is the only one).

        The first layer has one input channel and costs little: it is computed wherever the second needs it, so that
        nothing is gathered.
        """
        depth, first = landing(self._convolutions), self._convolutions[0]
        rows, own = self._rows(reference, depth, one)
        size, starts = one.sizes[depth], one.corners[depth]
        if depth:
            size, starts = self._convolutions[depth].needs(size), self._convolutions[depth].starts(starts)
        crop, corners = first.needs(size), first.starts(starts)
        before = -np.minimum(corners.min(axis=0), 0)
        after = np.maximum((corners + crop).max(axis=0) - OBSERVATION, 0)
        padded = np.pad(reference.observation, tuple(zip(before, after, strict=True)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, crop)
        chunk = _even(self._limits.numbers // (size[0] * size[1] * first.channels_out))
        area, count = one.sizes[depth][0] * one.sizes[depth][1], len(one.members)
        for begin in range(0, count, chunk):
            part = np.resize(np.arange(begin, min(begin + chunk, count)), _even(min(chunk, count - begin)))
            seen = windows[tuple((corners[part] + before).T)]
            some.write(seen, corners[part], one.members[part])
            layer = self._first_layer(torch.from_numpy(seen))
            written = own[begin * area : (begin + chunk) * area]
            if not depth:
                written.copy_(layer.view(-1, layer.shape[-1])[: len(written)])
                continue
            beyond = outside(first, starts[part], size)
            if len(beyond):
                layer.view(-1, first.channels_out).index_fill_(0, self._index(beyond), 0)
            if area <= MOST_TAPPED:
                (height, width), (down, right) = self._convolutions[depth].kernel, self._convolutions[depth].stride
                taps = layer.unfold(1, height, down).unfold(2, width, right).permute(0, 1, 2, 4, 5, 3)
                self._multiplied(depth, taps, written)
            else:
                self._convolved(depth, layer, (0, 0), out=written)
        return rows

    def _product_of_boxes(self, one: BoxClass, rows: Tensor, reference: Reference) -> Tensor:
        """Return the products of a class: the reference's, and what the features in their boxes change."""
        (height, width), corners, last = one.sizes[-1], one.corners[-1], self._convolutions[-1]
        positions = corners[:, :1] * last.size[1] + corners[:, 1:]
        positions = positions + (np.arange(height)[:, None] * last.size[1] + np.arange(width)).ravel()
        changes = rows - reference.layers[-1].index_select(0, self._index(positions.ravel()))
        count = len(one.members)
        if height * width > WHOLE * last.positions:
            positions = positions + np.arange(0, count * last.positions, last.positions)[:, None]
            whole = changes.new_zeros(count * last.positions, last.channels_out)
            whole.index_copy_(0, self._index(positions.ravel()), changes)
            return torch.addmm(reference.product, whole.view(count, -1), self._product_weight)
        product, changes = reference.product.repeat(count, 1), changes.view(count, height, -1)
        weights = self._product_weight.view(last.size[0], -1, len(self._product_bias))
        starts = np.flatnonzero(np.r_[True, (np.diff(corners, axis=0) != 0).any(axis=1), True]).tolist()
        for start, stop in pairwise(starts):
            top, left = corners[start].tolist()
            columns = slice(left * last.channels_out, (left + width) * last.channels_out)
            for row in range(height):
                product[start:stop].addmm_(changes[start:stop, row], weights[top + row, columns])
        return product


class _Masks:
    """Masks that change an observation.

    Attributes:
        masks: (n,) their indices.
        boxes: (n, 4) top, bottom, left, right of the pixels that change.
        corners: (n, 2) where each of ``values`` begins.
        values: of each, the observation there.
    """

    def __init__(self, parts: list[Patches]) -> None:
        self.masks = np.concatenate([found.masks for found in parts])
        self.boxes = np.concatenate([found.boxes for found in parts])
        self.corners = np.concatenate([found.corners for found in parts])
        self.values = [values for found in parts for values in found.values]

    def write(self, seen: np.ndarray, starts: np.ndarray, members: np.ndarray) -> None:
        """Change parts of the observation.

        Args:
            seen: (mask, height, width) float32, changed in place.
            starts: (mask, 2) where in the observation each part begins.
            members: the masks.
        """
        size = np.array(seen.shape[1:])
        first = np.maximum(self.boxes[members, ::2], starts)
        last = np.minimum(self.boxes[members, 1::2], starts + size)
        here, there = (first - starts).tolist(), (first - self.corners[members]).tolist()
        for part, member, (y, x), (v, u), (h, w) in zip(
            seen, members.tolist(), here, there, (last - first).tolist(), strict=True
        ):
            part[y : y + h, x : x + w] = self.values[member][v : v + h, u : u + w]


def _runs(patches: Iterable[Patches], count: int) -> Iterator[_Masks]:
    """Yield masks, about ``count`` at a time."""
    parts: list[Patches] = []
    for found in patches:
        parts.append(found)
        if sum(len(part.masks) for part in parts) >= count:
            yield _Masks(parts)
            parts = []
    if parts:
        yield _Masks(parts)


def respond_plainly(
    policy: Policy, observation: np.ndarray, memory: Memory, perturbation: Perturbation, patches: Iterable[Patches]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return what ``Engine.respond`` does, by one forward of the whole network a mask: what the engine must equal."""

    def forward(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, value, _ = policy.step(torch.from_numpy(seen)[None, None], memory)
        return logits[0].numpy(), value[0].numpy()

    reference_logits, reference_value = forward(observation)
    count = len(perturbation.masks)
    logits, value = np.repeat(reference_logits[None], count, axis=0), np.repeat(reference_value, count)
    for found in patches:
        for mask, (top, left), patch in zip(found.masks, found.corners, found.values, strict=True):
            seen = observation.copy()
            seen[top : top + patch.shape[0], left : left + patch.shape[1]] = patch
            logits[mask], value[mask] = forward(seen)
    return logits, value, reference_logits, reference_value


def geometry(policy: Policy) -> list[Convolution]:
    """Return what boxes need to know of a policy's convolutions."""
    found, before = [], OBSERVATION
    for one in policy.convolutions:
        steps = zip(before, one.kernel_size, one.stride, one.padding, strict=True)
        size = tuple((length + 2 * padding - kernel) // stride + 1 for length, kernel, stride, padding in steps)
        found.append(
            Convolution(one.kernel_size, one.stride, one.padding, size, before, one.in_channels, one.out_channels)
        )
        before = size
    return found


def _even(count: int) -> int:
    """Return a number of masks raised to a multiple of ``EVEN``."""
    return max(1, -(-count // EVEN)) * EVEN


def _taps_first(weight: Tensor) -> Tensor:
    """Return a convolution's weights as (tap * input channel, output channel)."""
    return weight.permute(2, 3, 1, 0).reshape(-1, len(weight)).contiguous()
