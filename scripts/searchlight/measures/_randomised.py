"""Networks whose layers are random, from the heads down to the first layer (Adebayo et al. 2018, arXiv 1810.03292).

The layers' order follows from torch's graph of the network's answer: a module lies as deep as the longest way from its
parameters to an output has modules. So no network must say its layers. Modules of one depth, such as the heads of actor
and critic, form one stage.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from searchlight.agents.networks._parts import Convolution, Product
from searchlight.agents.policy import Policy, channels_first
from searchlight.errors import SearchlightError, one_line

# Words for kinds of modules; others have their class's name.
_WORDS = {
    "Conv2d": "convolution",
    "Linear": "dense",
    "LSTMCell": "lstm",
    "LSTM": "lstm",
    "GRUCell": "gru",
    "GRU": "gru",
}


class Group(NamedTuple):
    """Modules that become random together.

    Attributes:
        name: in words.
        modules: that have parameters of their own.
    """

    name: str
    modules: Sequence[nn.Module]


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
        seed: of the parameters, any number from 0 on.

    Raises:
        SearchlightError: the network cannot be copied or drawn anew, or has no parameters.
    """
    try:
        drawn: Any = copy.deepcopy(policy)
    except Exception as error:  # a user's own module may raise anything
        raise SearchlightError(f"found a network that cannot be copied: {one_line(error)}") from error
    groups = layers(drawn, observation, memory) if isinstance(drawn, nn.Module) else []
    if not groups:
        raise SearchlightError("found a network without parameters of torch modules, allowed: one that has them")
    for number, group in enumerate(groups):
        with _seeded(seed, number):
            for module in group.modules:
                _redraw(module)
        # What a policy has prepared from its weights must not outlive them, so each stage is a copy.
        yield Stage(group.name, copy.deepcopy(drawn))


def layers(policy: nn.Module, observation: np.ndarray, memory: Mapping[str, Tensor]) -> list[Group]:
    """Return the modules that have parameters of their own, in groups of one depth, from the heads down.

    Where torch does not follow the answer back to a module that it depends on, as behind ``detach``, the module is a
    group of its own. Such groups come last, the last registered module first, under their own names. So are all modules
    where it does not follow the answer back to the observation.
    """
    owners = {name: one for name, one in policy.named_modules() if any(True for _ in one.parameters(recurse=False))}
    depths = _depths(policy, observation, memory)
    of_module = {
        name: max(depths.get(id(one), -1) for one in module.parameters(recurse=False))
        for name, module in owners.items()
    }
    followed = [
        [owners[name] for name, depth in of_module.items() if depth == one]
        for one in sorted({depth for depth in of_module.values() if depth >= 0})
    ]
    # A module that no answer depends on is no stage, because it changes nothing.
    others = [
        Group(name.removeprefix("module.") or type(owners[name]).__name__, [owners[name]])
        for name, depth in reversed(of_module.items())
        if depth < 0 and _matters(policy, owners[name], observation, memory)
    ]
    return [*_named(followed), *others]


def _depths(policy: Any, observation: np.ndarray, memory: Mapping[str, Tensor]) -> dict[int, int]:
    """Return for each parameter, by its id, how many products lie between it and an output on the longest way.

    Parameters that torch does not follow the outputs back to are left out.
    """
    for parameter in policy.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    seen = channels_first(observation[None]).clone().requires_grad_()
    # Memory counts as data, so that both products of a recurrent layer have one depth.
    given = {name: array.clone().requires_grad_(array.is_floating_point()) for name, array in memory.items()}
    try:
        with torch.enable_grad():
            outputs, value, _ = policy.step(seen, given)
        roots = [one.grad_fn for one in (outputs, value) if one.grad_fn is not None]
        return _longest_ways(roots, id(seen), {id(one) for one in given.values()})
    except Exception:  # a network that answers without gradients may raise anything with them
        return {}
    finally:
        policy.requires_grad_(False)


