"""Networks whose layers are random, from the heads down to the first layer (Adebayo et al. 2018, arXiv 1810.03292).

The layers' order follows from torch's graph of the network's answer: a module lies as deep as the longest way from its
parameters to an output has modules. So no network must say its layers. Modules of one depth, such as the heads of actor
and critic, form one stage.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from searchlight.agents.policy import Policy, channels_first
from searchlight.errors import SearchlightError, one_line

# Words for kinds of modules; others have their class's name.
_WORDS = {"Conv2d": "convolution", "Linear": "dense", "LSTMCell": "lstm", "GRUCell": "gru"}


class Stage(NamedTuple):
    """A step of the cascade.

    Attributes:
        name: of the layers that become random in it.
        policy: a copy of the network in which they, and all above them, are random.
    """

    name: str
    policy: Policy


def cascade(policy: Policy, observation: np.ndarray, memory: Mapping[str, Tensor], seed: int) -> Iterator[Stage]:
    """Yield copies of a network with ever more random layers, from the heads to the first layer.

    A module's parameters are drawn by its own ``reset_parameters``. Parameters of a module without one are drawn from a
    normal distribution with their own mean and standard deviation. The same seed gives the same networks.

    Args:
        policy: the network, on the CPU.
        observation: (height, width, channel) float32, any that it takes.
        memory: arrays of (1, size) for it.
        seed: of the parameters.

    Raises:
        SearchlightError: the network cannot be copied, or has no parameters.
    """
    try:
        drawn: Any = copy.deepcopy(policy)
    except Exception as error:  # a user's own module may raise anything
        raise SearchlightError(f"found a network that cannot be copied: {one_line(error)}") from error
    stages = layers(drawn, observation, memory) if isinstance(drawn, nn.Module) else []
    if not stages:
        raise SearchlightError("found a network without parameters of torch modules, allowed: one that has them")
    for number, (name, modules) in enumerate(named(stages)):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed + number)
            for module in modules:
                _redraw(module)
        # What a policy has prepared from its weights must not outlive them, so each stage is a copy.
        yield Stage(name, copy.deepcopy(drawn))


def layers(policy: nn.Module, observation: np.ndarray, memory: Mapping[str, Tensor]) -> list[list[nn.Module]]:
    """Return the modules that have parameters of their own, in groups of one depth, from the heads down.

    Where torch does not follow the outputs back to the parameters, each module is a group, the last registered first.
    """
    owners = [module for module in policy.modules() if any(True for _ in module.parameters(recurse=False))]
    depths = _depths(policy, observation, memory)
    of_module = [max(depths.get(id(one), -1) for one in module.parameters(recurse=False)) for module in owners]
    if not any(depth >= 0 for depth in of_module):
        return [[module] for module in reversed(owners)]
    # Modules that no output depends on change nothing, whenever they become random.
    return [
        [module for module, depth in zip(owners, of_module, strict=True) if depth == one]
        for one in sorted({depth for depth in of_module if depth >= 0})
    ]


def _depths(policy: Any, observation: np.ndarray, memory: Mapping[str, Tensor]) -> dict[int, int]:
    """Return for each parameter, by its id, how many products lie between it and an output on the longest way."""
    for parameter in policy.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    try:
        seen = channels_first(observation[None]).clone().requires_grad_()
        with torch.enable_grad():
            outputs, value, _ = policy.step(seen, memory)
        roots = [one.grad_fn for one in (outputs, value) if one.grad_fn is not None]
        return _longest_ways(roots, seen)
    finally:
        policy.requires_grad_(False)


def _longest_ways(roots: list[Any], seen: Tensor) -> dict[int, int]:
    """Return for each leaf of a graph, by its id, on how many nodes of the longest way data meet parameters."""
    order: list[Any] = []
    known: set[Any] = set()
    waiting = [(root, False) for root in roots]
    while waiting:  # depth first, without recursion, because graphs are deep
        node, done = waiting.pop()
        if done:
            order.append(node)
        elif node not in known:
            known.add(node)
            waiting.append((node, True))
            waiting += [(child, False) for child, _ in node.next_functions if child is not None]
    has_data: dict[Any, bool] = {}
    for node in order:
        leaf = getattr(node, "variable", None)
        children = [child for child, _ in node.next_functions if child is not None]
        has_data[node] = leaf is seen or any(has_data[child] for child in children)
    depth: dict[Any, int] = dict.fromkeys(order, 0)
    found: dict[int, int] = {}
    for node in reversed(order):  # from the outputs down
        children = [child for child, _ in node.next_functions if child is not None]
        meets = len({has_data[child] for child in children}) == 2
        for child in children:
            # A product's own parameters are one product less deep than what it is given.
            depth[child] = max(depth[child], depth[node] + (meets and has_data[child]))
        if (leaf := getattr(node, "variable", None)) is not None and leaf is not seen:
            found[id(leaf)] = max(found.get(id(leaf), 0), depth[node])
    return found


def named(stages: list[list[nn.Module]]) -> list[tuple[str, list[nn.Module]]]:
    """Return the stages with names in words: the heads, then each kind, numbered from the first layer."""
    kinds = [
        " and ".join(dict.fromkeys(_WORDS.get(type(module).__name__, type(module).__name__) for module in modules))
        for modules in stages
    ]
    names = ["heads"]
    for number, kind in enumerate(kinds[1:], start=1):
        below = sum(other == kind for other in kinds[number:])
        names.append(f"{kind} {below}" if kinds[1:].count(kind) > 1 else kind)
    return list(zip(names, stages, strict=True))


def _redraw(module: nn.Module) -> None:
    """Draw a module's own parameters anew."""
    reset = getattr(module, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    for parameter in module.parameters(recurse=False):
        spread = float(parameter.std()) if parameter.numel() > 1 else abs(float(parameter.mean()))
        parameter.normal_(float(parameter.mean()), spread or 1.0)
