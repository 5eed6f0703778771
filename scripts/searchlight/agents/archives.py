"""Checkpoints in zip archives: one member is read, up to a size limit.

An archive is never unpacked as a whole. It is refused if a member's name leaves the archive's folder.
"""

from __future__ import annotations

import fnmatch
import re
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from searchlight.agents.snapshots import SUFFIXES, highest_step
from searchlight.agents.sources import MAX_BYTES
from searchlight.errors import SearchlightError, one_line, printable


def is_archive(path: Path) -> bool:
    """Return whether a file is a zip of checkpoints, and not a torch file, which is a zip too."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as file:
            return not any(name.endswith("/data.pkl") and name.count("/") == 1 for name in file.namelist())
    except Exception:  # extract_member reports why the zip cannot be opened
        return True


def extract_member(archive: Path, member: str | None, folder: Path, source: str) -> tuple[Path, str]:
    """Copy one member of a zip archive into ``folder``, under a name of our own.

    Args:
        archive: the zip file.
        member: a name or pattern; None for any weights. Of several matches, the highest step number is taken.
        folder: folder of the copy.
        source: name of the archive in errors.

    Returns:
        The path of the copy, and the member's name.

    Raises:
        SearchlightError: a name leaves the archive's folder, none or several members fit, or the member is too large.
    """
    target = folder / "member"
    try:
        with zipfile.ZipFile(archive) as file:
            chosen = _choose(file, member, source)
            # zipfile stops at the size checked above, even if the compressed data are longer.
            with file.open(chosen) as content, target.open("wb") as copy:
                shutil.copyfileobj(content, copy)
    except SearchlightError:
        raise
    except Exception as error:  # zipfile and its decompressors raise many kinds; all mean the same to the user
        raise SearchlightError(f"{source}: cannot be read as a zip archive: {one_line(error)}") from error
    return target, chosen


def refuse_outside(names: Iterable[str], found: str, allowed: str) -> None:
    """Raise a ``SearchlightError`` if a name of a file leaves the folder that it is relative to."""
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in re.split(r"[/\\]", name) or ":" in name.split("/")[0]:
            raise SearchlightError(f"{found} '{printable(name)}', allowed: {allowed}")


def _choose(file: zipfile.ZipFile, member: str | None, source: str) -> str:
    names = [entry.filename for entry in file.infolist() if not entry.is_dir()]
    refuse_outside(names, f"{source}: found the member", "names inside the archive")
    if member is None:
        matches = [name for name in names if name.endswith(SUFFIXES)]
    elif member in names:
        matches = [name for name in names if name == member]
    else:
        matches = [name for name in names if fnmatch.fnmatchcase(name, member)]
    wanted = f"{source}: member '{member}'" if member else f"{source}: no member asked for"
    chosen = highest_step(matches, wanted, names)
    if file.getinfo(chosen).file_size > MAX_BYTES:
        raise SearchlightError(f"{source}: {printable(chosen)}: found over {MAX_BYTES} bytes, allowed: less")
    return chosen
