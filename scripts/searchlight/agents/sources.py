"""Where checkpoints are; apart from ``searchlight.agents.checkpoint`` so that the Snakefile needs no numpy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# The most bytes of a checkpoint.
MAX_BYTES = 2 * 1024**3
# Under which name ``searchlight.agents.policy_file`` records where weights are from.
METADATA = "searchlight"
# And, among that, the digest that the config gave then, if any.
PINNED = "pinned"
# And, among that, the lineage of the weights, as ``searchlight.store.records`` finds it.
LINEAGE = "lineage"


def local_path(checkpoint: str, bundled: str | Path) -> Path | None:
    """Return the file that a ``checkpoint`` of the config names on this machine, or None for an address."""
    if "://" in checkpoint:
        return None
    if checkpoint.startswith("bundled:"):
        return Path(bundled) / f"{checkpoint.removeprefix('bundled:')}.safetensors"
    return Path(checkpoint).expanduser()


def recorded(path: str | Path) -> dict[str, Any]:
    """Return what ``searchlight.agents.policy_file`` recorded of the checkpoint that safetensors were made from.

    Empty where there are none.
    """
    try:
        with Path(path).open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return json.loads(header["__metadata__"][METADATA])
    except (OSError, ValueError, KeyError, OverflowError, MemoryError):
        return {}
