"""Networks: the policies whose checkpoints can be read. A registry (``searchlight.registry``).

A member has:

- ``TENSORS``, the tensors of its checkpoints, in words;
- ``Arguments``, a pydantic model of what tensors do not tell; its docstring describes the member;
- ``fits(shapes)``, whether names and shapes of tensors look like its own;
- ``build(tensors, arguments, source)``, which returns a ``searchlight.agents.policy.Policy``, or raises a
  ``SearchlightError`` that names the tensor that does not fit.

A member may have

- ``told(facts)``: the arguments that a checkpoint file tells beside its tensors;
- ``asked(facts)``: those that the config must say then, each with the reason and an example;
- ``Q_NETWORK``: whether it gives Q-values in place of logits.

Members import torch inside functions, because the check of a config imports the members that it names with arguments.

A config may also name a class of a user's own file (``searchlight.agents.networks._own``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchlight import registry
from searchlight.errors import SearchlightError, one_line, printable

if TYPE_CHECKING:
    import numpy as np

    from searchlight.agents.policy import Policy

FOLDER = "agents/networks"
OWN = "a class of your own, network: {module: FILE, class: NAME} (docs/own_network.md)"
# Largest number of values of an observation that a file names: a large screen in colour has a tenth of it.
MAX_VALUES = 10**6
# A member's name, {name: {argument: value}}, or {module: path, class: name, arguments: {argument: value}}.
Spec = str | dict[str, Any]


def check(spec: Any) -> Spec:
    """Return a network of the config in its full form, with only the arguments that it gives.

    Raises:
        SearchlightError: the network does not exist, its arguments are wrong, or its file does not exist.
    """
    if module_of(spec) is not None:
        from searchlight.agents.networks import _own

        return _own.check(spec)
    name, given = registry.name_and_value(spec)
    name = registry.name_of(FOLDER, name)
    if given == {}:
        return name
    return {name: registry.choose(FOLDER, {name: given}).arguments.model_dump(mode="json", exclude_unset=True)}


def module_of(spec: Any) -> Path | None:
    """Return the path of a user's own file that a network of the config names, or None for a registry's member."""
    if isinstance(spec, Mapping) and spec.get("module") is not None:
        return Path(str(spec["module"])).expanduser()
    return None


def is_q_network(spec: Spec) -> bool:
    """Return whether a network of the config is a member that gives Q-values; False for a user's own file."""
    return module_of(spec) is None and getattr(
        registry.load(FOLDER, registry.name_and_value(spec)[0]), "Q_NETWORK", False
    )


def files_of(spec: Spec | None) -> list[str | Path] | None:
    """Return the member or the user's file that a network of the config needs; None for any member.

    Without a network in the config, all members count, because only the fetched checkpoint tells its network.
    """
    if spec is None:
        return None
    module = module_of(spec)
    return [registry.name_and_value(spec)[0] if module is None else module]


def find(
    shapes: Mapping[str, tuple[int, ...]], facts: Mapping[str, Any], source: str, named: Spec | None = None
) -> Spec:
    """Return the network that has tensors with these names and shapes, with all of its arguments.

    Args:
        shapes: shapes of the tensors, by name.
        facts: what the file tells beside its tensors (``searchlight.agents.weights``); the config's arguments win.
        source: name of the checkpoint in errors.
        named: the only allowed network, as in the config; None for any.

    Returns:
        The name of a network without arguments; otherwise a table, as in a config.

    Raises:
        SearchlightError: the tensors fit no network, or do not fit the named one.
    """
    if named is not None and module_of(named) is not None:
        return named
    only, given = (None, {}) if named is None else registry.name_and_arguments(named)
    names = registry.names(FOLDER) if only is None else [registry.name_of(FOLDER, only)]
    members = {name: registry.load(FOLDER, name) for name in names}
    name = next((name for name, member in members.items() if member.fits(shapes)), None)
    if name is None:
        what = "a known network" if only is None else f"the network '{only}'"
        others = [other for other in registry.names(FOLDER) if registry.load(FOLDER, other).fits(shapes)]
        if others:
            raise SearchlightError(f"{source}: not {what}, allowed: network: {' or '.join(others)}, or no `network`")
        allowed = "; or ".join(member.TENSORS for member in members.values())
        raise SearchlightError(f"{source}: not {what}: found the tensors {some(shapes)}; allowed: {allowed}; or {OWN}")
    told = members[name].told(facts) if hasattr(members[name], "told") else {}
    asked = members[name].asked(facts) if hasattr(members[name], "asked") else {}
    for argument, (why, example) in asked.items():
        if argument not in given:
            raise SearchlightError(
                f"{source}: {why}, and nothing tells its {argument}; add to the agent, with what is right for it:  "
                f"network: {{{name}: {{{argument}: {example}}}}}"
            )
    try:
        spec = registry.choose(FOLDER, {name: {**told, **given}}).spec
    except SearchlightError as error:
        raise SearchlightError(f"{source}: {error}, in what the file or the config says of its network") from error
    return spec if spec[name] else name


