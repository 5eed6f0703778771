"""The "Nature" network (Mnih et al. 2015) with an actor and a critic, with or without recurrent memory.

Checkpoints of stable-baselines3 and sb3-contrib (PPO, A2C, RecurrentPPO), of CleanRL (``ppo_atari``,
``ppo_atari_lstm``), of ikostrikov's PyTorch agents, and others that name their layers plainly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from searchlight.agents.networks import _convolutional
from searchlight.agents.networks._convolutional import Architecture, Convolutional, Layer
from searchlight.agents.networks._files import TRUNK, Shaped, Shapes, convolutions_of, dense_of, parts, without_noise
from searchlight.errors import printable
from searchlight.lazy import numpy as np

if TYPE_CHECKING:
    from searchlight.agents.networks._layers import ActorCritic

TENSORS = (
    "nature: convolutions and dense layers (features_extractor.cnn.0 or network.0, …), lstm where there is one, and "
    "two heads (action_net and value_net, or actor and critic)"
)
_ACTOR, _CRITIC = "pi_features_extractor.", "vf_features_extractor."
_PARTS = {
    "critic_trunk": rf"vf_(?:{TRUNK})",
    "shared_mlp": r"mlp_extractor\.shared_net\.\d+",
    "actor_mlp": r"mlp_extractor\.policy_net\.\d+",
    "critic_mlp": r"mlp_extractor\.value_net\.\d+",
    "memory": r"lstm_actor|(?:base\.)?(?:lstm|gru)",
    "critic_memory": r"lstm_critic",
    "actor": r"action_net|actor|actor_linear|actor_head|policy|policy_head|pi|logits|fc_logits|dist\.linear",
    "critic": r"value_net|(?:base\.)?critic_linear|critic|critic_head|value|value_head|vf",
    "trunk": TRUNK,
}
# Before ``value_net``, RecurrentPPO has a linear ``critic`` of its own if only the actor has memory.
_LINEAR_CRITIC = ["critic", "value_net"]


class Arguments(Convolutional):
    """Convolutions without pooling, dense layers, an LSTM or GRU if there is one, and heads for actor and critic.

    PPO, A2C and RecurrentPPO of stable-baselines3 and sb3-contrib, with `net_arch`, with separate extractors and with
    each of RecurrentPPO's three critics; CleanRL's `ppo_atari` and `ppo_atari_lstm`; plain names such as `conv.0`,
    `fc`, `actor`, `critic`.
    """


def fits(shapes: Shapes) -> bool:
    """Return whether tensors with these names and shapes look like this network's."""
    found, _ = parts((name.removeprefix("pi_") for name in shapes), _PARTS)
    plain = {name.removeprefix("pi_"): shape for name, shape in shapes.items()}
    memory = any(f"{module}.weight_ih_l0" in plain for module in found["memory"])
    between = bool(dense_of(found["trunk"], plain)) or memory
    return bool(convolutions_of(found["trunk"], plain) and between and found["actor"] and found["critic"])


told, asked = _convolutional.told, _convolutional.asked


