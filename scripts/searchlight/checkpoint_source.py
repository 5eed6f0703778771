"""Where checkpoints are; apart from ``searchlight.checkpoint`` so that the Snakefile needs no numpy."""

from __future__ import annotations

import json
from pathlib import Path

# Under which name ``searchlight.checkpoint`` records where weights are from.
METADATA = "searchlight"


def local_path(checkpoint: str, bundled: str | Path) -> Path | None:
    """Return the file that a ``checkpoint`` of the config names on this machine, or None for an address."""
    if "://" in checkpoint:
        return None
    if checkpoint.startswith("bundled:"):
        return Path(bundled) / f"{checkpoint.removeprefix('bundled:')}.safetensors"
    return Path(checkpoint).expanduser()


def recorded_digest(path: str | Path) -> str | None:
    """Return the digest of the checkpoint that safetensors were made from, or None where there are none."""
    try:
        with Path(path).open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return json.loads(header["__metadata__"][METADATA])["sha256"]
    except (OSError, ValueError, KeyError, OverflowError, MemoryError):
        return None
