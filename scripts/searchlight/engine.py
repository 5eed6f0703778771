"""Exact incremental evaluation: the policy's outputs under local perturbations, from one evaluation of the frame.

A perturbation changes a box of the observation. Write ``a_0`` for the observation, ``a_l`` for what layer ``l`` gives,
and ``d`` for the difference that the perturbation makes. A layer is a convolution and a pointwise activation,
``a_l = f(z_l)`` with ``z_l = W_l * a_(l-1) + b_l``. Convolution is linear, so

    dz_l = W_l * da_(l-1)            and            da_l = f(z_l + dz_l) - f(z_l)

with the bias gone and ``z_l``, ``f(z_l)`` those of the unperturbed frame, which are computed once. Where ``da_(l-1)``
is zero outside rows ``[t, u)``, with kernel ``k``, stride ``s`` and padding ``p``, ``dz_l`` is zero outside rows
``[ceil((t + p - k + 1) / s), floor((u - 1 + p) / s) + 1)``; columns alike. So a box of the observation becomes a box
in each layer, and nothing outside it is ever touched: no approximation is made.

The product with the weights of the recurrent (or first linear) layer is linear too: its change is that of the
features inside the last box, times the rows of the weights that meet them. Only what follows it, a few hundred numbers
a mask, is computed in full.

The boxes depend on the masks alone. So which rows meet which is worked out once a job (``searchlight.boxes``); a frame
takes the masks that change it, gathers, multiplies, and scatters. Masks of one box size go through together. A mask
whose boxes would cost more operations than the whole network does goes through the whole network instead, in batches.

The idea is that of Krypton (Nakandala, Kumar and Papakonstantinou, SIGMOD 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from searchlight.boxes import BoxClass, Convolution, make_plan
from searchlight.perturbation import Layout, Patches, Perturbation
from searchlight.policy import Memory, Policy
from searchlight.preprocessing import OBSERVATION

# Masks whose products are in memory at a time.
RUN_MASKS = 2048
# Numbers gathered at a time: what fits in a core's cache.
GATHER = 2**18
# What the indices and differences of a job's boxes may take; masks beyond go through the whole network.
PLAN_BYTES = 96 * 1024**2
# What a multiply-add in boxes costs, in those of the whole network, whose memory is used in order.
BOX_COST = 1.5
# Observations in one forward of the whole network: the layers of more do not fit in a core's cache.
BATCH = 16


@dataclass(frozen=True)
class Reference:
    """What the policy makes of an unperturbed observation.

    Attributes:
        observation: (80, 80) float32.
        before: of each layer, what it gives before its activation, (position, channel).
        after: the same after it.
        product: of the features with the next layer's weights, bias included, (1, product).
    """

    observation: np.ndarray
    before: list[Tensor]
    after: list[Tensor]
    product: Tensor


@dataclass(frozen=True)
class _Class:
    """A class of boxes as the engine uses it.

    Attributes:
        of: the class.
        inputs: its ``inputs``.
        segments: (n, height) rows of the reference's arrays where each row of each box begins.
        starts: where, among the masks, runs begin that share their box.
        chunk: masks that are gathered at a time.
    """

    of: BoxClass
    inputs: Tensor
    segments: Tensor
    starts: np.ndarray
    chunk: int


class Engine:
    """The outputs of one policy under one set of masks, frame by frame."""

    def __init__(self, policy: Policy, layouts: Sequence[Layout]) -> None:
        """Work out how each mask goes through the network.

        Args:
            policy: convolutions, an activation, a product and what follows it.
            layouts: the boxes of the masks, as ``Perturbation.layouts`` gives them.
        """
        self._policy, self._layouts = policy, layouts
        self._convolutions = _geometry(policy)
        self._taps = [_taps_first(convolution.weight) for convolution in policy.convolutions]
        self._kernels = [
            convolution.weight.contiguous(memory_format=torch.channels_last) for convolution in policy.convolutions
        ]
        weight = policy.product[0]
        height, width = self._convolutions[-1].size
        # (row, column * channel, product): the rows that a box's features meet are then slices.
        features = weight.view(len(weight), -1, height, width).permute(2, 3, 1, 0)
        self._product_weight = features.reshape(height, -1, len(weight)).contiguous()
        self._plan = make_plan(layouts, self._convolutions, len(weight), BOX_COST, PLAN_BYTES)
        starts = zip(layouts, self._plan.starts, strict=True)
        boxed = [layout.masks for layout, start in starts if start is not None]
        self._masks = np.concatenate(boxed) if boxed else np.zeros(0, np.int64)
        channels = [self._convolutions[0].channels_in, *(one.channels_out for one in self._convolutions)]
        self._arrays = [torch.zeros(rows, size) for rows, size in zip(self._plan.rows, channels, strict=True)]
        self._classes = [
            [_prepared(some, convolution) for some in classes]
            for classes, convolution in zip(self._plan.layers, self._convolutions, strict=True)
        ]

    def reference(self, observation: np.ndarray) -> Reference:
        """Evaluate the unperturbed observation, (80, 80) float32, up to the product."""
        seen = torch.from_numpy(observation)[None, None]
        before, after = [], []
        for convolution in self._policy.convolutions:
            layer = convolution(seen).contiguous(memory_format=torch.channels_last)
            seen = self._policy.activation(layer)
            before.append(layer.permute(0, 2, 3, 1).reshape(-1, layer.shape[1]))
            after.append(seen.permute(0, 2, 3, 1).reshape(-1, layer.shape[1]))
        weight, bias = self._policy.product
        return Reference(observation, before, after, torch.nn.functional.linear(seen.flatten(1), weight, bias))

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
        reference_logits, reference_value, _ = self._policy.decide(reference.product, memory)
        logits = np.repeat(reference_logits.numpy(), count, axis=0)
        value = np.repeat(reference_value.numpy(), count)
        for masks, product in self._products(reference, patches):
            some_logits, some_value, _ = self._policy.decide(product, memory)
            logits[masks] = some_logits.numpy()
            value[masks] = some_value.numpy()
        return logits, value, reference_logits[0].numpy(), reference_value[0].numpy()

    def _products(self, reference: Reference, patches: Iterable[Patches]) -> Iterable[tuple[np.ndarray, Tensor]]:
        """Yield masks with their products, (mask, product)."""
        batch, masks, boxed = np.empty((BATCH, *OBSERVATION), np.float32), [], []
        for found in patches:
            if self._plan.starts[found.layout] is not None:
                boxed.append(found)
                continue
            layout = self._layouts[found.layout]
            for row, patch in zip(found.rows, found.values, strict=True):
                seen, top, left = batch[len(masks)], layout.tops[row], layout.lefts[row]
                seen[...] = reference.observation
                seen[top : top + layout.height, left : left + layout.width] = patch
                masks.append(layout.masks[row])
                if len(masks) == BATCH:
                    yield np.array(masks), self._by_network(batch)
                    masks.clear()
        if masks:
            yield np.array(masks), self._by_network(batch[: len(masks)])
        if boxed:
            yield from self._by_boxes(reference, boxed)

    def _by_network(self, observations: np.ndarray) -> Tensor:
        """Return the products of whole observations, (batch, 80, 80) float32."""
        features = self._policy.trunk(torch.from_numpy(observations)[:, None])
        return torch.nn.functional.linear(features, *self._policy.product)

    def _by_boxes(self, reference: Reference, boxed: list[Patches]) -> Iterable[tuple[np.ndarray, Tensor]]:
        """Yield masks with their products, (mask, product)."""
        changed = np.zeros(len(self._masks), bool)
        for found in boxed:
            layout, numbers = self._layouts[found.layout], self._plan.starts[found.layout] + found.rows
            changed[numbers] = True
            top, left = layout.tops[found.rows, None, None], layout.lefts[found.rows, None, None]
            seen = reference.observation[top + np.arange(layout.height)[:, None], left + np.arange(layout.width)]
            rows = self._plan.first_rows[numbers, None] + np.arange(layout.height * layout.width)
            differences = torch.from_numpy(found.values - seen).view(-1, 1)
            self._arrays[0].index_copy_(0, torch.from_numpy(rows.ravel()), differences)
        for depth, classes in enumerate(self._classes):
            for some in classes:
                chosen = np.flatnonzero(changed[some.of.members])
                for start in range(0, len(chosen), some.chunk):
                    self._through_layer(depth, some, torch.from_numpy(chosen[start : start + some.chunk]), reference)
        masks, products = [], []
        for some in self._classes[-1]:
            chosen = np.flatnonzero(changed[some.of.members])
            for start in range(0, len(chosen), RUN_MASKS):
                run = chosen[start : start + RUN_MASKS]
                masks.append(self._masks[some.of.members[run]])
                products.append(self._product_of_boxes(some, run, reference))
                if sum(map(len, masks)) >= RUN_MASKS:
                    yield np.concatenate(masks), torch.cat(products)
                    masks, products = [], []
        if masks:
            yield np.concatenate(masks), torch.cat(products)

    def _through_layer(self, depth: int, some: _Class, chosen: Tensor, reference: Reference) -> None:
        """Write the differences that ``chosen`` masks make after one more layer."""
        geometry, of, count = self._convolutions[depth], some.of, len(chosen)
        gathered = self._arrays[depth].index_select(0, some.inputs.index_select(0, chosen).view(-1))
        segments = some.segments.index_select(0, chosen).view(-1)
        before = _segments(reference.before[depth], of.width).index_select(0, segments)
        # z + dz, then f(z + dz) - f(z).
        if of.tapped:
            taps = self._taps[depth]
            difference = before.view(-1, geometry.channels_out).addmm_(gathered.view(-1, len(taps)), taps)
        else:
            sides = [(size - 1) * geometry.stride[axis] + geometry.kernel[axis] for axis, size in enumerate(of.size)]
            patch = gathered.view(count, *sides, geometry.channels_in).permute(0, 3, 1, 2)
            made = torch.nn.functional.conv2d(patch, self._kernels[depth], stride=geometry.stride)
            difference = before.view(count, *of.size, -1).add_(made.permute(0, 2, 3, 1)).view(-1, geometry.channels_out)
        difference = self._policy.activation(difference, inplace=True)
        difference -= _segments(reference.after[depth], of.width).index_select(0, segments).view_as(difference)
        members = len(of.members)
        rows = self._arrays[depth + 1][of.first : of.first + members * of.area].view(members, -1)
        rows.index_copy_(0, chosen, difference.view(count, -1))

    def _product_of_boxes(self, some: _Class, chosen: np.ndarray, reference: Reference) -> Tensor:
        """Return the products of ``chosen`` masks: the reference's, and what the features in their boxes change."""
        of, channels = some.of, self._convolutions[-1].channels_out
        members = len(of.members)
        rows = self._arrays[-1][of.first : of.first + members * of.area].view(members, of.height, -1)
        features = rows.index_select(0, torch.from_numpy(chosen))
        product = reference.product.repeat(len(chosen), 1)
        bounds = [*np.searchsorted(chosen, some.starts), len(chosen)]
        for (top, left), start, stop in zip(of.corners[some.starts], bounds, bounds[1:], strict=False):
            if start < stop:
                for row in range(of.height):
                    weight = self._product_weight[top + row, left * channels : (left + of.width) * channels]
                    product[start:stop].addmm_(features[start:stop, row], weight)
        return product


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
        layout = perturbation.layouts[found.layout]
        for row, patch in zip(found.rows, found.values, strict=True):
            seen, top, left = observation.copy(), layout.tops[row], layout.lefts[row]
            seen[top : top + layout.height, left : left + layout.width] = patch
            logits[layout.masks[row]], value[layout.masks[row]] = forward(seen)
    return logits, value, reference_logits, reference_value


