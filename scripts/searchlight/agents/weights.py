"""Weights in checkpoint files: of safetensors, of torch, and in the zips of stable-baselines3.

Checkpoints are untrusted: nothing in them is executed, and files that are too large are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from searchlight.agents import foreign, sb3_zip, torch_file
from searchlight.agents.archives import is_archive
from searchlight.agents.prefixes import without_wrappers
from searchlight.agents.sources import MAX_BYTES
from searchlight.agents.state_dicts import find_weights
from searchlight.errors import SearchlightError, printable, quoted

if TYPE_CHECKING:
    from torch import Tensor


class Weights(NamedTuple):
    """The weights of a network.

    Attributes:
        tensors: float32 arrays by name, sorted; without the prefixes of torch's own wrappers.
        facts: what the file says beside the tensors; see ``searchlight.agents.sb3_zip.facts_of``.
    """

    tensors: dict[str, np.ndarray]
    facts: dict[str, Any]


def read_weights(path: Path, source: str) -> Weights:
    """Return the weights of a checkpoint file; errors name ``source``.

    Raises:
        SearchlightError: the file is cut off, is no checkpoint, or holds more than weights and plain values.
    """
    if sb3_zip.is_sb3(path):
        file, facts = sb3_zip.read_zip(path, source)
        return Weights(_arrays(find_weights(torch_file.load(file, source), source), source), facts)
    if is_archive(path):
        raise SearchlightError(f"{source}: found a zip in a zip; unpack the outer one, and name one of its files")
    with path.open("rb") as file:
        head = file.read(foreign.HEAD)
        if not foreign.is_zip(file) and (explained := foreign.explain(head)) is not None:
            raise SearchlightError(f"{source}: {explained}")
        if foreign.is_safetensors(head):
            return Weights(_arrays(_read_safetensors(path, source), source), {})
        content = torch_file.load(file, source)
    return Weights(_arrays(find_weights(content, source), source), sb3_zip.read_beside(path, source))


def _read_safetensors(path: Path, source: str) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:  # numpy lacks some of its types
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
    except (SafetensorError, TypeError, AttributeError, OSError) as error:
        raise SearchlightError(f"{source}: cannot be read as safetensors: {quoted(error)}") from error
    if not tensors:
        raise SearchlightError(f"{source}: found safetensors of no tensors, allowed: the weights of a network")
    return tensors


def _arrays(tensors: dict[str, Tensor], source: str) -> dict[str, np.ndarray]:
    """Return tensors as float32 arrays, sorted by name; errors name ``source``."""
    # A tensor can be larger than its file, because one stored number may be repeated.
    if 4 * sum(tensor.numel() for tensor in tensors.values()) > MAX_BYTES:
        raise SearchlightError(f"{source}: found over {MAX_BYTES} bytes of weights, allowed: less")
    for name, tensor in tensors.items():
        if tensor.is_complex():
            raise SearchlightError(f"{source}: found complex numbers in {printable(name)}, allowed: real ones")
    try:
        arrays = {name: tensor.detach().float().numpy() for name, tensor in tensors.items()}
    except (TypeError, RuntimeError, NotImplementedError) as error:  # the tensor is sparse, or has no data
        reason = quoted(error).partition(". ")[0]
        raise SearchlightError(f"{source}: cannot be read as arrays: {reason}") from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise SearchlightError(f"{source}: found numbers that are not finite in {printable(name)}, allowed: none")
    arrays = without_wrappers(arrays)
    return {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
