"""Zarr stores: labelled arrays in one zip file, written whole or not at all, verified on reading.

A store is a Zarr v3 group in an uncompressed zip (its chunks are compressed with zstd and carry a crc32c). Entries
have a fixed date and stand in the order of writing, so equal contents are equal bytes.

Zarr reads stores and writes their metadata. This module writes chunks into the zip itself, because zarr is ten times
slower for an episode's many small chunks. Zarr hands each step of each chunk to another thread.
"""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs import Zstd
from numcodecs.checksum32 import CRC32C
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import MemoryStore, ZipStore

from searchlight.errors import SearchlightError, damaged, one_line
from searchlight.store.files import written_whole
from searchlight.store.records import mark

CHUNK_FRAMES = 16
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LEVEL = 1
# The last record of a zip: its first bytes, its length without a comment, and its length with our longest comment.
_END, _END_BYTES = b"PK\5\6", 22
_LONGEST_END = _END_BYTES + 64
# The same two codecs twice: for zarr's metadata, and as functions.
_CODECS = (ZstdCodec(level=_LEVEL), Crc32cCodec())
_COMPRESS, _APPEND_CHECKSUM = Zstd(level=_LEVEL).encode, CRC32C(location="end").encode


@dataclass(frozen=True)
class Variable:
    """An array with the names of its dimensions.

    Attributes:
        dimensions: one name for each axis.
        data: the array.
        attributes: plain values that explain it, such as ``units`` or ``long_name``.
    """

    dimensions: tuple[str, ...]
    data: np.ndarray
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Array:
    """An array being written, row after row along its first axis; ``Writer.array`` adds one."""

    def __init__(
        self, archive: zipfile.ZipFile, name: str, row: tuple[int, ...], dtype: Any, chunks: tuple[int, ...]
    ) -> None:
        self._archive, self._name, self._chunks = archive, name, chunks
        # The rows of one chunk, little-endian as zarr's codec is by default.
        self._waiting = np.zeros((chunks[0], *row), np.dtype(dtype).newbyteorder("<"))
        self._length = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the rows written so far."""
        return (self._length, *self._waiting.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """The type of its values."""
        return self._waiting.dtype

    def append(self, rows: Any) -> None:
        """Add rows at the end.

        Args:
            rows: (any number, *row shape); their type is converted to the array's.
        """
        rows = np.asarray(rows, self.dtype)
        if rows.shape[1:] != self._waiting.shape[1:]:
            raise ValueError(f"{self._name}: rows of {rows.shape[1:]} in an array of {self._waiting.shape[1:]}")
        size = len(self._waiting)
        while len(rows):
            start = self._length % size
            some, rows = rows[: size - start], rows[size - start :]
            self._length += len(some)
            if len(some) == size:
                self._pack(some)
                continue
            self._waiting[start : start + len(some)] = some
            if self._length % size == 0:
                self._pack(self._waiting)

    def close(self) -> None:
        """Write the last chunk if it is incomplete, padded with zeros."""
        last = self._length % len(self._waiting)
        if last:
            self._waiting[last:] = 0
            self._pack(self._waiting)

    def _pack(self, rows: np.ndarray) -> None:
        row = (self._length - 1) // len(self._waiting)
        _, *sizes = self._chunks
        counts = [-(-length // size) for length, size in zip(self.shape[1:], sizes, strict=True)]
        for place in np.ndindex(*counts):
            parts = (slice(at * size, (at + 1) * size) for at, size in zip(place, sizes, strict=True))
            chunk = rows[:, *parts]
            if chunk.shape != self._chunks:
                missing = [(0, size - length) for size, length in zip(self._chunks, chunk.shape, strict=True)]
                chunk = np.pad(chunk, missing)
            key = "/".join(map(str, ("c", row, *place)))
            _add(self._archive, f"{self._name}/{key}", _APPEND_CHECKSUM(_COMPRESS(np.ascontiguousarray(chunk))))


class Writer:
    """A store being written; ``create`` opens one."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._arrays: dict[str, tuple[Array, dict[str, Any]]] = {}
        self._attributes: dict[str, Any] = {}

    def array(
        self,
        name: str,
        dimensions: tuple[str, ...],
        row: tuple[int, ...],
        dtype: Any,
        chunks: tuple[int, ...],
        attributes: Mapping[str, Any] | None = None,
    ) -> Array:
        """Add an array that is then filled by ``append``.

        Args:
            name: name of the array.
            dimensions: one name for each axis.
            row: shape of a row, that is the array's shape without the first axis.
            dtype: type of the values.
            chunks: shape of a chunk, first axis included.
            attributes: plain values that explain the array.
        """
        chunks = tuple(max(1, size) for size in chunks)
        array = Array(self._archive, name, row, dtype, chunks)
        described = {"dimension_names": dimensions, "chunks": chunks, "attributes": dict(attributes or {})}
        self._arrays[name] = array, described
        return array

    def variable(self, name: str, variable: Variable) -> None:
        """Add a whole array, in chunks of ``CHUNK_FRAMES`` along its first axis."""
        length, *row = variable.data.shape
        chunks = (min(CHUNK_FRAMES, length), *row)
        array = self.array(name, variable.dimensions, tuple(row), variable.data.dtype, chunks, variable.attributes)
        array.append(variable.data)

    def attributes(self, values: Mapping[str, Any]) -> None:
        """Set attributes of the store. Tables and lists of texts become JSON, because netCDF has neither."""
        self._attributes.update({name: _as_text(value) for name, value in values.items()})

    def close(self) -> None:
        """Write the last chunks of the arrays, and the metadata, which zarr makes."""
        files: dict[str, Any] = {}
        group = zarr.create_group(MemoryStore(files), attributes=self._attributes)
        for name, (array, described) in self._arrays.items():
            array.close()
            group.create_array(name, shape=array.shape, dtype=array.dtype, compressors=_CODECS, **described)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # xarray needs consolidated metadata; the v3 specification lacks it
            zarr.consolidate_metadata(group.store)
        for key, content in sorted(files.items()):
            _add(self._archive, key, content.to_bytes())


