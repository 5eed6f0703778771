"""Measures in the workflow: their files, the same numbers however they are computed, and what an edit runs again."""

from __future__ import annotations

import copy
import csv
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers.planning import plan
from helpers.project import Project, new_project
from searchlight.store.zarr import load

pytestmark = pytest.mark.workflow

WINDOW = {"space": "screen", "perturber": {"SlidingWindow": {"window_size": [20, 20], "stride": [20, 20]}}}
MEASURES = [
    {"memory": {"frames": 8}},
    "objects",
    {"interventions": {"frames": 6}},
    {"faithfulness": {"frames": 4}},
    {"randomisation": {"frames": 3}},
]
OF_CLIP = ("memory", "objects", "interventions", "faithfulness")
OF_METHOD = ("objects", "interventions", "faithfulness", "randomisation")
METHODS = ("occlusion", "slope")
CLIP = {"agent": "breakout", "seed": 15, "max_steps": 90, "frames": [60, 83], "methods": list(METHODS)}
BASE: dict[str, Any] = {
    "block_size": 16,
    "agents": {"breakout": {"checkpoint": "bundled:breakout", "env": "Breakout-v0", "preprocessing": "cv2"}},
    "perturbations": {"window": {**WINDOW, "fill": 0}},
    "methods": {
        "occlusion": {"perturbation": "window", "scorer": "SquaredDifference"},
        "slope": {"gradient": "gradient"},
    },
    "clips": {"one": {**CLIP, "measures": MEASURES}},
    "video": {"zoom": 1},
}
SHOWN = {"tabulate_measures": 1, "page": 1}


