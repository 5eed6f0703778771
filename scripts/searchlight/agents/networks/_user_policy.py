"""A user's own module as a policy: what it returns is checked at each step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from searchlight.agents.networks._own import called
from searchlight.agents.policy import LOGITS, Q_VALUES, Memory
from searchlight.errors import SearchlightError


class UserPolicy(nn.Module):
    """The policy that a user's module is; mistakes in it are errors of one line that name its file."""

    def __init__(self, module: nn.Module, path: Path, name: str) -> None:
        super().__init__()
        self.module, self._path, self._name = module, path, name
        actions = getattr(module, "actions", None)
        if not isinstance(actions, int) or isinstance(actions, bool) or actions < 1:
            raise self._refuse(f"found actions {actions!r}, allowed: the number of actions, a whole number")
        output = getattr(module, "output", LOGITS.name)
        known = next((one for one in (LOGITS, Q_VALUES) if output in (one, one.name)), None)
        if known is None:
            raise self._refuse(f"found output {output!r}, allowed: {LOGITS.name}, {Q_VALUES.name}")
        self.actions = actions
        self.output = known

    def _refuse(self, found: str) -> SearchlightError:
        return SearchlightError(f"{self._path}: {self._name}: {found}")

    def initial_memory(self) -> dict[str, Tensor]:
        """Return the memory before the first frame; empty for a module without ``initial_memory``."""
        begin = getattr(self.module, "initial_memory", dict)
        memory = called(self._path, f"{self._name}.initial_memory", begin)
        self._check_memory(memory, 1, "initial_memory")
        return dict(memory)

    def step(self, observation: Tensor, memory: Memory) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return what the user's ``step`` returns.

        Raises:
            SearchlightError: it raises anything, or returns anything of another shape.
        """
        count = len(observation)
        # The engine goes on with both, so a module that works in place gets copies.
        seen, given = observation.clone(), {name: array.clone() for name, array in memory.items()}
        step: Any = getattr(self.module, "step", None)
        found = called(self._path, f"{self._name}.step", lambda: step(seen, given))
        if not isinstance(found, tuple) or len(found) != 3:
            raise self._refuse(f"step returned {_shape(found)}, allowed: outputs, value, memory")
        outputs, value, after = found
        for what, array, shape in (("outputs", outputs, (count, self.actions)), ("value", value, (count,))):
            if not isinstance(array, Tensor) or tuple(array.shape) != shape:
                raise self._refuse(f"step returned {what} of {_shape(array)}, allowed: a tensor of shape {list(shape)}")
        self._check_memory(after, count, "step")
        if set(after) != set(memory):
            raise self._refuse(
                f"step returned the memory {', '.join(after) or 'none'}, allowed: {', '.join(memory) or 'none'}"
            )
        return outputs, value, dict(after)

    def _check_memory(self, memory: Any, count: int, function: str) -> None:
        allowed = f"a table of tensors of shape [{count}, size]"
        if not isinstance(memory, dict):
            raise self._refuse(f"{function} returned the memory {_shape(memory)}, allowed: {allowed}")
        for name, array in memory.items():
            if not isinstance(name, str) or not re.fullmatch(r"\w{1,40}", name):
                raise self._refuse(f"{function} returned the name {name!r}, allowed: letters, digits and '_'")
            if not isinstance(array, Tensor) or array.ndim != 2 or len(array) != count:
                raise self._refuse(f"{function} returned {name} of {_shape(array)}, allowed: {allowed}")


def _shape(found: Any) -> str:
    """Return a value's kind in words: the shape of a tensor, else its type."""
    return f"shape {list(found.shape)}" if isinstance(found, Tensor) else f"type {type(found).__name__}"