def _as_text(value: Any) -> Any:
    of_texts = isinstance(value, list) and any(isinstance(entry, str) for entry in value)
    return json.dumps(value) if of_texts or isinstance(value, dict) else value


def _from_text(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value.startswith(("{", "[")) else value


@contextmanager
def create(path: str | Path) -> Iterator[Writer]:
    """Open a store for writing; ``path`` exists only once the block has succeeded."""
    with written_whole(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        writer = Writer(archive)
        yield writer
        writer.close()
        archive.comment = mark()


class Reader:
    """A store open for reading; ``load`` opens one. Damage is an error that names the file."""

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path = path
        self.attributes = {name: _from_text(value) for name, value in group.attrs.items()}
        self._arrays = dict(group.arrays())

    def names(self) -> list[str]:
        """Return the names of the arrays, sorted."""
        return sorted(self._arrays)

    def dimensions(self, name: str) -> tuple[str, ...]:
        """Return the names of an array's dimensions."""
        metadata: Any = self._arrays[name].metadata  # Zarr v3 metadata has dimension_names
        return tuple(metadata.dimension_names)

    def about(self, name: str) -> dict[str, Any]:
        """Return an array's attributes."""
        return dict(self._arrays[name].attrs)

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
        SearchlightError: the file is missing, cut off, or no store.
    """
    path = Path(path)
    if not path.exists():
        raise SearchlightError(f"{path}: no such file")
    with _damage_named(path):
        _check_end(path)
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
        store = ZipStore(path, mode="r")
        group = zarr.open_group(store, mode="r")
        for name, array in group.arrays():
            _check_chunks(name, array, names)
        reader = Reader(path, group)
    try:
        yield reader
    finally:
        store.close()


def _check_end(path: Path) -> None:
    """Check that a zip's comment is whole, because it holds the lineage and zipfile does not check it."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - _LONGEST_END))
        end = file.read()
    record = end[end.rfind(_END) :]
    comment = int.from_bytes(record[_END_BYTES - 2 : _END_BYTES], "little")
    if not record.startswith(_END) or len(record) != _END_BYTES + comment:
        raise ValueError("found no whole end of a zip")


def _check_chunks(name: str, array: zarr.Array[Any], names: Container[str]) -> None:
    """Check that all chunks are there, because zarr reads a missing or misnamed chunk as zeros."""
    counts = [-(-length // size) for length, size in zip(array.shape, array.chunks, strict=True)]
    for place in np.ndindex(*counts):
        chunk = f"{name}/{array.metadata.encode_chunk_key(place)}"
        if chunk not in names:
            raise ValueError(f"found no {chunk}")


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (SearchlightError, MemoryError):
        raise
    except PermissionError as error:
        raise SearchlightError(f"{path}: cannot be read: {one_line(error)}") from error
    except Exception as error:  # zip, zstd, crc32c and json raise many kinds for a damaged file
        raise damaged(path, error) from error


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)
