"""What networks of convolutions and dense layers have in common: arguments, and how checkpoints describe layers.

A network is described by ``Architecture``, in light Python, because the check of a config imports its registry member.
``searchlight.agents.networks._layers`` builds it with torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from annotated_types import MinLen
from pydantic import Field

from searchlight.agents.networks._files import GATES, MEMORY, Shaped
from searchlight.config.allowed import Allowed
from searchlight.config.arguments import Int, PositiveFloat, PositiveInt, Table

# Strides of the "Nature" network's convolutions (Mnih et al. 2015), by their kernels' sides.
USUAL_STRIDES = {8: 4, 4: 2, 3: 1}

Activation = Literal["relu", "tanh", "elu", "gelu", "leakyrelu", "sigmoid", "silu"]
Strides = Annotated[
    Annotated[tuple[PositiveInt, ...], MinLen(1)] | None,
    Allowed("a list of whole numbers greater than 0, one for each convolution"),
]
Paddings = Annotated[
    Annotated[tuple[Annotated[Int, Field(ge=0)], ...], MinLen(1)] | None,
    Allowed("a list of whole numbers from 0 on, one for each convolution"),
]


class Convolutional(Table):
    """What no tensor tells of convolutions and dense layers."""

    strides: Strides = Field(
        None,
        description="Stride of each convolution, in order. Without it: 4 for a kernel of 8x8, 2 for 4x4, 1 for 3x3.",
        examples=[[4, 2, 1]],
    )
    paddings: Paddings = Field(None, description="Padding of each convolution by zeros, in order. Without it: 0.")
    activation: Activation = Field(
        "relu", description="Activation after each convolution, and after the dense layers that follow them."
    )
    mlp_activation: Activation | None = Field(
        None,
        description="Activation of further layers before the heads, which stable-baselines3 calls `net_arch`; needed "
        "where there are any and the file does not say it.",
    )
    scale: PositiveFloat = Field(
        1,
        description="What the brightest pixel is to the network: 1, or 255 for one that was trained on pixels of 0 to "
        "255 (`normalize_images=False`).",
    )


# stable-baselines3's own activation of ``net_arch``, where a file names none.
_MLP_ACTIVATION = {"actor_critic": "tanh", "recurrent": "tanh", "dqn": "relu", "qrdqn": "relu"}


def told(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that a file's own facts tell."""
    arguments: dict[str, Any] = {}
    usual = _MLP_ACTIVATION.get(facts.get("algorithm", "")) if facts.get("library") == "stable-baselines3" else None
    if (activation := facts.get("activation", usual)) in get_args(Activation):
        arguments["mlp_activation"] = activation
    if facts.get("normalize_images") is False:
        arguments["scale"] = 255.0
    return arguments


def asked(facts: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the arguments that the config must say, because nothing tells them: the reason, and an example."""
    extractor = facts.get("extractor", "NatureCNN")
    return {} if extractor == "NatureCNN" else {"activation": (f"the extractor {extractor} is the user's own", "relu")}


@dataclass(frozen=True)
class Layer:
    """A dense layer with its activation, or a layer of a recurrent module.

    Attributes:
        module: name of its module in the checkpoint.
        kind: ``dense``, ``lstm`` or ``gru``.
        activation: of a dense layer; None for none.
        depth: number of a recurrent layer within its module.
        memory: for each part of a recurrent layer's memory, such as ``h``, its name in the network's memory.
    """

    module: str
    kind: str = "dense"
    activation: str | None = None
    depth: int = 0
    memory: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Architecture:
    """Layers of a network, by the names of their modules in a checkpoint.

    Attributes:
        trunks: convolutions of the network, or of the actor and of the critic where each has its own.
        strides, paddings: of each convolution.
        activation: after each convolution.
        scale: factor of the observation.
        shared: layers after the convolutions that actor and critic share; none if each has its own convolutions.
        actor, critic: the layers of each, its head last; a network without critic has none.
        actor_outputs: number of values that the actor's head gives.
        guessed: whether the strides are guessed from the kernels.
    """

    trunks: tuple[tuple[str, ...], ...]
    strides: tuple[int, ...]
    paddings: tuple[int, ...]
    activation: str
    scale: float
    shared: tuple[Layer, ...]
    actor: tuple[Layer, ...]
    critic: tuple[Layer, ...]
    actor_outputs: int
    guessed: bool


def hidden(modules: Sequence[str], activation: str | None) -> tuple[Layer, ...]:
    """Return dense layers, each followed by an activation."""
    return tuple(Layer(module, activation=activation) for module in modules)


def mlp(shaped: Shaped, network: str, modules: Sequence[str], arguments: Convolutional) -> tuple[Layer, ...]:
    """Return the further layers before a head, each with its activation.

    Raises:
        SearchlightError: nobody says the activation.
    """
    if modules and arguments.mlp_activation is None:
        raise shaped.ask(f"{modules[0]} is followed by an activation", f"{network}.mlp_activation", "tanh")
    return hidden(modules, arguments.mlp_activation)


def recurrent(shaped: Shaped, module: str, kind: str, inputs: int, owner: str = "") -> tuple[tuple[Layer, ...], int]:
    """Return the layers of a recurrent module, and the size of what the last one gives.

    Memory is named ``h`` and ``c``, after its owner if it has one: ``critic_h``. Deeper layers add their number.
    """
    count, size = shaped.recurrent(module, GATES[kind], inputs)
    layers = []
    for depth in range(count):
        ending = f"_{depth + 1}" if depth else ""
        memory = {part: f"{owner}{part}{ending}" for part in MEMORY[kind]}
        layers.append(Layer(module, kind, depth=depth, memory=memory))
    return tuple(layers), size


def strides_of(
    shaped: Shaped, network: str, convolutions: Sequence[str], arguments: Convolutional
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the stride and the padding of each convolution.

    Raises:
        SearchlightError: a kernel is unusual and the config gives no strides, or gives another number of them.
    """
    count = len(convolutions)
    for key, given in (("strides", arguments.strides), ("paddings", arguments.paddings)):
        if given is not None and len(given) != count:
            raise shaped.refuse(
                f"found {len(given)} {key} in network: {{{network}: {{{key}: …}}}} for {count} convolutions: "
                + ", ".join(convolutions)
            )
    strides = arguments.strides
    if strides is None:
        kernels = [tuple(shaped.of(f"{module}.weight")[2:]) for module in convolutions]
        guesses = [USUAL_STRIDES.get(height) if height == width else None for height, width in kernels]
        if None in guesses:
            height, width = kernels[unknown := guesses.index(None)]
            example = [guess or 1 for guess in guesses]
            what = f"the convolution {convolutions[unknown]} of {height}x{width} has a stride"
            raise shaped.ask(what, f"{network}.strides", str(example))
        strides = tuple(guess for guess in guesses if guess is not None)
    return strides, arguments.paddings or (0,) * count
