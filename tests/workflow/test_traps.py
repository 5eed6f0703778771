"""Unusual uses: other folders, other workflows, unusual paths, and values that Snakemake or YAML read differently."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers.files import save
from helpers.project import Project, new_project, snakemake
from searchlight.config.folders import unusable
from searchlight.config.read import read_config, typed
from searchlight.config.yaml_files import REPEATED, differing_scalars
from searchlight.errors import SearchlightError
from searchlight.store.zarr import Variable, load

TINY = {
    "block_size": 8,
    "agents": {"breakout": {"checkpoint": "bundled:breakout", "env": "Breakout-v0", "preprocessing": "cv2"}},
    "perturbations": {"window": {"space": "screen", "perturber": {"SlidingWindow": {"window_size": [40, 40]}}}},
    "methods": {"occlusion": {"perturbation": "window", "scorer": "OcclusionScoring"}},
    "clips": {
        "tiny": {"agent": "breakout", "seed": 1, "max_steps": 12, "frames": [4, "end"], "methods": ["occlusion"]}
    },
    "video": {"zoom": 1},
}
PAGE = "results/clips/tiny/index.html"


def completed(folder: Path, *arguments: str) -> str:
    done = snakemake(folder, *arguments)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stderr + done.stdout


@pytest.mark.workflow
@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
@pytest.mark.parametrize("how", ["-d", "from there"])
def test_workflow_runs_from_any_folder(project: Project, tmp_path: Path, snakefile: str, how: str) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "mine.yaml").write_text("video: {zoom: 2}")
    target = "results/agents/breakout/policy.safetensors"
    start, place = (project.folder, ["-d", str(here)]) if how == "-d" else (here, [])
    common = ["-s", str(project.folder / snakefile), *place, "--configfile", str(tmp_path / "mine.yaml")]
    said = completed(start, target, *common)
    assert (here / target).is_file()
    assert not (project.folder / "results").exists()
    assert len(re.findall(r"^config: found no config/config.yaml in \S+, used: \S+$", said, re.MULTILINE)) == 1
    assert re.search(r"^ (all|everything) +1", completed(start, "-n", *common), re.MULTILINE)
    (here / "config").mkdir()
    (here / "config" / "config.yaml").write_text(yaml.safe_dump(TINY))
    assert "found no config/config.yaml" not in completed(start, PAGE, "-n", *common)


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("snakefile", "name", "prefix"),
    [
        ("Snakefile", "", ""),
        ("Snakefile", "as searchlight_*", ""),
        ("workflow/Snakefile", "as searchlight_*", 'prefix: "sub"'),
    ],
)
def test_another_workflow_uses_this_one_as_a_module(
    project: Project, tmp_path: Path, snakefile: str, name: str, prefix: str
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "config.yaml").write_text(yaml.safe_dump({"searchlight": TINY, "samples": "yes"}))
    inside = "sub/" if prefix else ""
    # Results of the outer workflow that Snakemake has no record of are not ours to look into.
    (mine / "own.txt").touch()
    (mine / "folder").mkdir()
    # The first rule of the outer workflow stays its default.
    (mine / "Snakefile").write_text(f"""
configfile: "config.yaml"
rule mine:
    input: "{inside}{PAGE}", "own.txt", "folder"
    output: "results/mine.txt"
    shell: "cp {{input[0]}} {{output}}"
rule own:
    output: "own.txt"
    shell: "touch {{output}}"
rule folder:
    output: directory("folder")
    shell: "mkdir {{output}}"
module searchlight:
    snakefile: "{project.folder / snakefile}"
    config: config["searchlight"]
    {prefix}
