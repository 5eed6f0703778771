"""Networks of convolutions, dense layers and recurrent layers, in torch; all are ``Factored``.

Actor and critic may share all layers but their heads, some, or none. Whatever they share, the engine needs one chain of
convolutions and one first product. So two chains of convolutions become one, side by side: its weights are zero between
the two. The first products of actor and critic become one in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from searchlight.agents.networks import _cells
from searchlight.agents.networks._convolutional import Architecture, Layer
from searchlight.agents.networks._files import GATES
from searchlight.agents.networks._parts import Convolution, Part, Product, moved, part_of
from searchlight.agents.policy import LOGITS, Memory, Output
from searchlight.errors import SearchlightError

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": nn.functional.relu,
    "tanh": torch.tanh,
    "elu": nn.functional.elu,
    "gelu": nn.functional.gelu,
    "leakyrelu": nn.functional.leaky_relu,
    "sigmoid": torch.sigmoid,
    "silu": nn.functional.silu,
}


class Dense(nn.Module):
    """A product, and an activation where there is one."""

    product: Product | nn.Identity

    def __init__(self, product: Product, activation: str | None) -> None:
        super().__init__()
        self.product, self.activation = product, activation

    def forward(self, given: Tensor, memory: Memory, after: dict[str, Tensor]) -> Tensor:  # noqa: ARG002  as Recurrent
        """Return the layer's values (batch, size)."""
        product = self.product(given)
        return product if self.activation is None else ACTIVATIONS[self.activation](product)


class Recurrent(nn.Module):
    """A layer of an LSTM or GRU.

    Attributes:
        product, recurrent: products of the input and of the memory with their weights.
        kind: ``lstm`` or ``gru``.
        memory: for each part of its memory, the name in the network's memory.
        size: number of values in each.
    """

    product: Product | nn.Identity

    def __init__(self, product: Product, recurrent: Product, kind: str, memory: Mapping[str, str]) -> None:
        super().__init__()
        self.product, self.recurrent, self.kind, self.memory = product, recurrent, kind, memory
        self.size = recurrent.in_features

    def forward(self, given: Tensor, memory: Memory, after: dict[str, Tensor]) -> Tensor:
        """Return the layer's values (batch, size), and add its new memory to ``after``."""
        own = {part: memory[name] for part, name in self.memory.items()}
        new = _cells.STEPS[self.kind](self.product(given), self.recurrent(own["h"]), own)
        after.update({self.memory[part]: array for part, array in new.items()})
        return new["h"]


