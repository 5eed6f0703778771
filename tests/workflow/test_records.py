"""Each result holds its lineage, which is read where Snakemake has no record of the result."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml
from helpers.planning import plan
from helpers.project import ROOT, Project, new_project
from helpers.small import edited
from snakemake.utils import update_config

pytestmark = pytest.mark.workflow

SMALL = (("clips/small/frames", [6, 9]), ("clips/small/max_steps", 12), ("clips/small/methods", ["occlusion"]))
ALL = {
    "rollout": 1,
    "background": 1,
    "check_frames": 1,
    "perturb": 2,
    "score": 2,
    "collect": 1,
    "render": 1,
    "render_gameplay": 1,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a finished run, whose config is the project's own."""
    project = new_project(tmp_path_factory.mktemp("records") / "project")
    configure(project)
    project.completed()
    return project


def configure(project: Project, *edits: tuple[str, object]) -> None:
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    update_config(config, yaml.safe_load(edited(*SMALL, *edits)))
    (project.folder / "config" / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def without_records(finished: Project, folder: Path) -> Project:
    """Return a copy of a project whose results Snakemake has no record of."""
    project = finished.copy(folder / "project")
    shutil.rmtree(project.folder / ".snakemake")
    return project


def planned(project: Project) -> dict[str, int]:
    return dict(Counter(job.partition("/")[0] for job in plan(project.folder)))


def test_unchanged_results_without_a_record_are_up_to_date(finished: Project, tmp_path: Path) -> None:
    assert planned(without_records(finished, tmp_path)) == {}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("methods/occlusion/scale", "none", {"collect": 1, "render": 1, "page": 1}),
        ("methods/occlusion/gain", 3, {"render": 1, "page": 1}),
        ("video/zoom", 2, {"render": 1, "render_gameplay": 1, "page": 1}),
        ("perturbations/window/fill", 90, {"perturb": 2, "score": 2, "collect": 1, "render": 1, "page": 1}),
        ("agents/breakout/env", "BreakoutNoFrameskip-v4", {**ALL, "page": 1}),
        ("clips/small/seed", 2, {**ALL, "page": 1}),
    ],
)
def test_results_of_another_config_are_made_again(
    key: str, value: object, expected: dict[str, int], finished: Project, tmp_path: Path
) -> None:
    project = without_records(finished, tmp_path)
    configure(project, (key, value))
    assert planned(project) == expected


def test_results_without_lineage_are_made_again(finished: Project, tmp_path: Path) -> None:
    project = without_records(finished, tmp_path)
    (page,) = (project.folder / "results").glob("clips/*/index.html")
    page.write_text(page.read_text(encoding="utf-8").rpartition("<!--")[0], encoding="utf-8")
    assert planned(project) == {"page": 1}


def test_run_without_records_makes_what_changed_and_then_nothing(finished: Project, tmp_path: Path) -> None:
    project = without_records(finished, tmp_path)
    configure(project, ("methods/occlusion/scale", "none"))
    project.completed()
    assert planned(project) == {}
    shutil.rmtree(project.folder / ".snakemake")
    assert planned(project) == {}
    configure(project)
    assert planned(project) == {"collect": 1, "render": 1, "page": 1}