def _longest_ways(roots: list[Any], seen: int, memory: set[int]) -> dict[int, int]:
    """Return for each leaf of a graph, by its id, on how many nodes of the longest way data meet parameters.

    Args:
        roots: nodes of the outputs.
        seen: id of the leaf that is the observation. Without it in the graph, nothing tells data from parameters.
        memory: ids of the leaves that are memory.
    """
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
    data = {seen, *memory}
    if not any(id(getattr(node, "variable", None)) == seen for node in order):
        return {}
    has_data: dict[Any, bool] = {}
    for node in order:
        leaf = getattr(node, "variable", None)
        children = [child for child, _ in node.next_functions if child is not None]
        has_data[node] = id(leaf) in data or any(has_data[child] for child in children)
    depth: dict[Any, int] = dict.fromkeys(order, 0)
    found: dict[int, int] = {}
    for node in reversed(order):  # from the outputs down
        children = [child for child, _ in node.next_functions if child is not None]
        meets = len({has_data[child] for child in children}) == 2
        for child in children:
            # A product's own parameters are one product less deep than what it is given.
            depth[child] = max(depth[child], depth[node] + (meets and has_data[child]))
        leaf = getattr(node, "variable", None)
        if leaf is not None and id(leaf) not in data:
            found[id(leaf)] = max(found.get(id(leaf), 0), depth[node])
    return found


def _matters(policy: Any, module: nn.Module, observation: np.ndarray, memory: Mapping[str, Tensor]) -> bool:
    """Return whether the network answers otherwise if a module is random."""

    def answer() -> list[Tensor]:
        with torch.inference_mode():
            outputs, value, after = policy.step(channels_first(observation[None]), dict(memory))
        return [outputs.clone(), value.clone(), *(array.clone() for array in after.values())]

    before, kept = answer(), copy.deepcopy(module.state_dict())
    with _seeded(0, 0):
        _redraw(module)
    after = answer()
    module.load_state_dict(kept)
    return not all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def _named(followed: Sequence[Sequence[nn.Module]]) -> list[Group]:
    """Return groups with names in words: the heads, then each kind, numbered from the first layer."""
    kinds = [" and ".join(dict.fromkeys(kind for module in modules for kind in _kinds(module))) for modules in followed]
    groups = [Group("heads", modules) for modules in followed[:1]]
    for number, kind in enumerate(kinds[1:], start=1):
        below = sum(other == kind for other in kinds[number:])
        name = f"{kind} {below}" if kinds[1:].count(kind) > 1 else kind
        groups.append(Group(name, followed[number]))
    return groups


def _kinds(module: nn.Module) -> list[str]:
    """Return what a module is, in words; a module of several layers side by side is all of them."""
    if isinstance(module, (Convolution, Product)):
        return [part.kind for part in module.parts]
    classes = [kind.__name__ for kind in type(module).__mro__]
    return [next((_WORDS[name] for name in classes if name in _WORDS), classes[0])]


@contextmanager
def _seeded(seed: int, number: int) -> Iterator[None]:
    """Let torch draw by a seed of any size and a stage's number; its own state is kept."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
        yield


def _redraw(module: nn.Module) -> None:
    """Draw a module's own parameters anew.

    Raises:
        SearchlightError: its ``reset_parameters`` raises anything.
    """
    reset = getattr(module, "reset_parameters", None)
    if not callable(reset):
        for parameter in module.parameters(recurse=False):
            if parameter.is_floating_point():
                spread = float(parameter.std()) if parameter.numel() > 1 else abs(float(parameter.mean()))
                parameter.normal_(float(parameter.mean()), spread or 1.0)
        return
    # A user's own may reset the modules within, too, whose turn is another.
    kept = {name: copy.deepcopy(child.state_dict()) for name, child in module.named_children()}
    try:
        reset()
    except Exception as error:
        where = f"{type(module).__name__}.reset_parameters"
        raise SearchlightError(f"{where}: {type(error).__name__}: {one_line(error)}") from error
    for name, state in kept.items():
        module.get_submodule(name).load_state_dict(state)
