"""Exact incremental evaluation: outputs under perturbations, from one evaluation of the unperturbed frame.

A perturbation changes some pixels of the observation. Their box has the rows ``[t, u)``, and likewise columns.
Through a convolution with kernel ``k``, stride ``s`` and padding ``p``, followed by a pointwise activation, only the
output's rows ``[ceil((t + p - k + 1) / s), floor((u - 1 + p) / s) + 1)`` can depend on rows ``[t, u)``. So a box of
the observation becomes a box of each layer. Outside of the box, the layer's output equals the unperturbed frame's,
which is computed once. Inside, it is computed anew from the layer before: the mask's values in that layer's box, the
unperturbed frame's values around it. This is exact, and nothing outside of the boxes is computed.

Let ``a`` be the unperturbed frame's features after the last layer, and ``a + d`` a mask's, with ``d`` zero outside the
last box. The product with the weights ``W`` of the recurrent (or first linear) layer is linear,

    W (a + d) + b = (W a + b) + W d,

so it changes by the product of ``d`` inside the box with the columns of ``W`` that meet it. Only later layers, a
few hundred numbers for each mask, are computed in full.

The first layer has few input channels and needs no gathering (``searchlight.saliency.first_layer``).

Boxes enclose only the pixels that change in a frame, so each frame has its own boxes
(``searchlight.saliency.boxes``). The boxes of all masks, of any sizes, go through a layer together. The inputs of each
position are gathered from the mask's values and the unperturbed frame's, for one product with the layer's weights.
A mask whose boxes cost more operations than the whole network goes through the whole network, in batches. A mask that
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

from searchlight.agents.policy import Factored, Memory, Policy, is_factored
from searchlight.saliency.boxes import (
    Boxes,
    Held,
    boxes_after,
    geometry,
    held_tightly,
    operations,
    positions,
    taken,
)
from searchlight.saliency.first_layer import FirstLayer, Observed, bias_of, taps_first
from searchlight.saliency.patches import Gathered, Patches, gathered
from searchlight.saliency.whole_forwards import BATCH, VALUES, Evaluator, WholeForwards

# Cost of a multiply-add in boxes, relative to the whole network, which reads memory in order.
BOX_COST = 1.3


@dataclass(frozen=True)
class Limits:
    """Amounts of work done at a time; results depend on them by rounding alone.

    Attributes:
        masks: number of masks whose boxes are computed together.
        numbers: number of values gathered for a product.
        batch: number of observations in one forward pass of the whole network.
    """

    masks: int
    numbers: int
    batch: int


# CPU limits fit a core's cache; GPU limits are large, because a GPU needs much work at a time.
LIMITS = {
    "cpu": Limits(masks=512, numbers=2**18, batch=BATCH["cpu"]),
    "cuda": Limits(masks=4096, numbers=2**26, batch=BATCH["cuda"]),
}


@dataclass(frozen=True)
class Reference:
    """Evaluation of an unperturbed observation by the policy.

    Attributes:
        observed: the observation.
        layers: output of each layer, (position, channel), padded by zeros for the next layer's margins.
        product: product of the features with the next layer's weights, bias included, (1, product).
    """

    observed: Observed
    layers: list[Tensor]
    product: Tensor


def elu_in_place(layer: Tensor) -> Tensor:
    """Apply ELU in place as ``max(x, min(exp(x), 1) - 1)``: bit-identical to the network's own."""
    below = torch.exp(layer).clamp_(max=1).sub_(1)
    return torch.maximum(layer, below, out=layer)


def relu_in_place(layer: Tensor) -> Tensor:
    """Apply ReLU in place."""
    return layer.clamp_(min=0)


# Activations after each convolution, by the name that a policy states.
ACTIVATIONS = {"elu": elu_in_place, "relu": relu_in_place}