def _geometry(policy: Policy) -> list[Convolution]:
    """Return what boxes need to know of a policy's convolutions."""
    found, size = [], OBSERVATION
    for one in policy.convolutions:
        steps = zip(size, one.kernel_size, one.stride, one.padding, strict=True)
        size = tuple((length + 2 * padding - kernel) // stride + 1 for length, kernel, stride, padding in steps)
        found.append(Convolution(one.kernel_size, one.stride, one.padding, size, one.in_channels, one.out_channels))
    return found


def _prepared(some: BoxClass, convolution: Convolution) -> _Class:
    rows = some.corners[:, 0, None] + np.arange(some.height)
    segments = rows * convolution.size[1] + some.corners[:, 1, None]
    starts = np.flatnonzero(np.r_[True, (np.diff(some.corners, axis=0) != 0).any(axis=1)])
    chunk = max(1, GATHER // (some.inputs.shape[1] * convolution.channels_in))
    return _Class(some, torch.from_numpy(some.inputs), torch.from_numpy(segments.astype(np.int32)), starts, chunk)


def _segments(array: Tensor, width: int) -> Tensor:
    """Return a view of a (position, channel) array whose row ``i`` is the ``width`` positions from ``i`` on."""
    positions, channels = array.shape
    return array.as_strided((positions - width + 1, width * channels), (channels, 1))


def _taps_first(weight: Tensor) -> Tensor:
    """Return a convolution's weights as (tap * input channel, output channel)."""
    return weight.permute(2, 3, 1, 0).reshape(-1, len(weight)).contiguous()
