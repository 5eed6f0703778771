"""Zarr stores: labelled arrays in one zip file, written whole or not at all, verified on reading.

A store is a Zarr v3 group in an uncompressed zip (its chunks are compressed with zstd and carry a crc32c). The zip
is packed in a fixed order with a fixed date, so equal contents are equal bytes.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import LocalStore, ZipStore

from searchlight.errors import SearchlightError, one_line
from searchlight.files import remove, written_whole

CHUNK_FRAMES = 16
_EPOCH = (1980, 1, 1, 0, 0, 0)
_CODECS = (ZstdCodec(level=1), Crc32cCodec())


@dataclass(frozen=True)
class Variable:
    """An array with the names of its dimensions.

    Attributes:
        dimensions: one name an axis.
        data: the array.
        attributes: plain values that explain it, such as ``units`` or ``long_name``.
    """

    dimensions: tuple[str, ...]
    data: np.ndarray
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Writer:
    """A store being written; ``create`` opens one."""

    def __init__(self, group: zarr.Group) -> None:
        self._group = group

    def array(
        self,
        name: str,
        dimensions: tuple[str, ...],
        shape: tuple[int, ...],
        dtype: Any,
        chunks: tuple[int, ...],
        attributes: Mapping[str, Any] | None = None,
    ) -> zarr.Array:
        """Add an array that is then filled by assignment or ``append``."""
        return self._group.create_array(
            name,
            shape=shape,
            dtype=dtype,
            chunks=tuple(max(1, size) for size in chunks),
            dimension_names=dimensions,
            compressors=_CODECS,
            attributes=dict(attributes or {}),
            config={"write_empty_chunks": True},
        )

    def variable(self, name: str, variable: Variable) -> None:
        """Add a whole array, in chunks of ``CHUNK_FRAMES`` along its first axis."""
        data = variable.data
        chunks = (min(CHUNK_FRAMES, data.shape[0]), *data.shape[1:])
        self.array(name, variable.dimensions, data.shape, data.dtype, chunks, variable.attributes)[...] = data

    def attributes(self, values: Mapping[str, Any]) -> None:
        """Set attributes of the store."""
        self._group.attrs.update(dict(values))


@contextmanager
def create(path: str | Path) -> Iterator[Writer]:
    """Open a store for writing; ``path`` exists only once the block has succeeded."""
    with written_whole(path) as partial:
        folder = partial.with_name(partial.name + ".d")
        remove(folder)
        try:
            group = zarr.open_group(LocalStore(folder), mode="w")
            yield Writer(group)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # consolidated metadata, which xarray asks for, is not in the v3 text
                zarr.consolidate_metadata(group.store)
            _pack(folder, partial)
        finally:
            remove(folder)


def save(path: str | Path, variables: Mapping[str, Variable], attributes: Mapping[str, Any]) -> None:
    """Write a store of whole arrays."""
    with create(path) as writer:
        for name, variable in variables.items():
            writer.variable(name, variable)
        writer.attributes(attributes)


class Reader:
    """A store open for reading; ``load`` opens one. Damage is an error that names the file."""

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path = path
        self.attributes: dict[str, Any] = dict(group.attrs)
        self._arrays = dict(group.arrays())

    def names(self) -> list[str]:
        """Return the names of the arrays, sorted."""
        return sorted(self._arrays)

    def dimensions(self, name: str) -> tuple[str, ...]:
        """Return the names of an array's dimensions."""
        return tuple(self._arrays[name].metadata.dimension_names)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return an array's shape."""
        if name not in self._arrays:
            raise SearchlightError(f"{self.path}: has no array '{name}', only {', '.join(self.names())}")
        return self._arrays[name].shape

    def read(self, name: str, rows: slice = slice(None)) -> np.ndarray:
        """Return an array, or some of its rows."""
        self.shape(name)
        with _damage_named(self.path):
            return np.asarray(self._arrays[name][rows])


@contextmanager
def load(path: str | Path) -> Iterator[Reader]:
    """Open a store for reading.

    Raises:
        SearchlightError: the file is missing, cut off, or not such a store.
    """
    path = Path(path)
    if not path.exists():
        raise SearchlightError(f"{path}: no such file")
    with _damage_named(path):
        store = ZipStore(path, mode="r")
        reader = Reader(path, zarr.open_group(store, mode="r"))
    try:
        yield reader
    finally:
        store.close()


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (SearchlightError, MemoryError):
        raise
    except Exception as error:  # whatever zip, zstd, crc32c or json make of a damaged file
        raise SearchlightError(f"{path}: damaged, delete it and run again ({one_line(error)})") from error


def _pack(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
