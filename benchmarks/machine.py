"""The machine that figures were measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def machine() -> dict[str, str]:
    """Describe the machine."""
    from importlib.metadata import version

    cpu = next(
        (line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    about = {"processor": cpu, "cores": str(os.cpu_count()), "system": platform.platform(terse=True)}
    return {**about, "python": platform.python_version(), **{name: version(name) for name in ("torch", "numpy")}}


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