use rule * from searchlight {name}
""")
    completed(mine)
    assert (mine / "results/mine.txt").is_file()
    assert (mine / inside / PAGE).is_file()
    assert not prefix or {path.name for path in (mine / "results").iterdir()} == {"mine.txt"}
    assert "Nothing to be done" in completed(mine, "-n")
    old = mine / inside / "results/clips/old/index.html"
    old.parent.mkdir()
    old.touch()
    completed(mine, "searchlight_delete_unused" if name else "delete_unused")
    assert not old.exists()
    assert (mine / "results/mine.txt").is_file()
    assert (mine / inside / PAGE).is_file()


@pytest.mark.parametrize("project", ["/a/{b}/c", "/a/}", "/a/b:c"])
def test_unusable_project_path_is_named(project: str) -> None:
    line = unusable(project, "/bin/python")
    assert line is not None
    assert line.startswith(f"{project}: found '")
    assert "\n" not in line


def test_unusual_but_usable_paths_pass() -> None:
    assert unusable("/a b/ünï'\"$*[x]&;|\\%20#?", "/bin/python") is None
    assert "space" in (unusable("/a", "/a b/python") or "")


@pytest.mark.workflow
def test_project_path_with_braces_is_one_line(tmp_path: Path) -> None:
    done = new_project(tmp_path / "{a}" / "project").snakemake("-n")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"{tmp_path}/{{a}}/project: found '{{' in the path")
    assert "Traceback" not in done.stderr


def named(table: str, name: str) -> str:
    config = json.loads(json.dumps(TINY))
    config[table] = {**config[table], name: next(iter(config[table].values()))}
    try:
        read_config(config, Path())
    except SearchlightError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("table", ["agents", "perturbations", "methods", "clips"])
def test_names_are_at_most_64_letters_and_end_in_no_repetition(table: str) -> None:
    assert named(table, "a" * 19) == ""
    assert named(table, "ab" * 19 + "c" * 19) == ""
    assert named(table, "a1" + "b" * 19 + "c" * 19 + "d" * 19 + "-end") == ""
    for name, end in (("a" * 20, "a"), ("a" * 25, "a"), ("x" + "ab" * 20, "ab"), ("abc" * 21, "abc")):
        assert named(table, name).startswith(f"config: {table}.{name}: found a name that ends in '{end}' 20 times")
    for length in (65, 225, 300):
        assert "allowed: at most 64 letters" in named(table, ("ab-" * 100)[: length - 1] + "c")
        assert "\n" not in named(table, "a" * length)


def test_expanded_clip_names_end_in_no_repetition() -> None:
    clip = {**TINY["clips"]["tiny"], "agent": ["a"]}
    config = {**TINY, "agents": {"a": TINY["agents"]["breakout"]}, "clips": {"-".join("a" * 20): clip}}
    with pytest.raises(SearchlightError, match="found a name that ends in '-a' 20 times"):
        read_config(config, Path())


def test_checkpoint_path_with_braces_is_refused() -> None:
    config = json.loads(json.dumps(TINY))
    config["agents"]["breakout"]["checkpoint"] = "my{agent}.tar"
    with pytest.raises(SearchlightError, match=r"^config: agents.breakout.checkpoint: found 'my\{agent\}.tar'"):
        read_config(config, Path())


def test_numbers_on_the_command_line_are_numbers() -> None:
    given = {
        "video": {"zoom": "2", "actor": "#ffffff"},
        "clips": {"demo": "null", "a": {"frames": ["0", "010"]}},
    }
    wanted = {"video": {"zoom": 2, "actor": "#ffffff"}, "clips": {"demo": None, "a": {"frames": [0, "010"]}}}
    assert typed(given) == wanted
    assert typed({"device": "cpu", "block_size": 4, "video": None}) == {"device": "cpu", "block_size": 4, "video": None}


@pytest.mark.workflow
def test_table_on_the_command_line_is_read(project: Project) -> None:
    project.completed("-n", "--config", "video={zoom: 2}", "clips={demo: {frames: [0, 9]}}")
    done = project.snakemake("-n", "--config", "video={zoom: 99}")
    assert "config: video.zoom: found 99, allowed: 1 to 11" in done.stderr


# YAML 1.1, which Snakemake reads, and YAML 1.2, which users expect.
SAME = [
    *(
        "a: 1",
        "a: -1",
        "a: +1",
        "a: 0",
        "a: 00",
        "a: 0.5",
        "a: .5",
        "a: -.5",
        "a: 1.0",
        "a: 0x10",
        "a: .inf",
        "a: .nan",
    ),
    *(
        "a: 1e3",
        "a: 1.5e3",
        "1e3: x",
        "1: x",
        "a: true",
        "a: null",
        "a: ~",
        "a:",
        "a: 'on'",
        'a: "010"',
        "a: y",
        "a: n",
    ),
    *("a: !!str on", "a: !!str 010", "a: &x {b: 1}\nc: {<<: *x}", "a: >\n  on\n", "a: hello world", "a: 2001-1"),
    *("a: https://x:80/y", '{"on": 10}', "", "# nothing", "a: 1_a", "a: [0, 10, end]", "a: b:c", "a: 0b2"),
]
DIFFER = [
    ("clips: {on: 1}", [(1, "clips.on", "on", True)]),
    ("a:\n  b: {c: [010, 020]}", [(2, "a.b.c.0", "010", 8), (2, "a.b.c.1", "020", 16)]),
    ("a: 1:30", [(1, "a", "1:30", 90)]),
    ("a: 1:30.5", [(1, "a", "1:30.5", 90.5)]),
    ("a: yes\nb: No\nc: OFF", [(1, "a", "yes", True), (2, "b", "No", False), (3, "c", "OFF", False)]),
    ("a: 0o10", [(1, "a", "0o10", "0o10")]),
    ("a: 08", [(1, "a", "08", "08")]),
    ("a: 1_000", [(1, "a", "1_000", 1000)]),
    ("a: 0_", [(1, "a", "0_", 0)]),
    ("a: 1_0.5", [(1, "a", "1_0.5", 10.5)]),
    ("a: 0b11", [(1, "a", "0b11", 3)]),
    ("a: 0x1_0", [(1, "a", "0x1_0", 16)]),
    ("a: +010", [(1, "a", "+010", 8)]),
    ("a: =", [(1, "a", "=", "=")]),
    # Keys are names: YAML 1.1 turns these into values that are no text.
    ("true: x", [(1, "true", "true", True)]),
    ("~: x", [(1, "~", "~", None)]),
    ("0x10: x", [(1, "0x10", "0x10", 16)]),
    ("1.10: x", [(1, "1.10", "1.10", 1.1)]),
    ("? on\n: x", [(1, "on", "on", True)]),
    ("a: &x {b: on}\nc: *x", [(1, "a.b", "on", True)]),
    ("a: &x {b: *x, c: on}", [(1, "a.c", "on", True)]),
    ("a: {b: 1, c: 2, b: 3}", [(1, "a.b", "b", REPEATED)]),
]


@pytest.mark.parametrize("text", SAME)
def test_scalars_that_yaml_1_1_and_1_2_read_alike_pass(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    assert differing_scalars(tmp_path / "c.yaml") == []


@pytest.mark.parametrize(("text", "found"), DIFFER)
def test_scalars_that_yaml_1_1_reads_differently_are_found(tmp_path: Path, text: str, found: list) -> None:
    (tmp_path / "c.yaml").write_text(text)
    assert differing_scalars(tmp_path / "c.yaml") == found


def test_dates_are_found_as_misread_scalars(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("a: 2001-01-01\nb: 2001-12-14 21:59:43")
    found = [(1, "a", "2001-01-01"), (2, "b", "2001-12-14 21:59:43")]
    assert [misread[:3] for misread in differing_scalars(tmp_path / "c.yaml")] == found


@pytest.mark.workflow
def test_misread_scalar_is_named_by_file_line_and_key(project: Project) -> None:
    done = project.snakemake("-n", config="clips:\n  on: {frames: [010, 20]}")
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("test.yaml: ")]
    assert [line.partition(", allowed")[0] for line in lines] == [
        "test.yaml: line 2: clips.on: found on, read as True",
        "test.yaml: line 2: clips.on.frames.0: found 010, read as 8",
    ]


def test_attributes_survive_netcdf(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    given = {
        "table": {"a": None, "b": [True, {"c": 1}]},
        "texts": ["x", "y"],
        "numbers": [1, 2],
        "text": "x",
        "one": 1.5,
    }
    save(tmp_path / "a.zarr.zip", {"v": Variable(("time",), np.arange(3.0))}, given)
    with load(tmp_path / "a.zarr.zip") as store:
        assert store.attributes == given
    dataset = xarray.open_zarr(f"zip::{tmp_path / 'a.zarr.zip'}")
    assert json.loads(dataset.attrs["table"]) == given["table"]
    dataset.to_netcdf(tmp_path / "a.nc", engine="scipy")
    assert json.loads(xarray.load_dataset(tmp_path / "a.nc").attrs["texts"]) == ["x", "y"]
