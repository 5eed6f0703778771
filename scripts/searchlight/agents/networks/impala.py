"""The residual network of IMPALA (Espeholt et al. 2018), as CleanRL writes it: with Q-values, or an actor and a critic.

Three sequences of a convolution, pooling and two residual blocks, then a dense layer. CleanRL's QDagger and Procgen
agents have it. It is not factored, so it is evaluated by forwards of whole observations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from searchlight.agents.networks._files import Shaped, Shapes, modules
from searchlight.config.arguments import Table

if TYPE_CHECKING:
    import numpy as np

    from searchlight.agents.networks._residual import Residual

TENSORS = "impala: network.0.conv, network.0.res_block0.conv0, …, a dense layer, and network.7 or actor and critic"
# Without the prefix, if it was common to all tensors.
_NAME = re.compile(r"(?:network\.)?(\d+)(?:\.(conv|res_block[01]\.conv[01]))?")
IN_SEQUENCE = ("conv", "res_block0.conv0", "res_block0.conv1", "res_block1.conv0", "res_block1.conv1")


class Arguments(Table):
    """IMPALA's residual network, of CleanRL's `qdagger_dqn_atari_impalacnn` (Q-values) or with heads `actor`, `critic`.

    It takes longer than the other networks, because each mask is a pass through the whole network.
    """


def fits(shapes: Shapes) -> bool:
    """Return whether tensors with these names and shapes look like this network's."""
    return "network.0.res_block0.conv0.weight" in shapes or "0.res_block0.conv0.weight" in shapes


def layers_of(shapes: Shapes, source: str) -> tuple[list[str], list[str], list[str]]:
    """Return the modules of the network: its sequences, its dense layers, and the heads of actor and critic.

    Raises:
        SearchlightError: a tensor does not fit.
    """
    shaped = Shaped(shapes, source, TENSORS)
    names = modules(shapes)
    numbered = {name: found for name in names if (found := _NAME.fullmatch(name))}
    dense = [name for name, found in numbered.items() if found[2] is None]
    sequences = list(
        dict.fromkeys(name.partition(".conv")[0].partition(".res")[0] for name in numbered if name not in dense)
    )
    heads: list[str] = [name for name in ("actor", "critic") if name in names]
    channels = shaped.of(f"{sequences[0]}.conv.weight")[1]
    for sequence in sequences:
        for layer in IN_SEQUENCE:
            outputs = shaped.of(f"{sequence}.{layer}.weight")[0] if layer == "conv" else channels
            shaped.check(f"{sequence}.{layer}.weight", (outputs, channels, 3, 3))
            channels = outputs
            shaped.check(f"{sequence}.{layer}.bias", (outputs,))
    if not dense or len(heads) == 1 or (not heads and len(dense) < 2):
        raise shaped.refuse(f"found the dense layers {', '.join((*dense, *heads)) or 'none'}")
    for layer in (*dense, *heads):
        shaped.of(f"{layer}.bias")
    width = shaped.dense(dense, shaped.features(f"{dense[0]}.weight", channels))
    for head in heads:
        shaped.dense([head], width)
    if heads:
        shaped.check("critic.weight", (1, width))
    shaped.all_used()
    return sequences, dense, heads


def build(tensors: Mapping[str, np.ndarray], arguments: Arguments, source: str) -> Residual:  # noqa: ARG001  none
    """Return a network with the weights of a checkpoint, ready to be evaluated.

    Raises:
        SearchlightError: a tensor does not fit.
    """
    from searchlight.agents.networks._residual import Residual

    shapes = {name: array.shape for name, array in tensors.items()}
    return Residual(*layers_of(shapes, source), tensors).eval().requires_grad_(False)
