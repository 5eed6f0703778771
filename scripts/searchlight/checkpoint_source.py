"""Where a checkpoint of the config is; apart from ``searchlight.checkpoint`` so that the Snakefile needs no numpy."""

from __future__ import annotations

from pathlib import Path


def local_path(checkpoint: str, bundled: str | Path) -> Path | None:
    """Return the file that a ``checkpoint`` of the config names on this machine, or None for an address."""
    if "://" in checkpoint:
        return None
    if checkpoint.startswith("bundled:"):
        return Path(bundled) / f"{checkpoint.removeprefix('bundled:')}.safetensors"
    return Path(checkpoint)
