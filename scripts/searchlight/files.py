"""Files that appear whole or not at all, and what is in them in short."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What the name of a result begins with while it is written. What follows its name is of its writer's choosing.
PARTIAL = ".partial-"


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path in the folder of ``path``, and rename it to ``path`` once the block has succeeded."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{PARTIAL}{path.name}")
    remove(partial)
    try:
        yield partial
        partial.replace(path)
    finally:
        remove(partial)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def digest_of(path: Path) -> str:
    """Return the sha256 of a file, in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
