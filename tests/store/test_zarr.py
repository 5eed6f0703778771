"""Stores: chunk by chunk, the writer makes the entries that zarr makes, and equal data give equal bytes."""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from helpers.files import save
from hypothesis import given, settings
from hypothesis import strategies as st
from searchlight.agents.rollout import play_episode
from searchlight.store.blocks import runs
from searchlight.store.zarr import _CODECS, CHUNK_FRAMES, Variable, create, load

MEGABYTE = 2**20
TYPES = (np.uint8, np.int64, np.float32, np.float64)


@st.composite
def arrays_and_chunks(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, ...], int]:
    """An array, chunks that need not divide it, and how many rows are appended at a time."""
    shape = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple))
    chunks = draw(st.tuples(*(st.integers(1, 5) for _ in shape)))
    values = np.random.default_rng(draw(st.integers(0, 9))).integers(0, 200, shape)
    return values.astype(draw(st.sampled_from(TYPES))), chunks, draw(st.integers(1, 9))


def entries(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written_by_zarr(data: np.ndarray, chunks: tuple[int, ...], attributes: dict[str, Any]) -> dict[str, bytes]:
    files: dict[str, Any] = {}
    group = zarr.create_group(zarr.storage.MemoryStore(files))
    names = [f"axis{axis}" for axis in range(data.ndim)]
    array = group.create_array(
        "data",
        data=data,
        chunks=chunks,
        dimension_names=names,
        compressors=_CODECS,
        attributes=attributes,
        config={"write_empty_chunks": True},
    )
    assert array.shape == data.shape
    return {name: content.to_bytes() for name, content in files.items() if name != "zarr.json"}


def write(path: Path, data: np.ndarray, chunks: tuple[int, ...], rows: int, attributes: dict[str, Any]) -> None:
    with create(path) as writer:
        dimensions = tuple(f"axis{axis}" for axis in range(data.ndim))
        array = writer.array("data", dimensions, data.shape[1:], data.dtype, chunks, attributes)
        for run in runs(0, len(data), rows):
            array.append(data[run])
        writer.attributes({"about": [1, 2]})


@settings(deadline=None)
@given(arrays_and_chunks())
def test_entries_equal_those_that_zarr_writes(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[np.ndarray, tuple[int, ...], int]
) -> None:
    data, chunks, rows = drawn
    path = tmp_path_factory.getbasetemp() / "by-chunks.zarr.zip"
    write(path, data, chunks, rows, {"long_name": "x"})
    written = entries(path)
    root = written.pop("zarr.json")
    assert written == written_by_zarr(data, chunks, {"long_name": "x"})
    assert b'"consolidated_metadata"' in root
    with load(path) as store:
        assert store.attributes == {"about": [1, 2]}
        read = store.read("data")
    assert read.dtype == data.dtype
    np.testing.assert_array_equal(read, data)


def test_bytes_do_not_depend_on_how_rows_are_appended(tmp_path: Path) -> None:
    data = np.random.default_rng(0).random((40, 7))
    for rows in (1, 3, 16, 40):
        write(tmp_path / f"{rows}", data, (16, 7), rows, {})
    assert len({(tmp_path / f"{rows}").read_bytes() for rows in (1, 3, 16, 40)}) == 1


def test_chunks_of_zeros_are_written(tmp_path: Path) -> None:
    save(tmp_path / "zeros", {"zeros": Variable(("time",), np.zeros(CHUNK_FRAMES + 1))}, {})
    assert {"zeros/c/0", "zeros/c/1"} <= entries(tmp_path / "zeros").keys()


@pytest.mark.parametrize("rows", [np.zeros((2, 4)), np.zeros(3), np.zeros((2, 3, 1))])
def test_rows_of_a_wrong_shape_are_refused_and_leave_nothing(tmp_path: Path, rows: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"data: rows of .* in an array of \(3,\)"), create(tmp_path / "x") as writer:
        writer.array("data", ("time", "y"), (3,), np.float32, (2, 3)).append(rows)
    assert list(tmp_path.iterdir()) == []


def peak_megabytes(work: Any) -> float:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / MEGABYTE
    finally:
        tracemalloc.stop()


def test_writing_an_array_needs_the_memory_of_a_chunk(tmp_path: Path) -> None:
    frame = np.zeros((1, MEGABYTE), np.uint8)

    def append_a_hundred_megabytes() -> None:
        with create(tmp_path / "x") as writer:
            array = writer.array("data", ("time", "byte"), (MEGABYTE,), np.uint8, (4, MEGABYTE))
            for _ in range(100):
                array.append(frame)

    assert peak_megabytes(append_a_hundred_megabytes) < 20


def test_playing_an_episode_needs_the_memory_of_a_chunk(policy_path: Path, tmp_path: Path) -> None:
    settings = {"agent": "a", "env": "Breakout-v0", "preprocessing": "cv2", "actions": "greedy", "seed": 1}
    steps = 12 * CHUNK_FRAMES
    raw = steps * 210 * 160 * 3 / MEGABYTE
    peak = peak_megabytes(lambda: play_episode(policy_path, tmp_path / "x", **settings, max_steps=steps))
    assert peak < raw / 2