def configured(project: Project, **edits: Any) -> None:
    """Write the project's config; ``edits`` are values at keys, divided by two underscores."""
    config = copy.deepcopy(BASE)
    for key, value in edits.items():
        *path, last = key.split("__")
        table = config
        for part in path:
            table = table[part]
        table[last] = value
    path = project.folder / "config" / "config.yaml"
    path.unlink(missing_ok=True)
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished run of a clip with all measures."""
    project = new_project(tmp_path_factory.mktemp("measures") / "finished")
    configured(project)
    project.completed()
    return project


def stores(project: Project) -> dict[str, dict[str, np.ndarray]]:
    """Return the arrays of all measures, by path."""
    root, found = project.folder / "results" / "measures", {}
    for path in sorted(root.rglob("*.zarr.zip")):
        with load(path) as store:
            found[path.relative_to(root).as_posix()] = {name: store.read(name) for name in store.names()}
    return found


def rows(project: Project, name: str) -> list[dict[str, str]]:
    with (project.folder / "results" / "clips" / "one" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_part_is_computed_once(finished: Project) -> None:
    expected = {f"one/{name}.zarr.zip" for name in OF_CLIP}
    expected |= {f"one/{method}/{name}.zarr.zip" for method in METHODS for name in OF_METHOD}
    assert stores(finished).keys() == expected
    shown = finished.folder / "results" / "clips" / "one"
    assert {path.stem for path in shown.glob("*.png")} == {*OF_CLIP, *OF_METHOD}
    assert plan(finished.folder) == set()


def test_table_has_all_measures_and_methods(finished: Project) -> None:
    table = rows(finished, "measures.csv")
    assert {row["measure"] for row in table} == {*OF_CLIP, *OF_METHOD}
    for measure in OF_METHOD:
        named = {row["of"] for row in table if row["measure"] == measure and row["is_method"] == "True"}
        assert named == {*METHODS}, measure
    for row in table:
        for column in ("value", "low", "high"):
            assert row[column] == "" or np.isfinite(float(row[column])), row


def test_numbers_along_the_frames_are_of_the_clip(finished: Project) -> None:
    lines = rows(finished, "measures-by-frame.csv")
    decisions = [int(line["decision"]) for line in lines]
    assert decisions == sorted(decisions)
    assert set(decisions) <= set(range(60, 84))
    assert any(name.startswith("memory: ") for name in lines[0])


def test_numbers_do_not_depend_on_blocks_or_cores(finished: Project, tmp_path: Path) -> None:
    other = new_project(tmp_path / "other")
    configured(other, block_size=11)
    other.completed("--cores", "1")
    ours, theirs = stores(finished), stores(other)
    assert ours.keys() == theirs.keys()
    for path, arrays in ours.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, theirs[path][name], err_msg=f"{path}: {name}")
    for name in ("measures.csv", "measures-by-frame.csv"):
        mine, others = ([{**row, "made_by": ""} for row in rows(project, name)] for project in (finished, other))
        assert mine == others


def test_results_without_records_are_up_to_date(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "project")
    shutil.rmtree(project.folder / ".snakemake")
    assert plan(project.folder) == set()


def test_measures_that_are_not_named_any_more_are_unused(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "project")
    configured(project, clips__one=CLIP)
    unused = project.snakemake("list_unused").stdout.split()
    assert {"results/clips/one/measures.csv", "results/clips/one/objects.png"} <= set(unused)
    assert sum(path.startswith("results/measures/") for path in unused) == len(OF_CLIP) + 2 * len(OF_METHOD)


def commented(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8") + "# A comment.\n", encoding="utf-8")


PACKAGE = "scripts/searchlight"
# A clip that shows other maps of one method: three blocks.
MAPS = {"score": 3, "collect": 1, "render": 1}
EDITS: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "a measure less": ({"clips__one__measures": MEASURES[:4]}, SHOWN),
    "another order": ({"clips__one__measures": MEASURES[::-1]}, SHOWN),
    "an argument of a clip's part": (
        {"clips__one__measures": [{"memory": {"frames": 7}}, *MEASURES[1:]]},
        {"measure_clip": 1, "draw_measure": 1, **SHOWN},
    ),
    "an argument of both parts": (
        {"clips__one__measures": [*MEASURES[:2], {"interventions": {"frames": 5}}, *MEASURES[3:]]},
        {"measure_clip": 1, "measure_method": 2, "draw_measure": 1, **SHOWN},
    ),
    "scorer": (
        {"methods__occlusion__scorer": "OcclusionScoring"},
        {**MAPS, "measure_method": 4, "draw_measure": 4, **SHOWN},
    ),
    "scale": ({"methods__occlusion__scale": "clip"}, {"collect": 1, "render": 1, "page": 1}),
    # Those of the whole episode stay.
    "frames": (
        {"clips__one__frames": [62, 83]},
        {
            "check_frames": 1,
            "collect": 2,
            "render": 2,
            "render_gameplay": 1,
            "measure_clip": 3,
            "measure_method": 4,
            "draw_measure": 3,
            **SHOWN,
        },
    ),
    "block_size": (
        {"block_size": 24},
        {
            "perturb": 2,
            "score": 2,
            "differentiate": 2,
            "collect": 2,
            "render": 2,
            # Others make their own maps.
            "measure_method": 2,
            "draw_measure": 1,
            **SHOWN,
        },
    ),
}
FILES: dict[str, dict[str, int]] = {
    f"{PACKAGE}/measures/memory.py": {"measure_clip": 1, "draw_measure": 1, **SHOWN},
    f"{PACKAGE}/measures/faithfulness.py": {"measure_clip": 1, "measure_method": 2, "draw_measure": 1, **SHOWN},
    f"{PACKAGE}/measures/games/breakout.py": {"measure_clip": 2, "measure_method": 4, "draw_measure": 2, **SHOWN},
    f"{PACKAGE}/measures/games/pong.py": {},
    f"{PACKAGE}/clips/measure_clip.py": {"measure_clip": 4, "measure_method": 8, "draw_measure": 5, **SHOWN},
    f"{PACKAGE}/clips/tabulate_measures.py": SHOWN,
    f"{PACKAGE}/clips/results_of.py": {"draw_measure": 5, **SHOWN},
    f"{PACKAGE}/clips/draw_measure.py": {"draw_measure": 5},
}


def planned(finished: Project, folder: Path, change: Callable[[Project], None]) -> dict[str, int]:
    project = finished.copy(folder)
    change(project)
    return dict(Counter(job.partition("/")[0] for job in plan(project.folder)))


@pytest.mark.parametrize("name", EDITS)
def test_edit_of_the_config_plans_exactly_what_depends_on_it(finished: Project, tmp_path: Path, name: str) -> None:
    edits, expected = EDITS[name]
    assert planned(finished, tmp_path / "project", lambda project: configured(project, **edits)) == expected


@pytest.mark.parametrize("name", FILES)
def test_edit_of_a_file_plans_exactly_what_depends_on_it(finished: Project, tmp_path: Path, name: str) -> None:
    def change(project: Project) -> None:
        commented(project.folder / name)

    assert planned(finished, tmp_path / "project", change) == FILES[name]
