"""Results open as lazy datasets, by name or by path."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searchlight
import xarray
from helpers.agents import STEPS
from helpers.clips import FRAMES
from searchlight.errors import SearchlightError
from searchlight.store.zarr import load
from zarr.storage import ZipStore

EPISODE, CLIP = "results/episodes/breakout/seed-1.zarr.zip", "results/clips/demo/erase.zarr.zip"


@pytest.fixture(autouse=True)
def folder(results_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the results that a test may change, as the working folder."""
    shutil.copytree(results_folder / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def chunks_read(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Names of the arrays with at least one chunk read."""
    read, get = set(), ZipStore.get

    async def noted(self: ZipStore, key: str, *arguments: Any, **settings: Any) -> Any:
        name, _, chunk = key.partition("/")
        if chunk.startswith("c/"):
            read.add(name)
        return await get(self, key, *arguments, **settings)

    monkeypatch.setattr(ZipStore, "get", noted)
    return read


def test_clip_opens_by_name_and_by_path() -> None:
    with load(CLIP) as store:
        names, frames, maps = set(store.names()), store.read("frame"), store.read("actor")
    for clip in (
        searchlight.open_clip("demo"),
        searchlight.open_clip("demo", method="erase"),
        searchlight.open_clip(CLIP),
        searchlight.open_clip(Path(CLIP)),
    ):
        assert {*map(str, clip.variables)} == names
        assert clip["actor"].dims == ("time", "y", "x")
        assert clip["time"].values.tolist() == list(range(FRAMES[0], FRAMES[1] + 1))
        np.testing.assert_array_equal(clip["frame"], frames)
        np.testing.assert_array_equal(clip["actor"], maps)


def test_episode_opens_by_agent_and_by_path() -> None:
    for episode in (
        searchlight.open_episode("breakout", seed=1),
        searchlight.open_episode("breakout"),
        searchlight.open_episode(EPISODE),
        searchlight.open_episode(Path(EPISODE)),
    ):
        assert episode.sizes["time"] == STEPS
        assert episode.attrs["seed"] == 1
        assert episode[episode.attrs["output"]].dims == ("time", "action_index")


def test_arrays_are_read_only_on_access(chunks_read: set[str]) -> None:
    clip = searchlight.open_clip("demo")
    assert chunks_read <= {"time", "y", "x"}
    clip["value"].load()
    assert chunks_read <= {"time", "y", "x", "value"}
    clip["frame"].isel(time=0).load()
    assert "frame" in chunks_read


def test_table_attributes_are_json_text_and_survive_netcdf(folder: Path) -> None:
    clip = searchlight.open_clip("demo")
    assert json.loads(clip.attrs["action_meanings"])[0] == "NOOP"
    # scipy writes netCDF 3, which has no unsigned bytes.
    clip.drop_vars(["frame", "ram"]).to_netcdf(folder / "clip.nc", engine="scipy")
    again = xarray.load_dataset(folder / "clip.nc")
    assert json.loads(again.attrs["perturbation"])["space"] == "screen"
    np.testing.assert_array_equal(again["critic"], clip["critic"])


def test_every_array_has_a_long_name() -> None:
    clip = searchlight.open_clip("demo")
    assert clip[clip.attrs["output"]].attrs["long_name"] == "actor's logits"
    assert {str(name) for name in clip.data_vars if "long_name" not in clip[name].attrs} == set()


MISTAKES = {
    "another clip": (
        lambda: searchlight.open_clip("dmeo"),
        "results/clips/dmeo: no such folder; {}/results/clips has: demo",
    ),
    "another method": (
        lambda: searchlight.open_clip("demo", method="blur"),
        "results/clips/demo: method: found 'blur', allowed: bars, erase",
    ),
    "several methods": (
        lambda: searchlight.open_clip("demo"),
        "results/clips/demo: method: found none, allowed: bars, erase",
    ),
    "another path": (
        lambda: searchlight.open_clip("results/clips/demo/a.zarr.zip"),
        "results/clips/demo/a.zarr.zip: no such file; stores there: bars.zarr.zip, erase.zarr.zip",
    ),
    "a folder": (lambda: searchlight.open_clip(Path("results")), "results: no such file; stores there: none"),
    "a method of a path": (
        lambda: searchlight.open_clip(CLIP, method="erase"),
        f"method: found 'erase' beside the path {CLIP}, allowed: beside a name",
    ),
    "another agent": (
        lambda: searchlight.open_episode("pong"),
        "results/episodes/pong: no such folder; {}/results/episodes has: breakout",
    ),
    "another seed": (
        lambda: searchlight.open_episode("breakout", seed=2),
        "results/episodes/breakout: seed: found 2, allowed: 1, 3, 10",
    ),
    "several seeds": (
        lambda: searchlight.open_episode("breakout"),
        "results/episodes/breakout: seed: found none, allowed: 1, 3, 10",
    ),
    "a damaged store": (
        lambda: searchlight.open_episode("breakout", seed=3),
        "results/episodes/breakout/seed-3.zarr.zip: damaged, delete it and run again (found no whole end of a zip)",
    ),
}


@pytest.mark.parametrize(("mistake", "line"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_one_line_that_lists_what_exists(mistake: Any, line: str, folder: Path) -> None:
    shutil.copy2(CLIP, Path(CLIP).with_name("bars.zarr.zip"))
    shutil.copy2(EPISODE, Path(EPISODE).with_name("seed-10.zarr.zip"))
    Path(EPISODE).with_name("seed-3.zarr.zip").write_bytes(b"damaged")
    with pytest.raises(SearchlightError) as caught:
        mistake()
    assert str(caught.value) == line.format(folder)


def test_error_without_results_names_none(folder: Path) -> None:
    shutil.rmtree(folder / "results")
    with pytest.raises(SearchlightError, match=r"results/clips has: none$"):
        searchlight.open_clip("demo")


def test_import_of_the_package_loads_no_heavy_library() -> None:
    code = "import sys, searchlight; print({'numpy', 'xarray', 'zarr', 'pydantic'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    with pytest.raises(AttributeError, match="has no attribute 'open_video'"):
        _ = searchlight.open_video
