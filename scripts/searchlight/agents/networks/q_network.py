"""Q-networks: the "Nature" network (Mnih et al. 2015) with a value for each action, plain, dueling or distributional.

Checkpoints of stable-baselines3 (DQN), sb3-contrib (QR-DQN), CleanRL (``dqn_atari``, ``c51_atari``), and others that
name their layers plainly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from searchlight.agents.networks import _convolutional
from searchlight.agents.networks._convolutional import Architecture, Convolutional, Layer
from searchlight.agents.networks._files import TRUNK, Shaped, Shapes, convolutions_of, dense_of, parts, without_noise
from searchlight.config.arguments import PositiveInt

if TYPE_CHECKING:
    import numpy as np

    from searchlight.agents.networks._q_values import QNetwork

Q_NETWORK = True
TENSORS = (
    "q_network: convolutions and dense layers (q_net.features_extractor.cnn.0, network.0 or conv.0, …), the last one "
    "for the values of the actions, or two heads, A and V"
)
_TARGET = r"(?:q_net_target|quantile_net_target|target|target_net|target_network)\..*"
_PARTS = {
    "target": _TARGET,
    "head": r"(?:q_net\.)?q_net\.\d+|(?:quantile_net\.)?quantile_net\.\d+|q_head|q_func|head",
    "advantage": r"(?:A|adv|advantage|advantage_head|advantage_stream|fc_adv)(?:\.\d+)?",
    "value": r"(?:V|val|value|value_head|value_stream|fc_val|fc_value)(?:\.\d+)?",
    "trunk": rf"(?:q_net\.|quantile_net\.)?(?:{TRUNK})",
}
# Values that a categorical network's probabilities belong to (Bellemare et al. 2017).
ATOMS = ("atoms", "support")


class Arguments(Convolutional):
    """Convolutions without pooling and dense layers that give the Q-value of each action; its value is the largest one.

    DQN of stable-baselines3, CleanRL and others; QR-DQN of sb3-contrib; C51 of CleanRL (both give the expected Q);
    dueling networks, whose value is that of their own value head. Q-values are no logits: `actions: sampled` and
    probabilities are refused.
    """

    quantiles: PositiveInt | None = Field(
        None,
        description="Number of quantiles of QR-DQN (`n_quantiles`); needed where the file does not say it. The rows go "
        "through all actions for the first quantile, then for the next, as in sb3-contrib.",
    )


@dataclass(frozen=True)
class Values:
    """How Q-values are made of what the heads give.

    Attributes:
        actions: number of actions.
        each: number of quantiles of an action, whose mean counts, or of its atoms, which have probabilities.
        atoms: name of the tensor of atoms; None for quantiles.
    """

    actions: int
    each: int = 1
    atoms: str | None = None


def fits(shapes: Shapes) -> bool:
    """Return whether tensors with these names and shapes look like this network's."""
    plain = {name.replace("weight_mu", "weight"): shape for name, shape in shapes.items()}
    found, others = parts((name for name in plain if name not in ATOMS), _PARTS)
    matrices = dense_of(found["trunk"], plain) or found["head"] or found["advantage"]
    return bool(convolutions_of(found["trunk"], plain) and matrices and not others)


asked = _convolutional.asked


def told(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that a file's own facts tell."""
    quantiles = {"quantiles": facts["quantiles"]} if "quantiles" in facts else {}
    return {**_convolutional.told(facts), **quantiles}


def read_architecture(shapes: Shapes, arguments: Arguments, source: str) -> tuple[Architecture, Values]:
    """Return the architecture of a network, and how its Q-values are made.

    Raises:
        SearchlightError: a tensor does not fit, or the config must say what no tensor tells.
    """
    shaped = Shaped({name: shape for name, shape in shapes.items() if name not in ATOMS}, source, TENSORS)
    found, _ = parts(shaped.shapes, _PARTS)
    trunk = found["trunk"]
    shaped.sequence(trunk)
    convolutions, dense = convolutions_of(trunk, shapes), dense_of(trunk, shapes)
    dueling = bool(found["advantage"])
    if bool(found["value"]) != dueling:
        raise shaped.refuse("found one of the heads A and V of a dueling network without the other")
    # The head is the last of the plain layers, where it has no name of its own.
    head = found["advantage"] or found["head"] or [dense.pop()]
    features = shaped.features(f"{(dense or head)[0]}.weight", shaped.convolutions(convolutions))
    width = shaped.dense(dense, features)
    outputs = shaped.dense(head, width)
    # Layers of a named head are an mlp of its own; those of a plain dueling stream go on like the layers before it.
    if found["head"]:
        actor = _convolutional.mlp(shaped, "q_network", head[:-1], arguments)
    else:
        actor = _convolutional.hidden(head[:-1], arguments.activation)
    critic: tuple[Layer, ...] = ()
    if dueling:
        critic = (*_convolutional.hidden(found["value"][:-1], arguments.activation), Layer(found["value"][-1]))
    values = _values(shaped, shapes, head[-1], outputs, arguments)
    if dueling:
        each = shaped.dense(found["value"], width)
        if each != values.each:
            raise shaped.refuse(f"found {found['value'][-1]} of {each} values in place of {values.each}")
    strides, paddings = _convolutional.strides_of(shaped, "q_network", convolutions, arguments)
    shaped.all_used()
    architecture = Architecture(
        trunks=(tuple(convolutions),),
        strides=strides,
        paddings=paddings,
        activation=arguments.activation,
        scale=arguments.scale,
        shared=_convolutional.hidden(dense, arguments.activation),
        actor=(*actor, Layer(head[-1])),
        critic=critic,
        actor_outputs=outputs,
        guessed=arguments.strides is None,
    )
    return architecture, values


def _values(shaped: Shaped, shapes: Shapes, head: str, outputs: int, arguments: Arguments) -> Values:
    """Return how the head's values become Q-values.

    Raises:
        SearchlightError: nobody says the number of quantiles, or the outputs are no multiple of it.
    """
    atoms = next((name for name in ATOMS if name in shapes), None)
    if atoms is not None:
        each, kind = shapes[atoms][0] if len(shapes[atoms]) == 1 else 0, "atoms"
    elif "quantile_net" in head and arguments.quantiles is None:
        raise shaped.ask(f"{head} gives some quantiles of each action", "q_network.quantiles", "200")
    else:
        each, kind = arguments.quantiles or 1, "quantiles"
    if not each or outputs % each:
        raise shaped.refuse(f"found {head} of {outputs} values, which {each} {kind} do not divide")
    return Values(outputs // each, each, atoms)


def build(tensors: Mapping[str, np.ndarray], arguments: Arguments, source: str) -> QNetwork:
    """Return a network with the weights of a checkpoint, ready to be evaluated.

    Raises:
        SearchlightError: a tensor does not fit, or the config must say what no tensor tells.
    """
    from searchlight.agents.networks._q_values import QNetwork

    plain = without_noise(tensors)
    targets = {f"{module}." for module in parts(plain, {"target": _TARGET})[0]["target"]}
    own = {name: array for name, array in plain.items() if not name.startswith(tuple(targets))}
    shapes = {name: array.shape for name, array in own.items()}
    return QNetwork(*read_architecture(shapes, arguments, source), own).eval().requires_grad_(False)
