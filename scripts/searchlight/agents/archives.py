"""Checkpoints in zip archives: one member is read, up to a size limit.

An archive is never unpacked as a whole. It is refused if a member's name leaves the archive's folder. A member may be a
zip of stable-baselines3, or the ``policy.pth`` of one that was unpacked; ``data`` beside that is copied with it.
"""

from __future__ import annotations

import fnmatch
import re
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from searchlight.agents import foreign, sb3_zip
from searchlight.agents.snapshots import SUFFIXES, highest_step
from searchlight.agents.sources import DATA, MAX_BYTES, POLICY
from searchlight.errors import SearchlightError, printable, quoted

# Suffixes of weights and of much else: the first bytes decide.
_SHARED_SUFFIXES = (".zip", ".bin", ".ckpt", ".dat", ".model", ".pkl")


def is_archive(path: Path, member: str | None = None) -> bool:
    """Return whether a file is a zip of checkpoints, and not one of torch or stable-baselines3, which are zips too.

    A zip of stable-baselines3 counts as an archive if one of its members is asked for.
    """
    if not foreign.is_zip(path) or (member is None and sb3_zip.is_sb3(path)):
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
    try:
        with zipfile.ZipFile(archive) as file:
            chosen = _choose(file, member, source)
            unpacked = PurePosixPath(chosen).name == POLICY
            target = folder / (POLICY if unpacked else "member")
            _copy(file, chosen, target, MAX_BYTES, source)
            data = str(PurePosixPath(chosen).with_name(DATA))
            if unpacked and data in file.namelist():
                _copy(file, data, folder / DATA, sb3_zip.MAX_DATA, source)
    except SearchlightError:
        raise
    except Exception as error:  # zipfile and its decompressors raise many kinds; all mean the same to the user
        raise SearchlightError(f"{source}: cannot be read as a zip archive: {quoted(error)}") from error
    return target, chosen


def _copy(file: zipfile.ZipFile, name: str, target: Path, most: int, source: str) -> None:
    if file.getinfo(name).file_size > most:
        raise SearchlightError(f"{source}: {printable(name)}: found over {most} bytes, allowed: less")
    # zipfile stops at the size checked above, even if the compressed data are longer.
    with file.open(name) as content, target.open("wb") as copy:
        shutil.copyfileobj(content, copy)


def refuse_outside(names: Iterable[str], found: str, allowed: str) -> None:
    """Raise a ``SearchlightError`` if a name of a file leaves the folder that it is relative to."""
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in re.split(r"[/\\]", name) or ":" in name.split("/")[0]:
            raise SearchlightError(f"{found} '{printable(name)}', allowed: {allowed}")


def _choose(file: zipfile.ZipFile, member: str | None, source: str) -> str:
    names = [entry.filename for entry in file.infolist() if not entry.is_dir()]
    refuse_outside(names, f"{source}: found the member", "names inside the archive")
    if member in names:
        return member
    names = [name for name in names if not _is_hidden(name)]
    if member is None:
        matches = [name for name in names if name.endswith(SUFFIXES) or _holds_weights(file, name)]
    else:
        matches = [name for name in names if fnmatch.fnmatchcase(name, member)]
    if not matches and member is None and (explained := foreign.explain_zip(names)):
        raise SearchlightError(f"{source}: {explained}")
    asked = f"member '{member}'" if member else "no member asked for"
    return highest_step(_without_companions(matches), f"{source}: {asked}", names)


def _is_hidden(name: str) -> bool:
    """Return whether a file is the system's own: macOS adds a ``__MACOSX/._NAME`` for each, and ``.DS_Store``."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _holds_weights(file: zipfile.ZipFile, name: str) -> bool:
    if not name.endswith(_SHARED_SUFFIXES):
        return False
    with file.open(name) as content:
        return foreign.is_weights(content.read(foreign.HEAD))


def _without_companions(names: list[str]) -> list[str]:
    """Return names without the optimizer and the variables that stable-baselines3 stores beside ``policy.pth``."""
    folders = {PurePosixPath(name).parent for name in names if PurePosixPath(name).name == POLICY}
    companions = {folder / name for folder in folders for name in sb3_zip.COMPANIONS}
    return [name for name in names if PurePosixPath(name) not in companions]
