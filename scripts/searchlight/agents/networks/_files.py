"""Tensors of a checkpoint as layers: their modules' names, the parts they play, and shapes that must follow each other.

Libraries name the same layers differently. A network describes its parts by patterns of modules' names, and the shapes
must fit. So a network with layers that no pattern knows is refused, and never read as another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from searchlight.agents.networks import some
from searchlight.errors import SearchlightError, printable

if TYPE_CHECKING:
    import numpy as np

Shapes = Mapping[str, tuple[int, ...]]
# Recurrent modules: the number of their gates, and the parts of their memory.
GATES = {"lstm": 4, "gru": 3}
MEMORY = {"lstm": ("h", "c"), "gru": ("h",)}

# Containers that people put convolutions and dense layers into; tensors whose common prefix was taken off have none.
_CONTAINERS = "base|body|cnn|conv|convs|conv_layers|dense|encoder|fc|features|layers|linear|main|mlp|net|network|trunk"
_EXTRACTOR = "features_extractor"
# Convolutions and the dense layers after them: `network.0`, `features_extractor.cnn.0`, `base.main.0`, `conv1`, `fc`.
TRUNK = (
    rf"(?:{_EXTRACTOR}\.)?(?:(?:{_CONTAINERS})\.){{0,2}}\d+"
    rf"|(?:{_EXTRACTOR}\.|base\.)?(?:conv|fc|dense|linear|hidden)_?\d*"
)
# Sampled noise of layers such as Fortunato et al.'s (2018); a network that is evaluated uses the means.
_NOISE = re.compile(r"(weight|bias)_(sigma|epsilon)")
_MEAN = re.compile(r"\.(weight|bias)_mu$")


def refusal(source: str, found: str, allowed: str) -> SearchlightError:
    """Return the error for tensors of another network."""
    return SearchlightError(f"{source}: not a known network: {found}; allowed: {allowed}")


def without_noise(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return tensors without the noise of noisy layers, whose means get the names of plain layers' tensors."""
    kept = {name: array for name, array in tensors.items() if not _NOISE.fullmatch(name.rpartition(".")[2])}
    return {_MEAN.sub(r".\1", name): array for name, array in kept.items()}


def modules(names: Iterable[str]) -> list[str]:
    """Return the names of the modules of tensors, each once; numbers in them sort as numbers."""
    return sorted({name.rpartition(".")[0] for name in names}, key=_numbers_as_numbers)


def _numbers_as_numbers(name: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]


def parts(names: Iterable[str], patterns: Mapping[str, str]) -> tuple[dict[str, list[str]], list[str]]:
    """Sort modules by the part that they play.

    Args:
        names: names of tensors.
        patterns: for each part, a pattern of the whole names of its modules; the first that fits counts.

    Returns:
        The modules of each part in order, and the modules that fit no pattern.
    """
    found: dict[str, list[str]] = {part: [] for part in patterns}
    others: list[str] = []
    for module in modules(names):
        part = next((part for part, pattern in patterns.items() if re.fullmatch(pattern, module)), None)
        (others if part is None else found[part]).append(module)
    return found, others


def convolutions_of(trunk: Sequence[str], shapes: Shapes) -> list[str]:
    """Return the modules with a kernel."""
    return [module for module in trunk if len(shapes.get(f"{module}.weight", ())) == 4]


def dense_of(trunk: Sequence[str], shapes: Shapes) -> list[str]:
    """Return the modules with a matrix; one that is called a convolution is none of them."""
    matrices = [module for module in trunk if len(shapes.get(f"{module}.weight", ())) == 2]
    return [module for module in matrices if not re.fullmatch(r"conv_?\d*", module.rpartition(".")[2])]


