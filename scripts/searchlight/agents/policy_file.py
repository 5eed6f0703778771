"""An agent's weights for the later steps of the workflow: safetensors, with the source of the weights.

Safetensors have no checksum, so the metadata holds one.
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
from searchlight.errors import SearchlightError, damaged, one_line, printable
from searchlight.store.files import written_whole
from searchlight.store.records import declared

_CHECKSUM = "crc32"


def write_policy(output: str | Path, tensors: dict[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Write weights by name, and their record: source, member, sha256, network, actions."""
    metadata = {**about, **({LINEAGE: declared()} if declared() is not None else {})}
    # One entry of JSON, because safetensors keep no order of entries, and equal weights must give equal bytes.
    checked = {**metadata, _CHECKSUM: _checksum(tensors, metadata)}
    with written_whole(output) as partial:
        # save_file ignores the umask (mode 0600).
        partial.write_bytes(save(tensors, {METADATA: json.dumps(checked, sort_keys=True)}))


def read_policy(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the weights by name, and their record (source, member, sha256, network, actions), both verified.

    Raises:
        SearchlightError: the file is missing, cut off or damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
            metadata = json.loads(file.metadata()[METADATA])
        checksum = metadata.pop(_CHECKSUM)
        found = _checksum(tensors, metadata)
    except (FileNotFoundError, PermissionError) as error:
        raise SearchlightError(f"{path}: cannot be read: {one_line(error)}") from error
    except Exception as error:  # safetensors, json and numpy raise many kinds for a damaged file
        raise damaged(path, error) from error
    if found != checksum:
        raise damaged(path, f"found the checksum {found}, allowed: {checksum}")
    for key in (PINNED, LINEAGE):
        metadata.pop(key, None)
    return tensors, metadata


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Return the record that ``read_policy`` returns, without the weights."""
    return read_policy(path)[1]


def load_policy(path: str | Path, network: networks.Spec | None = None) -> Policy:
    """Load the policy that ``write_policy`` wrote, ready to be evaluated.

    Args:
        path: safetensors.
        network: the agent's network in the config. A file alone cannot ask for a class of a user's own file, whose
            code would run.

    Raises:
        SearchlightError: the file is missing or damaged, or asks for code that the config does not ask for.
    """
    tensors, metadata = read_policy(path)
    found = metadata["network"]
    if networks.module_of(found) is not None and found != network:
        raise SearchlightError(
            f"{path}: found a network of {printable(str(networks.module_of(found)))}, whose code the config does not "
            "ask for; delete this file and run again"
        )
    return networks.build(found, tensors, str(path))


def _checksum(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> str:
    """Return a checksum of weights and their record."""
    described = {name: [array.dtype.str, array.shape] for name, array in tensors.items()}
    checksum = zlib.crc32(json.dumps([described, metadata], sort_keys=True).encode())
    for name in sorted(tensors):
        checksum = zlib.crc32(np.ascontiguousarray(tensors[name]).data, checksum)
    return f"{checksum:08x}"