class Engine:
    """The outputs of one factored policy under perturbations, frame by frame."""

    def __init__(self, policy: Factored, shape: tuple[int, int]) -> None:
        """Prepare a policy's weights, on their device, for observations of a height and width."""
        self._policy = policy
        self._activation = ACTIVATIONS[policy.activation]
        self._shape = shape
        self._convolutions = geometry(policy.convolutions, shape)
        self._device = policy.product[0].device
        self._limits = LIMITS[self._device.type]
        self._first = FirstLayer(self._convolutions[0], policy.convolutions[0], self._activation, self._limits.numbers)
        self._biases = [bias_of(convolution) for convolution in policy.convolutions]
        self._taps = [taps_first(convolution.weight).flatten(0, 1) for convolution in policy.convolutions]
        self._kernels = [
            convolution.weight.contiguous(memory_format=torch.channels_last) for convolution in policy.convolutions
        ]
        weight, self._product_bias = policy.product
        height, width = self._convolutions[-1].size
        # (row * column * channel, product), because the engine keeps channels last.
        features = weight.view(len(weight), -1, height, width).permute(2, 3, 1, 0)
        self._product_weight = features.reshape(-1, len(weight))
        self._whole = operations(
            boxes_after(np.array([[0, shape[0], 0, shape[1]]]), self._convolutions),
            self._convolutions,
            len(weight),
        )[0]

    def reference(self, observation: np.ndarray) -> Reference:
        """Evaluate the unperturbed observation, (height, width, channel) float32, up to the product."""
        given = list(self._layers(observation[None]))
        layers = []
        for depth, kept in enumerate(given):
            if depth + 1 < len(self._convolutions):
                rows, columns = self._convolutions[depth + 1].margins
                kept = torch.nn.functional.pad(kept, (0, 0, *columns, *rows))
            layers.append(kept.view(-1, kept.shape[-1]))
        return Reference(Observed(observation), layers, self._product(given[-1]))

    def respond(
        self, reference: Reference, memory: Memory, patches: Iterable[Patches], count: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the policy's outputs for one observation, under each mask and unperturbed.

        Arguments and results are those of ``searchlight.saliency.whole_forwards.Evaluator``.
        """
        reference_logits, reference_value = self.decide(reference.product, memory)
        logits, value = np.repeat(reference_logits, count, axis=0), np.repeat(reference_value, count)
        for masks, product in self._products(reference, patches):
            logits[masks], value[masks] = self.decide(product, memory)
        return logits, value, reference_logits[0], reference_value[0]

    def outputs(self, reference: Reference, memory: Memory) -> tuple[np.ndarray, np.ndarray]:
        """Return logits (action,) and value () of the unperturbed observation, with a memory of (1, hidden)."""
        logits, value = self.decide(reference.product, memory)
        return logits[0], value[0]

    def decide(self, product: Tensor, memory: Memory) -> tuple[np.ndarray, np.ndarray]:
        """Return logits (mask, action) and value (mask,) of products (mask, product) and a memory of (1, hidden)."""
        memory = {name: array.to(self._device) for name, array in memory.items()}
        logits, value, _ = self._policy.decide(product, memory)
        return logits.cpu().numpy(), value.cpu().numpy()

    def _products(self, reference: Reference, patches: Iterable[Patches]) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yield indices of masks (mask,) and their products (mask, product)."""
        references = {id(reference.observed.observation): reference}
        for some in gathered(patches, self._limits.masks, VALUES[self._device.type]):
            # Patches may change a further observation of the frame, such as one scaled by another range.
            changed = references.get(id(some.observation))
            if changed is None:
                changed = references[id(some.observation)] = self.reference(some.observation)
            boxes = boxes_after(some.boxes, self._convolutions)
            wide = BOX_COST * operations(boxes, self._convolutions, len(self._product_bias)) >= self._whole
            if len(members := np.flatnonzero(wide)):
                yield some.masks[members], self._by_network(some, members)
            if len(members := np.flatnonzero(~wide)):
                # Masks are sorted by the rows of their last boxes, because equal rows meet the same weights.
                rows = boxes[-1].corners[members, 0] * self._shape[0] + boxes[-1].sizes[members, 0]
                members = members[np.argsort(rows, kind="stable")]
                yield some.masks[members], self._by_boxes(changed, some, members, [box.of(members) for box in boxes])

    def _by_network(self, some: Gathered, members: np.ndarray) -> Tensor:
        """Return the products of masks, (mask, product), by forward passes of whole observations."""
        found = []
        for start in range(0, len(members), self._limits.batch):
            some_members = members[start : start + self._limits.batch]
            *_, features = self._layers(some.whole(some_members))
            found.append(features)
        return self._product(torch.cat(found))

    def _layers(self, observations: np.ndarray) -> Iterator[Tensor]:
        """Yield the output of each layer for whole observations; both are (batch, row, column, channel)."""
        if observations.shape[3] == 1:
            seen = self._first.of_whole(observations)
        else:  # a convolution of several channels is faster without gathering
            seen = self._convolved(0, torch.from_numpy(observations).to(self._device))
        yield seen
        for depth in range(1, len(self._convolutions)):
            yield (seen := self._convolved(depth, seen))

    def _convolved(self, depth: int, seen: Tensor) -> Tensor:
        """Return a layer's output for whole inputs; both are (batch, row, column, channel)."""
        convolution = self._convolutions[depth]
        layer = torch.nn.functional.conv2d(
            seen.permute(0, 3, 1, 2), self._kernels[depth], self._biases[depth], convolution.stride, convolution.padding
        )
        layer = layer.permute(0, 2, 3, 1).contiguous()
        return self._activation(layer)

    def _product(self, features: Tensor) -> Tensor:
        """Return the product (batch, product) of whole features (batch, row, column, channel)."""
        return torch.addmm(self._product_bias, features.reshape(len(features), -1), self._product_weight)

    def _by_boxes(self, reference: Reference, some: Gathered, members: np.ndarray, boxes: list[Boxes]) -> Tensor:
        """Return the products of masks, (mask, product), by their boxes after each layer."""
        parts, held = self._first.parts(some, members)
        rows, own = self._rows(reference, 0, sum(len(one.place) * one.size[0] * one.size[1] for one in parts))
        held.first[...] += len(rows) - len(own)
        self._first.write(reference.observed, parts, own)
        for depth in range(1, len(self._convolutions)):
            index = self._index(taken(self._convolutions[depth], boxes[depth - 1], held, boxes[depth]))
            before, (rows, own) = rows, self._rows(reference, depth, len(index))
            held = held_tightly(boxes[depth], len(rows) - len(own))
            step = max(1, self._limits.numbers // (index.shape[1] * before.shape[1]))
            for wanted, layer in zip(index.split(step), own.split(step), strict=True):
                gathered = before.index_select(0, wanted.view(-1)).view(len(wanted), len(self._taps[depth]))
                torch.addmm(self._biases[depth], gathered, self._taps[depth], out=layer)
                self._activation(layer)
        return self._product_of_boxes(reference, boxes[-1], held, rows)

    def _index(self, rows: np.ndarray) -> Tensor:
        return torch.from_numpy(rows).to(self._device)

    def _rows(self, reference: Reference, depth: int, count: int) -> tuple[Tensor, Tensor]:
        """Return the next layer's input: reference rows, then ``count`` uninitialised rows, and a view of those."""
        given = reference.layers[depth] if depth + 1 < len(self._convolutions) else reference.layers[depth][:0]
        rows = given.new_empty(len(given) + count, given.shape[1])
        rows[: len(given)] = given
        return rows, rows[len(given) :]

    def _product_of_boxes(self, reference: Reference, boxes: Boxes, held: Held, rows: Tensor) -> Tensor:
        """Return the products of masks, (mask, product): the reference's plus the changes in their boxes.

        Args:
            reference: the unperturbed frame.
            boxes: boxes after the last layer, sorted by the rows that they span.
            held: places of the boxes' positions among ``rows``.
            rows: (row, channel), the features.
        """
        last, count = self._convolutions[-1], len(boxes.sizes)
        mask, row, column = positions(boxes)
        position = row * last.size[1] + column
        features = rows.index_select(0, self._index(held.rows(mask, row, column)))
        changes = features - reference.layers[-1].index_select(0, self._index(position))
        whole = changes.new_zeros(count * last.positions, last.channels_out)
        whole.index_copy_(0, self._index(mask * last.positions + position), changes)
        whole = whole.view(count, last.size[0], -1)
        product = whole.new_empty(count, len(self._product_bias))
        weights = self._product_weight.view(last.size[0], -1, product.shape[1])
        spans = np.stack([boxes.corners[:, 0], boxes.corners[:, 0] + boxes.sizes[:, 0]], axis=1)
        starts = np.flatnonzero(np.r_[True, (np.diff(spans, axis=0) != 0).any(axis=1), True]).tolist()
        for start, stop in pairwise(starts):
            top, bottom = spans[start].tolist()
            met = weights[top:bottom].flatten(0, 1)
            changed = whole[start:stop, top:bottom].reshape(stop - start, len(met))
            torch.addmm(reference.product, changed, met, out=product[start:stop])
        return product


def make_engine(policy: Policy, shape: tuple[int, int]) -> Evaluator:
    """Return the evaluator of a policy for observations of a height and width.

    A ``Factored`` policy with a known activation gets the incremental engine; any other gets whole forwards.
    """
    if is_factored(policy) and policy.activation in ACTIVATIONS:
        return Engine(policy, shape)
    return WholeForwards(policy)
