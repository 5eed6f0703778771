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
from searchlight.agents.sources import MAX_BYTES
from searchlight.errors import SearchlightError, printable, quoted

SUFFIXES = (".tar", ".pt", ".pth", ".safetensors", ".cleanrl_model")
# Suffixes of weights and of much else: the first bytes decide.
_SHARED_SUFFIXES = (".zip", ".bin", ".ckpt", ".dat", ".model", ".pkl")
# What stands in names without being a step: versions of environments, and seeds.
_NO_STEPS = re.compile(r"-v[0-9]+|seed[-_]?[0-9]+", re.IGNORECASE)
# Folders named after a step, as in `rl_model_1000_steps/policy.pth`.
_STEP_FOLDER = re.compile(
    r"[0-9]+[-_]?steps?|(steps?|checkpoint|ckpt|epoch|iter(ation)?|update)[-_]?[0-9]+", re.IGNORECASE
)
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}


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
            unpacked = PurePosixPath(chosen).name == sb3_zip.POLICY
            target = folder / (sb3_zip.POLICY if unpacked else "member")
            _copy(file, chosen, target, MAX_BYTES, source)
            data = str(PurePosixPath(chosen).with_name(sb3_zip.DATA))
            if unpacked and data in file.namelist():
                _copy(file, data, folder / sb3_zip.DATA, sb3_zip.MAX_DATA, source)
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


def _choose(file: zipfile.ZipFile, member: str | None, source: str) -> str:
    names = [entry.filename for entry in file.infolist() if not entry.is_dir()]
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in re.split(r"[/\\]", name) or ":" in name.split("/")[0]:
            raise SearchlightError(f"{source}: found the member '{printable(name)}', allowed: names inside the archive")
    if member in names:
        return member
    names = [name for name in names if not _is_hidden(name)]
    if member is None:
        matches = [name for name in names if name.endswith(SUFFIXES) or _holds_weights(file, name)]
    else:
        matches = [name for name in names if fnmatch.fnmatchcase(name, member)]
    return _highest_step(_without_companions(matches), source, member, names)


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
    folders = {PurePosixPath(name).parent for name in names if PurePosixPath(name).name == sb3_zip.POLICY}
    companions = {folder / name for folder in folders for name in sb3_zip.COMPANIONS}
    return [name for name in names if PurePosixPath(name) not in companions]


def _highest_step(matches: list[str], source: str, member: str | None, names: list[str]) -> str:
    asked = f"member '{member}'" if member else "no member asked for"
    if not matches:
        explained = foreign.explain_zip(names) if member is None else None
        raise SearchlightError(f"{source}: {explained or f'{asked}, allowed: {_some(names)}'}")
    if len(matches) == 1:
        return matches[0]
    units = {name: _unit(PurePosixPath(name)) for name in matches}
    highest = max(step_of(unit.name) for unit in units.values())
    best = [name for name, unit in units.items() if step_of(unit.name) == highest]
    if len(best) > 1 or len({unit.parent for unit in units.values()}) > 1:
        raise SearchlightError(f"{source}: {asked} fits several, name one of: {_some(matches)}")
    return best[0]


def _unit(path: PurePosixPath) -> PurePosixPath:
    """Return what the step of a checkpoint stands in: its file, or its folder if that is named after a step."""
    return path.parent if _STEP_FOLDER.search(path.parent.name) and step_of(path.name) < 0 else path


def step_of(name: str) -> int:
    """Return the step in a file's name: its last number, of up to 18 digits; -1 if it has none.

    ``900k`` and ``2M`` are thousands and millions. Versions (``Pong-v4``) and seeds (``seed1``) are no steps.
    """
    numbers = re.findall(r"([0-9]{1,18})(?:([kKmM])(?![A-Za-z]))?", _NO_STEPS.sub("", name))
    return int(numbers[-1][0]) * _FACTORS[numbers[-1][1].lower()] if numbers else -1


def _some(names: Iterable[str]) -> str:
    shown = [printable(name) for name in sorted(names)]
    if not shown:
        return "none, it is empty"
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
