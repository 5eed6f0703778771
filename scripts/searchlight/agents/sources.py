"""Places of checkpoints, apart from ``searchlight.agents.checkpoint`` because the Snakefile must not load numpy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# Largest size of a checkpoint, in bytes.
MAX_BYTES = 2 * 1024**3
# Entry of the safetensors metadata in which ``searchlight.agents.policy_file`` records the source of the weights.
METADATA = "searchlight"
# Key in that record: the pin in the lineage of the weights, if there is one.
PINNED = "pinned"
# Key in that record: the lineage of the weights; ``searchlight.store.records`` finds it.
LINEAGE = "lineage"


def local_path(checkpoint: str, bundled: str | Path) -> Path | None:
    """Return the file that a ``checkpoint`` of the config names on this machine, or None for an address."""
    if "://" in checkpoint:
        return None
    if checkpoint.startswith("bundled:"):
        return Path(bundled) / f"{checkpoint.removeprefix('bundled:')}.safetensors"
    return Path(checkpoint).expanduser()


def recorded(path: str | Path) -> dict[str, Any]:
    """Return the record of ``searchlight.agents.policy_file`` in a safetensors file: source, digest and more.

    The record is empty if the file is missing or damaged.
    """
    try:
        with Path(path).open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return json.loads(header["__metadata__"][METADATA])
    except (OSError, ValueError, KeyError, OverflowError, MemoryError):
        return {}
