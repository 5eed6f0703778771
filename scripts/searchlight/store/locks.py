"""Snakemake's lock on a folder: whether whoever took it is still at work, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

from searchlight.errors import SearchlightError

UNLOCK = "snakemake --unlock (or: make unlock)"


def check_alone(memory: str | Path) -> None:
    """Check that no other Snakemake has locked a folder.

    Args:
        memory: Snakemake's own folder in it, with the locks of those that make files.

    Raises:
        SearchlightError: there is a lock; of one that is at work, or of one that was killed.
    """
    locks = Path(memory, "locks")
    if not any(locks.glob("*.lock")):
        return
    others = ", ".join(map(str, _at_work(Path(memory).absolute().parent)))
    if others:
        raise SearchlightError(
            f"{locks}: found another Snakemake at work here (process {others}), allowed: one at a time"
        )
    raise SearchlightError(
        f"{locks}: found the lock of a Snakemake that was killed, or that runs on another machine; if none does, "
        f"type: {UNLOCK}"
    )


def _at_work(folder: Path) -> Iterator[int]:
    """Yield the processes of other Snakemakes of a folder, on this machine."""
    own = psutil.Process()
    ours = {process.pid for process in (own, *own.parents())}
    for process in psutil.process_iter():
        try:
            named = any(Path(word).name == "snakemake" for word in process.cmdline())
            if named and process.pid not in ours and folder.samefile(process.cwd()):
                yield process.pid
        except (psutil.Error, OSError):  # it has ended, or is somebody else's
            continue