def read_architecture(tensors: Mapping[str, np.ndarray], arguments: Arguments, source: str) -> Architecture:
    """Return the architecture of a network; ``tensors`` are those of ``own_tensors``.

    Raises:
        SearchlightError: a tensor does not fit, or the config must say what no tensor tells.
    """
    shapes = {name: array.shape for name, array in tensors.items()}
    shaped = Shaped(shapes, source, TENSORS)
    found, _ = parts(shapes, _PARTS)
    trunks = [found["trunk"], found["critic_trunk"]] if found["critic_trunk"] else [found["trunk"]]
    ways, features = [], 0
    for trunk in trunks:
        shaped.sequence(trunk)
        convolutions, dense = convolutions_of(trunk, shapes), dense_of(trunk, shapes)
        if not dense and not found["memory"]:
            raise shaped.refuse(f"found no layer after {printable(trunk[-1])}")
        first = f"{dense[0]}.weight" if dense else f"{found['memory'][0]}.weight_ih_l0"
        features = shaped.features(first, shaped.convolutions(convolutions))
        size = shaped.dense(dense, features)
        ways.append((tuple(convolutions), _convolutional.hidden(dense, arguments.activation), size))
    strides, paddings = _convolutional.strides_of(shaped, "nature", ways[0][0], arguments)
    shared: tuple[Layer, ...] = ()
    (_, actor, width), (_, critic, critic_width) = ways[0], ways[-1]
    if len(ways) == 1:
        shared, actor, critic = actor, (), ()
    elif [shapes[f"{one}.weight"] for one in ways[0][0]] != [shapes[f"{one}.weight"] for one in ways[1][0]]:
        raise shaped.refuse("found convolutions of the actor and of the critic with different shapes")
    memory = found["memory"][0] if found["memory"] else None
    own_critic = found["critic_memory"] or found["critic"] == _LINEAR_CRITIC
    if memory is not None:
        kind = "gru" if memory.endswith("gru") else "lstm"
        layers, width = _convolutional.recurrent(shaped, memory, kind, width)
        if own_critic or len(ways) > 1:
            actor += layers
        else:
            shared += layers
            critic_width = width
    if found["critic_memory"]:
        layers, critic_width = _convolutional.recurrent(
            shaped, found["critic_memory"][0], "lstm", critic_width, "critic_"
        )
        critic += layers
    elif found["critic"] == _LINEAR_CRITIC:
        critic_width = shaped.dense(_LINEAR_CRITIC[:1], critic_width)
        critic += (Layer(_LINEAR_CRITIC[0]),)
    if found["shared_mlp"]:
        shared += _convolutional.mlp(shaped, "nature", found["shared_mlp"], arguments)
        width = critic_width = shaped.dense(found["shared_mlp"], width)
    actor += (*_convolutional.mlp(shaped, "nature", found["actor_mlp"], arguments), Layer(found["actor"][0]))
    critic += (*_convolutional.mlp(shaped, "nature", found["critic_mlp"], arguments), Layer(found["critic"][-1]))
    actions = shaped.dense([*found["actor_mlp"], found["actor"][0]], width)
    shaped.dense([*found["critic_mlp"], found["critic"][-1]], critic_width)
    shaped.check(f"{found['critic'][-1]}.weight", (1, shapes[f"{found['critic'][-1]}.weight"][-1]))
    shaped.all_used()
    return Architecture(
        trunks=tuple(convolutions for convolutions, _, _ in ways),
        strides=strides,
        paddings=paddings,
        activation=arguments.activation,
        scale=arguments.scale,
        shared=shared,
        actor=actor,
        critic=critic,
        actor_outputs=actions,
        guessed=arguments.strides is None,
    )


def own_tensors(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return tensors without stable-baselines3's other names of the same weights.

    The actor's ``pi_features_extractor`` is called ``features_extractor`` too. The critic's ``vf_features_extractor``
    is the same again, unless ``share_features_extractor`` was False.
    """
    tensors = without_noise(tensors)
    actor = {name.removeprefix("pi_"): array for name, array in tensors.items() if name.startswith(_ACTOR)}
    critic = {name: array for name, array in tensors.items() if name.startswith(_CRITIC)}
    own = {name: array for name, array in tensors.items() if not name.startswith((_ACTOR, _CRITIC))} | actor
    same = all(np.array_equal(own.get(name.removeprefix("vf_"), ()), array) for name, array in critic.items())
    return own if same else own | critic


def build(tensors: Mapping[str, np.ndarray], arguments: Arguments, source: str) -> ActorCritic:
    """Return a network with the weights of a checkpoint, ready to be evaluated.

    Raises:
        SearchlightError: a tensor does not fit, or the config must say what no tensor tells.
    """
    from searchlight.agents.networks._layers import ActorCritic

    own = own_tensors(tensors)
    return ActorCritic(read_architecture(own, arguments, source), own).eval().requires_grad_(False)
