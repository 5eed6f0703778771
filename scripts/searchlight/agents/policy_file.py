"""An agent's weights as the rest of the workflow reads them: safetensors, with where they are from.

Safetensors have no checksum, so one stands among the metadata.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from searchlight.agents import networks
from searchlight.agents.policy import Policy
from searchlight.agents.sources import LINEAGE, METADATA, PINNED
from searchlight.errors import SearchlightError, damaged, one_line
from searchlight.store.files import written_whole
from searchlight.store.records import declared

_CHECKSUM = "crc32"


def write_policy(output: str | Path, tensors: dict[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Write weights by name, and what is said about them: source, member, sha256, network, actions."""
    metadata = {**about, **({LINEAGE: declared()} if declared() is not None else {})}
    # One entry, because the order of several is not kept, and equal weights should be equal bytes.
    checked = {**metadata, _CHECKSUM: _checksum(tensors, metadata)}
    with written_whole(output) as partial:
        # save_file ignores the umask (mode 0600).
        partial.write_bytes(save(tensors, {METADATA: json.dumps(checked, sort_keys=True)}))


def read_policy(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what ``write_policy`` wrote, verified: weights by name, and source, member, sha256, network, actions.

    Raises:
        SearchlightError: the file is missing, cut off, or not what was written.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
            metadata = json.loads(file.metadata()[METADATA])
        checksum = metadata.pop(_CHECKSUM)
        found = _checksum(tensors, metadata)
    except (FileNotFoundError, PermissionError) as error:
        raise SearchlightError(f"{path}: cannot be read: {one_line(error)}") from error
    except Exception as error:  # whatever safetensors, json or numpy make of a damaged file
        raise damaged(path, error) from error
    if found != checksum:
        raise damaged(path, f"found the checksum {found}, allowed: {checksum}")
    for key in (PINNED, LINEAGE):
        metadata.pop(key, None)
    return tensors, metadata


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Return what ``read_policy`` does, but for the weights."""
    return read_policy(path)[1]


def load_policy(path: str | Path) -> Policy:
    """Load the policy that ``write_policy`` wrote, ready to be evaluated.

    Raises:
        SearchlightError: the file is missing or damaged.
    """
    tensors, metadata = read_policy(path)
    return networks.build(metadata["network"], tensors, str(path))


def _checksum(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> str:
    """Return a checksum of weights and of what is recorded with them; safetensors have none."""
    described = {name: [array.dtype.str, array.shape] for name, array in tensors.items()}
    checksum = zlib.crc32(json.dumps([described, metadata], sort_keys=True).encode())
    for name in sorted(tensors):
        checksum = zlib.crc32(np.ascontiguousarray(tensors[name]).data, checksum)
    return f"{checksum:08x}"
