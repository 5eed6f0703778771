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

The boxes depend on the masks alone. So which rows meet which (``_Plan``) is worked out once a job; a frame takes the
masks that change it, gathers, multiplies, and scatters. Masks of one box size go through together. A mask whose boxes
would cost more operations than the whole network does goes through the whole network instead, in batches.

The idea is that of Krypton (Nakandala, Kumar and Papakonstantinou, SIGMOD 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from searchlight.perturbation import Layout, Patches, Perturbation
from searchlight.policy import Memory, Policy
from searchlight.preprocessing import OBSERVATION

# Boxes narrower than this, at the borders, go through a layer with those that have it.
SMALLEST = 2
# Masks whose products are in memory at a time.
RUN_MASKS = 2048
# Numbers gathered at a time: what fits in a core's cache.
GATHER = 2**18
# What all gathering plans of a job may take; masks beyond go through the whole network.
PLAN_BYTES = 96 * 1024**2
# What a multiply-add on gathered boxes costs, in those of a batched convolution; and what a class of boxes costs by
# itself in each layer, which is what forbids boxes where masks of one size are few.
GATHER_COST = 1.5
CLASS_COST = 4e6
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
    """Masks of one layout whose boxes in one layer have one size.

    Attributes:
        members: (n,) positions of the masks in the layout.
        inputs: (n, position * tap) rows of the layer's input: what each weight meets. Row 0 is zeros.
        outputs: (n, position) rows of the reference's arrays.
        inside: (n, position, 1) 1 where the position exists; None where all do.
        first: the row of the layer's output where theirs begin.
        height, width: of the boxes.
    """

    members: np.ndarray
    inputs: Tensor
    outputs: Tensor
    inside: Tensor | None
    first: int
    height: int
    width: int


@dataclass(frozen=True)
class _Features:
    """Masks of one class of the last layer, in the order of their boxes: the runs that share a box share weights."""

    members: np.ndarray
    order: np.ndarray
    starts: np.ndarray
    corners: list[tuple[int, int]]
    first: int
    height: int
    width: int


@dataclass(frozen=True)
class _Plan:
    """How the masks of one layout go through the layers, and how many rows each layer's input has."""

    layers: list[list[_Class]]
    features: list[_Features]
    rows: list[int]


class Engine:
    """The outputs of one policy under one set of masks, frame by frame."""

    def __init__(self, policy: Policy, layouts: Sequence[Layout]) -> None:
        """Work out how each mask goes through the network.

        Args:
            policy: convolutions, an activation, a product and what follows it.
            layouts: the boxes of the masks, as ``Perturbation.layouts`` gives them.
        """
        self._policy, self._layouts = policy, layouts
        self._sizes = [OBSERVATION]
        for convolution in policy.convolutions:
            self._sizes.append(_output_size(self._sizes[-1], convolution))
        self._weights = [_taps_first(convolution.weight) for convolution in policy.convolutions]
        weight = policy.product[0]
        height, width = self._sizes[-1]
        # (row, column * channel, product): the rows that a box's features meet are then slices.
        features = weight.view(len(weight), -1, height, width).permute(2, 3, 1, 0)
        self._product_weight = features.reshape(height, -1, len(weight)).contiguous()
        room = PLAN_BYTES
        self._plans: list[_Plan | None] = []
        for layout in layouts:
            plan = self._plan(layout) if self._pays(layout) and self._plan_bytes(layout) <= room else None
            room -= self._plan_bytes(layout) if plan is not None else 0
            self._plans.append(plan)
        self._buffers = self._make_buffers()

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
        batch, masks = np.empty((BATCH, *OBSERVATION), np.float32), []
        for found in patches:
            plan, layout = self._plans[found.layout], self._layouts[found.layout]
            if plan is not None:
                for rows, product in self._by_boxes(plan, reference, layout, found):
                    yield layout.masks[found.rows[rows]], product
                continue
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

    def _by_network(self, observations: np.ndarray) -> Tensor:
        """Return the products of whole observations, (batch, 80, 80) float32."""
        features = self._policy.trunk(torch.from_numpy(observations)[:, None])
        return torch.nn.functional.linear(features, *self._policy.product)

    # -- through the boxes ------------------------------------------------------------------------------------------

    def _by_boxes(
        self, plan: _Plan, reference: Reference, layout: Layout, found: Patches
    ) -> Iterable[tuple[np.ndarray, Tensor]]:
        """Yield rows of ``found`` with their products, (row, product)."""
        height, width = layout.height, layout.width
        top, left = layout.tops[found.rows, None, None], layout.lefts[found.rows, None, None]
        seen = reference.observation[top + np.arange(height)[:, None], left + np.arange(width)]
        changed = np.full(len(layout.masks), -1)
        changed[found.rows] = np.arange(len(found.rows))
        differences = torch.from_numpy(found.values - seen).view(-1, 1)
        first = torch.from_numpy((1 + found.rows[:, None] * (height * width) + np.arange(height * width)).ravel())
        self._buffers[0].index_copy_(0, first, differences)
        for depth, classes in enumerate(plan.layers):
            for some in classes:
                chosen = np.flatnonzero(changed[some.members] >= 0)
                step = max(1, GATHER // (some.inputs.shape[1] * self._buffers[depth].shape[1]))
                for start in range(0, len(chosen), step):
                    self._through_layer(depth, some, torch.from_numpy(chosen[start : start + step]), reference)
        rows, products = [], []
        for some in plan.features:
            chosen = np.flatnonzero(changed[some.members] >= 0)
            for start in range(0, len(chosen), RUN_MASKS):
                run = chosen[start : start + RUN_MASKS]
                rows.append(changed[some.members[run]])
                products.append(self._product_of_boxes(some, run, reference))
                if sum(map(len, rows)) >= RUN_MASKS:
                    yield np.concatenate(rows), torch.cat(products)
                    rows, products = [], []
        if rows:
            yield np.concatenate(rows), torch.cat(products)

    def _through_layer(self, depth: int, some: _Class, chosen: Tensor, reference: Reference) -> None:
        """Write the differences that ``chosen`` masks make after one more layer."""
        weight = self._weights[depth]
        given, made = self._buffers[depth], self._buffers[depth + 1]
        channels = weight.shape[1]
        taps = given.index_select(0, some.inputs.index_select(0, chosen).view(-1)).view(-1, len(weight))
        places = some.outputs.index_select(0, chosen).view(-1)
        # Added to the reference in the product itself: z + dz, then f(z + dz) - f(z).
        difference = torch.addmm(reference.before[depth].index_select(0, places), taps, weight)
        difference = self._policy.activation(difference, inplace=True)
        difference -= reference.after[depth].index_select(0, places)
        if some.inside is not None:
            difference *= some.inside.index_select(0, chosen).view(-1, 1)
        area = some.height * some.width
        rows = made[some.first : some.first + len(some.members) * area].view(len(some.members), area * channels)
        rows.index_copy_(0, chosen, difference.view(len(chosen), -1))

    def _product_of_boxes(self, some: _Features, chosen: np.ndarray, reference: Reference) -> Tensor:
        """Return the products of ``chosen`` masks: the reference's, and what the features in their boxes change."""
        layer = self._buffers[-1]
        channels = layer.shape[1]
        area = some.height * some.width
        rows = layer[some.first : some.first + len(some.order) * area].view(len(some.order), some.height, -1)
        features = rows.index_select(0, torch.from_numpy(some.order[chosen]))
        product = reference.product.repeat(len(chosen), 1)
        bounds = np.searchsorted(chosen, some.starts)
        for (top, left), start, stop in zip(some.corners, bounds, [*bounds[1:], len(chosen)], strict=True):
            if start == stop:
                continue
            width = min(some.width * channels, self._product_weight.shape[1] - left * channels)
            for row in range(min(some.height, len(self._product_weight) - top)):
                weight = self._product_weight[top + row, left * channels : left * channels + width]
                product[start:stop].addmm_(features[start:stop, row, :width], weight)
        return product

    # -- planning ---------------------------------------------------------------------------------------------------

    def _boxes(self, layout: Layout) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """Yield the boxes of a layout's masks in the observation and after each layer: corners and sizes, (n, 2)."""
        corners = np.stack([layout.tops, layout.lefts], axis=1).astype(np.int64)
        sizes = np.tile([layout.height, layout.width], (len(corners), 1))
        yield corners, sizes
        for convolution, limit in zip(self._policy.convolutions, self._sizes[1:], strict=True):
            kernel, stride = np.array(convolution.kernel_size), np.array(convolution.stride)
            padding = np.array(convolution.padding)
            start = np.maximum(0, -(-(corners + padding - kernel + 1) // stride))
            stop = np.minimum(limit, (corners + sizes - 1 + padding) // stride + 1)
            corners, sizes = start, stop - start
            yield corners, sizes

    def _pays(self, layout: Layout) -> bool:
        """Tell whether a layout's masks cost fewer operations by their boxes than by the whole network."""
        whole = boxes = 0.0
        channels = self._buffers_channels()
        for depth, (_, sizes) in enumerate(list(self._boxes(layout))[1:]):
            taps, rounded = self._weights[depth].numel(), _rounded(sizes)
            whole += taps * np.prod(self._sizes[depth + 1]) * len(sizes)
            boxes += GATHER_COST * taps * rounded.prod(axis=1).sum() + CLASS_COST * len(np.unique(rounded, axis=0))
        products = self._product_weight.shape[2] * channels[-1]
        whole += products * np.prod(self._sizes[-1]) * len(sizes)
        boxes += products * rounded.prod(axis=1).sum()
        return bool(boxes < whole)

    def _plan_bytes(self, layout: Layout) -> int:
        """Return about how much memory a plan takes: the indices of gathering, and the layers' differences."""
        channels = self._buffers_channels()
        indices = numbers = 0
        for depth, (_, sizes) in enumerate(self._boxes(layout)):
            area = _rounded(sizes).prod(axis=1).sum()
            numbers += area * channels[depth]
            if depth:
                indices += area * (1 + len(self._weights[depth - 1]) // channels[depth - 1])
        return int(4 * numbers + 8 * indices)

    def _buffers_channels(self) -> list[int]:
        return [1, *(weight.shape[1] for weight in self._weights)]

    def _plan(self, layout: Layout) -> _Plan:
        boxes = list(self._boxes(layout))
        corners, sizes = boxes[0]
        base = 1 + np.arange(len(corners)) * layout.height * layout.width
        pitch = np.full(len(corners), layout.width)
        layers, rows = [], [1 + len(corners) * layout.height * layout.width]
        for depth, (next_corners, next_sizes) in enumerate(boxes[1:]):
            convolution = self._policy.convolutions[depth]
            classes: list[_Class] = []
            next_base, next_pitch, row = np.zeros_like(base), np.zeros_like(pitch), 1
            rounded = _rounded(next_sizes)
            for height, width in sorted(set(map(tuple, rounded.tolist()))):
                members = np.flatnonzero((rounded == (height, width)).all(axis=1))
                if depth == len(boxes) - 2:  # in the order of their boxes, for the product that follows
                    members = members[np.lexsort((next_corners[members, 1], next_corners[members, 0]))]
                of = _Geometry(convolution, corners[members], sizes[members], next_corners[members])
                inputs = of.inputs((height, width), base[members], pitch[members])
                outputs, inside = of.outputs((height, width), self._sizes[depth + 1])
                classes.append(
                    _Class(
                        members,
                        torch.from_numpy(inputs.astype(np.int32)),
                        torch.from_numpy(outputs.astype(np.int32)),
                        None if inside.all() else torch.from_numpy(inside.astype(np.float32)[..., None]),
                        row,
                        height,
                        width,
                    )
                )
                next_base[members] = row + np.arange(len(members)) * height * width
                next_pitch[members] = width
                row += len(members) * height * width
            layers.append(classes)
            rows.append(row)
            # What lies beyond the exact box, where its size was rounded up, is zero or outside: never read.
            corners, sizes, base, pitch = next_corners, next_sizes, next_base, next_pitch
        return _Plan(layers, [_features(some, corners) for some in layers[-1]], rows)

    def _make_buffers(self) -> list[Tensor]:
        """Return the differences of each layer's output, (row, channel), for the largest plan; row 0 is zeros."""
        rows = [plan.rows for plan in self._plans if plan is not None] or [[1] * (len(self._weights) + 1)]
        largest = np.max(rows, axis=0)
        return [torch.zeros(int(count), size) for count, size in zip(largest, self._buffers_channels(), strict=True)]


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


class _Geometry:
    """Which positions meet which, for masks of one class in one layer."""

    def __init__(
        self, convolution: torch.nn.Conv2d, corners: np.ndarray, sizes: np.ndarray, next_corners: np.ndarray
    ) -> None:
        self._convolution, self._corners, self._sizes, self._next = convolution, corners, sizes, next_corners

    def inputs(self, shape: tuple[int, int], base: np.ndarray, pitch: np.ndarray) -> np.ndarray:
        """Return the rows of the input that each tap of each position meets, (mask, position * tap); 0 outside."""
        inside, offsets = [], []
        for axis, length in enumerate(shape):
            kernel, stride = self._convolution.kernel_size[axis], self._convolution.stride[axis]
            # Relative to the input's box: (mask, position, tap).
            position = (self._next[:, axis, None] + np.arange(length)) * stride - self._convolution.padding[axis]
            relative = position[..., None] + np.arange(kernel) - self._corners[:, axis, None, None]
            inside.append((relative >= 0) & (relative < self._sizes[:, axis, None, None]))
            offsets.append(relative)
        both = inside[0][:, :, None, :, None] & inside[1][:, None, :, None, :]
        rows = base[:, None, None, None, None] + pitch[:, None, None, None, None] * offsets[0][:, :, None, :, None]
        return np.where(both, rows + offsets[1][:, None, :, None, :], 0).reshape(len(base), -1)

    def outputs(self, shape: tuple[int, int], limit: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of the layer's output, (mask, position), and which of them exist."""
        rows = self._next[:, 0, None] + np.arange(shape[0])
        columns = self._next[:, 1, None] + np.arange(shape[1])
        inside = (rows < limit[0])[:, :, None] & (columns < limit[1])[:, None, :]
        places = np.minimum(rows, limit[0] - 1)[:, :, None] * limit[1] + np.minimum(columns, limit[1] - 1)[:, None, :]
        return places.reshape(len(rows), -1), inside.reshape(len(rows), -1)


def _features(some: _Class, corners: np.ndarray) -> _Features:
    at = corners[some.members]
    starts = np.flatnonzero(np.r_[True, (np.diff(at, axis=0) != 0).any(axis=1)])
    order = np.arange(len(some.members))
    places = [(int(top), int(left)) for top, left in at[starts]]
    return _Features(some.members, order, starts, places, some.first, some.height, some.width)


def _output_size(size: tuple[int, int], convolution: torch.nn.Conv2d) -> tuple[int, int]:
    padding, kernel, stride = convolution.padding, convolution.kernel_size, convolution.stride
    return tuple((size[axis] + 2 * padding[axis] - kernel[axis]) // stride[axis] + 1 for axis in (0, 1))


def _taps_first(weight: Tensor) -> Tensor:
    """Return a convolution's weights as (tap * input channel, output channel)."""
    return weight.permute(2, 3, 1, 0).reshape(-1, len(weight)).contiguous()


def _rounded(sizes: np.ndarray) -> np.ndarray:
    """Return sizes rounded up to ``SMALLEST``."""
    return np.maximum(sizes, SMALLEST)