class LayeredPolicy(nn.Module):
    """A network as an ``Architecture`` describes it, but for what is made of the heads' values; a ``Factored``."""

    output: Output = LOGITS
    actions: int

    def __init__(self, architecture: Architecture, tensors: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self.architecture = architecture
        self.activation = architecture.activation
        self.convolutions = _convolutions(architecture, tensors)
        self.shared, self.actor, self.critic = (
            [_layer(layer, tensors) for layer in layers]
            for layers in (architecture.shared, architecture.actor, architecture.critic)
        )
        begins = self.shared[:1] or [way[0] for way in (self.actor, self.critic) if way]
        products = [begin.product for begin in begins if isinstance(begin.product, Product)]
        self.first = products[0] if len(products) == 1 else _side_by_side(products, len(architecture.trunks) > 1)
        self._sizes = [product.out_features for product in products]
        for begin in begins:
            begin.product = nn.Identity()  # because it takes its part of ``first``
        # Torch knows the modules in lists only through this.
        self.layers = nn.ModuleList([*self.convolutions, *self.shared, *self.actor, *self.critic])

    @property
    def product(self) -> tuple[Tensor, Tensor]:
        """The first product of the features: weight (product, features) and bias (product,)."""
        return self.first.weight, self.first.bias

    def trunk(self, observation: Tensor) -> Tensor:
        """Return the flattened features of observations (batch, channel, height, width).

        Raises:
            SearchlightError: they are not as many as the first product takes.
        """
        seen = observation
        for convolution in self.convolutions:
            seen = ACTIVATIONS[self.activation](convolution(seen))
        features = seen.flatten(1)
        if features.shape[1] != self.first.in_features:
            of = len(self.architecture.trunks)
            height, width = observation.shape[2:]
            strides = f"the strides {list(self.architecture.strides)}"
            raise SearchlightError(
                f"the checkpoint's network takes {self.first.in_features // of} features, but its convolutions give "
                f"{features.shape[1] // of} for observations of {height}x{width}: found {strides}"
                + (
                    ", which are guessed; others are given by  network: {NAME: {strides: […]}}"
                    * self.architecture.guessed
                )
            )
        return features

    def initial_memory(self) -> dict[str, Tensor]:
        """Return the memory before the first frame: zeros, (1, hidden) each."""
        layers = [layer for way in (self.shared, self.actor, self.critic) for layer in way]
        recurrent = [layer for layer in layers if isinstance(layer, Recurrent)]
        return {name: torch.zeros(1, layer.size) for layer in recurrent for name in layer.memory.values()}

    def decide(self, product: Tensor, memory: Memory) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Evaluate the network after the first product."""
        after: dict[str, Tensor] = {}
        if self.shared:
            product = _follow(self.shared, product, memory, after)
            given = [product, product]
        else:
            given = list(product.split(self._sizes, dim=1))
        actor = _follow(self.actor, given[0], memory, after)
        critic = _follow(self.critic, given[-1], memory, after) if self.critic else None
        return *self.answer(actor, critic), after

    def answer(self, actor: Tensor, critic: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return outputs (batch, action) and value (batch,) from the values of the actor's and the critic's head."""
        raise NotImplementedError

    def step(self, observation: Tensor, memory: Memory) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return outputs, value and new memory for observations; the batch may share a memory of (1, hidden)."""
        return self.decide(nn.functional.linear(self.trunk(observation), *self.product), memory)


class ActorCritic(LayeredPolicy):
    """A network whose heads give the actor's logits and the critic's value."""

    def __init__(self, architecture: Architecture, tensors: Mapping[str, np.ndarray]) -> None:
        super().__init__(architecture, tensors)
        self.actions = architecture.actor_outputs

    def answer(self, actor: Tensor, critic: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return both heads' values."""
        assert critic is not None  # noqa: S101  nature refuses networks without a critic
        return actor, critic[:, 0]


def _follow(layers: Sequence[Dense | Recurrent], given: Tensor, memory: Memory, after: dict[str, Tensor]) -> Tensor:
    for layer in layers:
        given = layer(given, memory, after)
    return given


def _layer(layer: Layer, tensors: Mapping[str, np.ndarray]) -> Dense | Recurrent:
    """Return a layer with the weights of a checkpoint."""
    if layer.kind not in GATES:
        weight, bias = _weights(layer.module, tensors)
        biased = f"{layer.module}.bias" in tensors
        return Dense(_product(weight, bias, [part_of("dense", weight, biased=biased)]), layer.activation)
    size = tensors[f"{layer.module}.weight_hh_l{layer.depth}"].shape[1]
    product, recurrent = (
        _product(weight, bias, [part_of(layer.kind, weight, size)])
        for weight, bias in (
            (_tensor(tensors[f"{layer.module}.{what}_{of}_l{layer.depth}"]) for what in ("weight", "bias"))
            for of in ("ih", "hh")
        )
    )
    return Recurrent(product, recurrent, layer.kind, layer.memory)


def _convolutions(architecture: Architecture, tensors: Mapping[str, np.ndarray]) -> list[nn.Conv2d]:
    """Return the convolutions of all trunks side by side; the first one's weights contain the observation's scale."""
    found: list[nn.Conv2d] = []
    for depth, (stride, padding) in enumerate(zip(architecture.strides, architecture.paddings, strict=True)):
        modules = [trunk[depth] for trunk in architecture.trunks]
        each = [_weights(module, tensors) for module in modules]
        # All trunks see the same observation, but each one's later layers see its own values only.
        weights = [weight for weight, _ in each]
        scale = architecture.scale if depth == 0 else 1.0
        weight = torch.cat(weights) * architecture.scale if depth == 0 else _blocks(weights)
        parts = [
            part_of("convolution", one, scale=scale, biased=f"{module}.bias" in tensors)
            for module, one in zip(modules, weights, strict=True)
        ]
        outputs, inputs, *kernel = weight.shape
        convolution = Convolution(inputs, outputs, (kernel[0], kernel[1]), stride, padding)
        convolution.parts = moved(parts, depth > 0)
        _load(convolution, weight, torch.cat([bias for _, bias in each]))
        found.append(convolution)
    return found


def _side_by_side(products: Sequence[Product], apart: bool) -> Product:
    """Return one product for several, of the same features, or (``apart``) each of its own part of them."""
    weights = [product.weight.detach() for product in products]
    biases = torch.cat([product.bias.detach() for product in products])
    parts = moved([part for product in products for part in product.parts], apart)
    return _product(_blocks(weights) if apart else torch.cat(weights), biases, parts)


def _blocks(weights: Sequence[Tensor]) -> Tensor:
    """Return weights (output, input, …) as blocks on the diagonal of one, with zeros elsewhere."""
    outputs, inputs = sum(len(weight) for weight in weights), sum(weight.shape[1] for weight in weights)
    whole = weights[0].new_zeros(outputs, inputs, *weights[0].shape[2:])
    row = column = 0
    for weight in weights:
        whole[row : row + len(weight), column : column + weight.shape[1]] = weight
        row, column = row + len(weight), column + weight.shape[1]
    return whole


def _weights(module: str, tensors: Mapping[str, np.ndarray]) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a module; zeros for a module without bias."""
    weight = _tensor(tensors[f"{module}.weight"])
    bias = tensors.get(f"{module}.bias")
    return weight, weight.new_zeros(len(weight)) if bias is None else _tensor(bias)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


def _product(weight: Tensor, bias: Tensor, parts: Sequence[Part]) -> Product:
    product = Product(weight.shape[1], len(weight))
    product.parts = tuple(parts)
    _load(product, weight, bias)
    return product


def _load(module: nn.Module, weight: Tensor, bias: Tensor) -> None:
    module.load_state_dict({"weight": weight, "bias": bias})
