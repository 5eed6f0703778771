"""Results as xarray datasets: ``searchlight.open_episode`` and ``searchlight.open_clip``.

Datasets are lazy: of an array, what is asked for is read, when it is asked for. Attributes that are tables or lists of
texts are JSON text, because netCDF has neither: ``json.loads(dataset.attrs["checkpoint"])``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import xarray
from zarr.storage import ZipStore

from searchlight.config.names import PATTERN
from searchlight.errors import SearchlightError
from searchlight.store.zarr import load

EPISODES, CLIPS = Path("results", "episodes"), Path("results", "clips")
SUFFIX = ".zarr.zip"


def open_episode(episode: str | os.PathLike[str], seed: int | None = None) -> xarray.Dataset:
    """Open an episode, as it was played.

    Args:
        episode: an agent's name in the config, whose episodes are in ``results/episodes/`` of the working directory;
            or the path of a store.
        seed: of the episode; None where the agent has one episode.

    Returns:
        What ``searchlight.agents.rollout`` wrote, along ``time``.

    Raises:
        SearchlightError: there is no such episode, or there are several; or the store is damaged.
    """
    return _open(_find(EPISODES, episode, "seed-", "seed", seed))


def open_clip(clip: str | os.PathLike[str], method: str | None = None) -> xarray.Dataset:
    """Open a clip by one method: its frames, maps and outputs.

    Args:
        clip: its name, of which ``results/clips/`` of the working directory has a folder; or the path of a store.
        method: its name in the config; None where the clip has one method.

    Returns:
        What ``searchlight.clips.collect`` wrote, along ``time``.

    Raises:
        SearchlightError: there is no such clip, or it has several methods; or the store is damaged.
    """
    return _open(_find(CLIPS, clip, "", "method", method))


def _open(path: Path) -> xarray.Dataset:
    with load(path):  # says in one line what is wrong with the file
        pass
    return xarray.open_zarr(ZipStore(path, mode="r"), chunks=None)


def _find(root: Path, given: str | os.PathLike[str], prefix: str, key: str, wanted: str | int | None) -> Path:
    """Return the path of a store.

    Args:
        root: the folder of all of its kind.
        given: a name, which is that of a folder in it, or the path of a store.
        prefix: what the names of stores in such a folder begin with.
        key: what follows in them, for errors.
        wanted: the one of those that is wanted; None where there is but one.
    """
    path = Path(given)
    if not (isinstance(given, str) and re.fullmatch(PATTERN, given)):
        if wanted is not None:
            raise SearchlightError(f"{key}: found {wanted!r} beside the path {path}, allowed: beside a name")
        if not path.is_file():
            names = (store.name for store in path.parent.glob(f"*{SUFFIX}"))
            raise SearchlightError(f"{path}: no such file; stores there: {_listed(names)}")
        return path
    folder = root / given
    if not folder.is_dir():
        names = (one.name for one in root.glob("*/"))
        raise SearchlightError(f"{folder}: no such folder; {root.absolute()} has: {_listed(names)}")
    found = {store.name.removeprefix(prefix).removesuffix(SUFFIX): store for store in folder.glob(f"{prefix}*{SUFFIX}")}
    if wanted is None and len(found) == 1:
        (path,) = found.values()
        return path
    if str(wanted) not in found:
        given = "none" if wanted is None else repr(wanted)
        raise SearchlightError(f"{folder}: {key}: found {given}, allowed: {_listed(found)}")
    return found[str(wanted)]


def _listed(names: Iterable[str]) -> str:
    """Return names in their order, numbers by their size."""
    return ", ".join(sorted(names, key=lambda name: (name.isdecimal() and len(name), name))) or "none"
