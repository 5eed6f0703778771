"""Weights in checkpoint files, of safetensors or torch.

Checkpoints are untrusted: pickles are read with ``weights_only=True``, and files that are too large are refused.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from searchlight.agents.sources import MAX_BYTES
from searchlight.errors import SearchlightError, one_line, printable

_NESTED = ("state_dict", "model", "model_state_dict")
_DEEPEST = 8


def read_tensors(path: Path, source: str) -> dict[str, np.ndarray]:
    """Return the float32 weights of a checkpoint file by name, sorted; errors name ``source``.

    Raises:
        SearchlightError: the file is cut off, is no checkpoint, or asks to run code.
    """
    with path.open("rb") as file:
        is_safetensors = file.read(9)[8:] == b"{"
    state = _read_safetensors(path, source) if is_safetensors else _read_torch(path, source)
    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): array for name, array in state.items()}
    for name, array in state.items():
        if not np.isfinite(array).all():
            raise SearchlightError(f"{source}: found numbers that are not finite in {printable(name)}, allowed: none")
    return {name: np.ascontiguousarray(state[name], dtype=np.float32) for name in sorted(state)}


def _read_safetensors(path: Path, source: str) -> dict[str, np.ndarray]:
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
    except (SafetensorError, TypeError, AttributeError, OSError) as error:  # numpy lacks some of its types
        raise SearchlightError(f"{source}: cannot be read as safetensors: {one_line(error)}") from error


def _read_torch(path: Path, source: str) -> dict[str, np.ndarray]:
    import torch

    _refuse_large_zip(path, source)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch raise many kinds; all mean the same to the user
        reason = one_line(error).partition(". ")[0]
        raise SearchlightError(f"{source}: cannot be read as weights alone: {reason}") from error
    if not isinstance(content, Mapping):
        raise SearchlightError(f"{source}: found a {type(content).__name__}, allowed: a state dict")
    for _ in range(_DEEPEST):  # a limit, because a table may contain itself
        content = next((content[key] for key in _NESTED if isinstance(content.get(key), Mapping)), content)
    state = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    # A tensor can be larger than its file, because one stored number may be repeated.
    if 4 * sum(tensor.numel() for tensor in state.values()) > MAX_BYTES:
        raise SearchlightError(f"{source}: found over {MAX_BYTES} bytes of weights, allowed: less")
    try:
        return {name: tensor.detach().float().numpy() for name, tensor in state.items()}
    except (TypeError, RuntimeError) as error:  # the tensor is sparse, or has no data
        reason = one_line(error).partition(". ")[0]
        raise SearchlightError(f"{source}: cannot be read as arrays: {reason}") from error


def _refuse_large_zip(path: Path, source: str) -> None:
    """Refuse a torch file that is too large when decompressed; torch itself writes no compressed records."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as file:
            size = sum(entry.file_size for entry in file.infolist())
    except Exception as error:  # zipfile raises many kinds for a damaged directory
        raise SearchlightError(f"{source}: cannot be read as a zip: {one_line(error)}") from error
    if size > MAX_BYTES:
        raise SearchlightError(f"{source}: found over {MAX_BYTES} bytes, allowed: less")
