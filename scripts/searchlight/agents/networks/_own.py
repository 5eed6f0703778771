"""A network of a user's own: a class of torch in a file that the config names. This runs the user's code.

``network: {module: my_network.py, class: MyNetwork, arguments: {width: 32}}`` makes ``MyNetwork(width=32)`` and loads
the checkpoint's tensors into it by ``load_state_dict``. The class is a ``torch.nn.Module`` with

- ``actions``, the number of actions, in the class or in its objects;
- ``step(observation, memory)``, which returns outputs, value and memory (``searchlight.agents.policy.Policy``);
- ``initial_memory()``, if it has memory;
- ``output``, ``"logits"`` or ``"q_values"``; without it, its outputs are logits.

The path of the file is relative to the folder in which Snakemake runs, or begins with ``~`` or ``/``. The file's digest
is in the lineage of all that the network computes; files that it imports itself are not.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from searchlight.agents.networks import some
from searchlight.agents.prefixes import candidates
from searchlight.config.allowed import Allowed
from searchlight.config.arguments import Table
from searchlight.config.messages import lines
from searchlight.errors import SearchlightError, one_line

if TYPE_CHECKING:
    import numpy as np

    from searchlight.agents.networks._user_policy import UserPolicy


class Own(Table):
    """A class of the user's own file, and the arguments of its constructor."""

    module: Annotated[str, StringConstraints(min_length=1), Allowed("a path of a Python file")]
    name: Annotated[str, Field(alias="class"), Allowed("the name of a class in the file")]
    arguments: dict[str, Any] = Field({})


_KEYS = ("module", "class", "arguments")


def check(spec: Any) -> dict[str, Any]:
    """Return the full form of a user's network, ``{module: …, class: …, arguments: {…}}``.

    Raises:
        SearchlightError: a key is missing or unknown, or there is no such file of Python.
    """
    given = {key: value for key, value in spec.items() if value is not None}
    if unknown := sorted(set(map(str, given)) - set(_KEYS)):
        raise SearchlightError(f"{unknown[0]}: unknown key, allowed: {', '.join(_KEYS)}")
    try:
        own = Own.model_validate(given)
    except ValidationError as error:
        raise SearchlightError(lines(error, Own)[0]) from error
    try:
        ast.parse(Path(own.module).expanduser().read_bytes())
    except OSError as error:
        raise SearchlightError(f"module: found '{own.module}', allowed: a Python file that exists") from error
    except (SyntaxError, ValueError) as error:
        raise SearchlightError(f"module: {own.module}: cannot be read as Python: {one_line(error)}") from error
    return own.model_dump(mode="json", by_alias=True)


def build(spec: Mapping[str, Any], tensors: Mapping[str, np.ndarray], source: str) -> UserPolicy:
    """Return a user's network with the weights of a checkpoint, ready to be evaluated.

    Raises:
        SearchlightError: the file, its class, the class's constructor or the tensors do not fit.
    """
    import torch

    from searchlight.agents.networks._user_policy import UserPolicy

    path, name = Path(spec["module"]).expanduser(), spec["class"]
    kind = getattr(_load(path), name, None)
    if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module)):
        raise SearchlightError(f"{path}: found no class {name} of torch.nn.Module")
    module = called(path, name, lambda: kind(**spec["arguments"]))
    own = module.state_dict()
    named = _renamed(tensors, own)
    if missing := set(own) - set(named):
        raise SearchlightError(f"{source}: found no {some(missing)}, which {name} of {path} has")
    if extra := set(named) - set(own):
        raise SearchlightError(f"{source}: found also {some(extra)}, which {name} of {path} does not have")
    for tensor, array in named.items():
        if array.shape != tuple(own[tensor].shape):
            raise SearchlightError(
                f"{source}: found {tensor} of shape {list(array.shape)} in place of {list(own[tensor].shape)}, "
                f"which {name} of {path} has"
            )
    module.load_state_dict({tensor: torch.from_numpy(array) for tensor, array in named.items()})
    return UserPolicy(module.eval().requires_grad_(False), path, name)


def called(path: Path, what: str, function: Callable[[], Any]) -> Any:
    """Return what a user's function returns.

    Raises:
        SearchlightError: it raises anything; the line says where in the user's file.
    """
    try:
        return function()
    except SearchlightError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        # Python names a module's file by its whole path.
        inside = [frame.lineno for frame in frames if Path(frame.filename) == path.absolute()]
        place = f"{path}, line {inside[-1]}" if inside else f"{path}"
        raise SearchlightError(f"{place}: {what}: {type(error).__name__}: {one_line(error)}") from error


def _load(path: Path) -> Any:
    """Return the module of a user's file."""
    name = f"searchlight_user_{path.stem}"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise SearchlightError(f"{path}: found no Python file (its name must end in .py)")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # dataclasses look their module up there
    run = specification.loader.exec_module
    called(path, "import", lambda: run(module))
    return module


def _renamed(tensors: Mapping[str, np.ndarray], own: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
    """Return tensors by a module's own names, if these differ only by a prefix that all names of either share."""
    *_, given = candidates(tensors)
    *_, names = candidates({name: name for name in own})
    return {names[name]: array for name, array in given.items()} if set(given) == set(names) else tensors
