"""Snakemake's lock on a folder: whether its process still runs, and what the user can do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

from searchlight.errors import SearchlightError

UNLOCK = "snakemake --unlock (or: make unlock)"


def check_alone(memory: str | Path) -> None:
    """Check that no other Snakemake has locked a folder.

    Args:
        memory: Snakemake's own folder in that folder, ``.snakemake``, with its locks.

    Raises:
        SearchlightError: there is a lock; its Snakemake still runs, or was killed.
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
    """Yield the process numbers of other Snakemakes on this machine that run in a folder."""
    own = psutil.Process()
    ours = {process.pid for process in (own, *own.parents())}
    for process in psutil.process_iter():
        try:
            named = any(Path(word).name == "snakemake" for word in process.cmdline())
            if named and process.pid not in ours and folder.samefile(process.cwd()):
                yield process.pid
        except (psutil.Error, OSError):  # the process has ended, or belongs to another user
            continue