def fits(shapes: Mapping[str, tuple[int, ...]], named: Spec | None = None) -> bool:
    """Return whether tensors with these names and shapes look like a known network's, or like the named one's."""
    if named is not None and module_of(named) is not None:
        return True
    names = registry.names(FOLDER) if named is None else [registry.name_and_value(named)[0]]
    return any(registry.load(FOLDER, name).fits(shapes) for name in names)


def refuse_policy_alone(found: Spec, source: str, prefix: str) -> None:
    """Refuse a network without a critic whose tensors are called a policy's: its outputs may be no Q-values.

    Raises:
        SearchlightError: it would be taken for a Q-network. The line says how to name it.
    """
    if is_q_network(found):
        name = registry.name_and_value(found)[0]
        raise SearchlightError(
            f"{source}: found one network under '{prefix}', which may give logits or Q-values; if these are Q-values, "
            f"add to the agent:  network: {name}; otherwise {OWN}"
        )


def build(spec: Spec, tensors: Mapping[str, np.ndarray], source: str) -> Policy:
    """Return a policy with weights, ready to be evaluated.

    Args:
        spec: network, as in the config or as ``find`` returns it.
        tensors: float32 weights by name.
        source: name of the checkpoint in errors.

    Raises:
        SearchlightError: the network does not exist, or the tensors do not fit it.
    """
    if module_of(spec) is not None:
        from searchlight.agents.networks import _own

        return _own.build(_own.check(spec), tensors, source)
    chosen = registry.choose(FOLDER, spec)
    return chosen.module.build(tensors, chosen.arguments, source)


def check_takes(policy: Policy, shape: Sequence[int], source: str) -> None:
    """Check that a network takes observations of the shape (channel, height, width) that its file names.

    Raises:
        SearchlightError: it does not, so that something else than the tensors, such as strides, was guessed wrongly.
    """
    if math.prod(shape) > MAX_VALUES:
        found = f"found observations of shape {list(shape)}"
        raise SearchlightError(f"{source}: {found}, allowed: up to {MAX_VALUES} values")
    if (error := refusal(policy, shape)) is not None:
        raise SearchlightError(
            f"{source}: its network does not take the observations of shape {list(shape)} that the file names "
            f"({one_line(error)})"
        ) from error


def refusal(policy: Policy, shape: Sequence[int]) -> Exception | None:
    """Return the error that a network raises for observations (channel, height, width), or None if it takes them."""
    import torch

    try:
        with torch.inference_mode():
            policy.step(torch.zeros(1, *shape), policy.initial_memory())
    except Exception as error:  # a user's own network raises anything
        return error
    return None


def some(names: Iterable[str]) -> str:
    """Return the first six names in one text; they come from an untrusted file, so they are escaped."""
    shown = [printable(name) for name in sorted(names)]
    return ", ".join(shown[:6]) + (f" and {len(shown) - 6} more" if len(shown) > 6 else "") if shown else "none"
