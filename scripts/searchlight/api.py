"""Results as xarray datasets: ``searchlight.open_episode`` and ``searchlight.open_clip``.

Datasets are lazy: values are read from the file when they are used. Attributes that are tables or lists of texts are
JSON text, because netCDF has neither: ``json.loads(dataset.attrs["checkpoint"])``.
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
    """Open a recorded episode.

    Args:
        episode: an agent's name in the config, or the path of a store. The episodes of a name are in
            ``results/episodes/`` of the working directory.
        seed: seed of the episode; None if the agent has one episode.

    Returns:
        The arrays that ``searchlight.agents.rollout`` wrote, along ``time``.

    Raises:
        SearchlightError: the episode does not exist, several fit, or the store is damaged.
    """
    return _open(_find(EPISODES, episode, "seed-", "seed", seed))


def open_clip(clip: str | os.PathLike[str], method: str | None = None) -> xarray.Dataset:
    """Open a clip by one method: its frames, maps and outputs.

    Args:
        clip: the clip's name, or the path of a store. The stores of a name are in ``results/clips/`` of the working
            directory.
        method: the method's name in the config; None if the clip has one method.

    Returns:
        The arrays that ``searchlight.clips.collect`` wrote, along ``time``.

    Raises:
        SearchlightError: the clip does not exist, it has several methods, or the store is damaged.
    """
    return _open(_find(CLIPS, clip, "", "method", method))


def _open(path: Path) -> xarray.Dataset:
    with load(path):  # damage becomes an error of one line
        pass
    return xarray.open_zarr(ZipStore(path, mode="r"), chunks=None)


def _find(root: Path, given: str | os.PathLike[str], prefix: str, key: str, wanted: str | int | None) -> Path:
    """Return the path of a store.

    Args:
        root: folder of all episodes, or of all clips.
        given: name of a folder in ``root``, or the path of a store.
        prefix: first part of the stores' file names in that folder.
        key: word for the part after the prefix, for errors.
        wanted: that part of the wanted store's name; None if the folder has one store.
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
    """Return names as a sorted list in one text; numbers are sorted by size."""
    return ", ".join(sorted(names, key=lambda name: (name.isdecimal() and len(name), name))) or "none"