class Shaped:
    """Checks the shapes of the layers of one checkpoint; every refusal names the tensor that does not fit.

    Attributes:
        shapes: shapes of the tensors by name.
    """

    def __init__(self, shapes: Shapes, source: str, allowed: str) -> None:
        self.shapes, self._source, self._allowed = shapes, source, allowed
        self._used: set[str] = set()

    def refuse(self, found: str) -> SearchlightError:
        """Return the error that says what was found."""
        return refusal(self._source, found, self._allowed)

    def ask(self, what: str, key: str, example: str) -> SearchlightError:
        """Return the error for what no tensor tells; it names the argument to add to the config."""
        network, argument = key.split(".")
        return SearchlightError(
            f"{self._source}: {what}, and no tensor tells it; add to the agent, with what is right for it:  "
            f"network: {{{network}: {{{argument}: {example}}}}}"
        )

    def of(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor that must be there."""
        if name not in self.shapes:
            raise self.refuse(f"found no {printable(name)}")
        self._used.add(name)
        shape = tuple(self.shapes[name])
        if not shape or 0 in shape:
            raise self.refuse(f"found {printable(name)} of shape {list(shape)}")
        return shape

    def check(self, name: str, shape: Sequence[int]) -> None:
        """Check that a tensor has a shape."""
        if self.of(name) != tuple(shape):
            raise self.refuse(f"found {printable(name)} of shape {list(self.shapes[name])} in place of {list(shape)}")

    def convolutions(self, names: Sequence[str]) -> int:
        """Check convolutions that follow each other; return the number of channels that the last one gives."""
        if not names:
            raise self.refuse("found no convolutions")
        channels = self.of(f"{names[0]}.weight")[1]
        for module in names:
            outputs, _, *kernel = self.of(f"{module}.weight")
            self.check(f"{module}.weight", (outputs, channels, *kernel))
            self._bias(module, outputs)
            channels = outputs
        return channels

    def dense(self, names: Sequence[str], inputs: int) -> int:
        """Check dense layers that follow each other; return the number of values that the last one gives."""
        for module in names:
            outputs = self.of(f"{module}.weight")[0]
            self.check(f"{module}.weight", (outputs, inputs))
            self._bias(module, outputs)
            inputs = outputs
        return inputs

    def features(self, name: str, channels: int) -> int:
        """Return the number of features that a first matrix takes, which the channels before it must divide."""
        features = self.of(name)[-1]
        if features % channels:
            raise self.refuse(f"found {printable(name)} of {features} columns, which {channels} channels do not divide")
        return features

    def recurrent(self, module: str, gates: int, inputs: int) -> tuple[int, int]:
        """Check a recurrent module; return its number of layers and the size of each layer's memory."""
        layers = 0
        size = self.of(f"{module}.weight_ih_l0")[0] // gates
        while f"{module}.weight_ih_l{layers}" in self.shapes:
            self.check(f"{module}.weight_ih_l{layers}", (gates * size, inputs))
            self.check(f"{module}.weight_hh_l{layers}", (gates * size, size))
            self.check(f"{module}.bias_ih_l{layers}", (gates * size,))
            self.check(f"{module}.bias_hh_l{layers}", (gates * size,))
            inputs, layers = size, layers + 1
        return layers, size

    def _bias(self, module: str, outputs: int) -> None:
        if f"{module}.bias" in self.shapes:
            self.check(f"{module}.bias", (outputs,))

    def sequence(self, trunk: Sequence[str]) -> None:
        """Check that layers of one ``Sequential`` have only an activation between them, and ``Flatten`` before dense.

        A number that is left out belongs to a module without weights. One more than these may be pooling.
        """
        for before, after in pairwise(trunk):
            (container, _, first), (same, _, second) = before.rpartition("."), after.rpartition(".")
            if container == same and first.isdecimal() and second.isdecimal():
                flattened = len(self.of(f"{before}.weight")) > len(self.of(f"{after}.weight"))
                if int(second) - int(first) != (3 if flattened else 2):
                    between = "an activation and Flatten" if flattened else "one activation"
                    raise self.refuse(f"found {printable(after)} after {printable(before)}, with more than {between}")

    def all_used(self) -> None:
        """Check that no tensor is left over."""
        if extra := set(self.shapes) - self._used:
            raise self.refuse(f"found also {some(extra)}")
