"""Faults of machines and disks: each ends in a clear error or in a correct result, never in a wrong one."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml
from helpers.faults import CONFIG, VICTIMS, Run, contents, differing, kill_until_done
from helpers.files import files_no_larger_than, save
from helpers.local_slurm import wait_until
from helpers.planning import plan
from helpers.project import ROOT, Project, command, new_project
from hypothesis import given, settings
from hypothesis import strategies as st
from searchlight.agents.policy_file import read_policy
from searchlight.errors import SearchlightError
from searchlight.store.blocks import read_length
from searchlight.store.files import read_sealed, written_whole
from searchlight.store.locks import check_alone
from searchlight.store.zarr import Variable, load
from snakemake.utils import update_config

RESULTS = {
    "policy": "agents/breakout/policy.safetensors",
    "episode": "episodes/breakout/seed-1.zarr.zip",
    "length": "episodes/breakout/seed-1.length",
    "background": "backgrounds/breakout/seed-1/200.zarr.zip",
    "responses": "responses/breakout/seed-1/erase/1.zarr.zip",
    "saliency": "saliency/breakout/seed-1/erase/1.zarr.zip",
    "clip": "clips/small/erase.zarr.zip",
    "video": "clips/small/gameplay.mp4",
}
DAMAGED = "damaged, delete it and run again"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a finished run."""
    project = new_project(tmp_path_factory.mktemp("faults") / "finished")
    project.completed(config=CONFIG)
    return project


@pytest.fixture(scope="module")
def reference(finished: Project) -> dict[str, bytes]:
    return contents(finished)


@pytest.fixture
def mine(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished run that a test may change."""
    return finished.copy(tmp_path / "project")


def read_all(path: Path) -> Any:
    """Return all that jobs read from a result, in a form that can be compared."""
    if path.name.endswith(".zarr.zip"):
        with load(path) as store:
            arrays = {name: (store.dimensions(name), *frozen(store.read(name))) for name in store.names()}
            return store.attributes, arrays
    if path.suffix == ".safetensors":
        tensors, metadata = read_policy(path)
        return {name: frozen(array) for name, array in tensors.items()}, metadata
    if path.suffix == ".length":
        with path.open(errors="replace") as file:
            return read_length(file)
    return read_sealed(path)


def frozen(array: np.ndarray) -> tuple[str, tuple[int, ...], bytes]:
    return str(array.dtype), array.shape, array.tobytes()


def read_changed(kind: str, content: bytes) -> Any:
    """Return what is read from a result with changed bytes, or None if reading is an error that names the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, Path(RESULTS[kind]).name)
        path.write_bytes(content)
        try:
            return read_all(path)
        except SearchlightError as error:
            line = str(error)
    assert line.startswith(f"{path}: {DAMAGED}")
    assert "\n" not in line
    return None


def places(length: int) -> st.SearchStrategy[int]:
    """Return positions anywhere, and as often near both ends, where formats keep their directories."""
    ends = st.integers(0, min(length, 2000) - 1)
    return st.one_of(st.integers(0, length - 1), ends, ends.map(lambda place: length - 1 - place))


@pytest.mark.workflow
@pytest.mark.parametrize("kind", [kind for kind in RESULTS if kind != "length"])
def test_changed_byte_is_an_error_or_changes_nothing(finished: Project, reference: dict[str, bytes], kind: str) -> None:
    whole = reference[RESULTS[kind]]
    expected = read_all(finished.folder / "results" / RESULTS[kind])

    @settings(max_examples=60, deadline=None, database=None)
    @given(places(len(whole)), st.integers(1, 255))
    def check(place: int, change: int) -> None:
        content = bytearray(whole)
        content[place] ^= change
        assert read_changed(kind, bytes(content)) in (None, expected)

    check()


@pytest.mark.workflow
@pytest.mark.parametrize("kind", RESULTS)
def test_truncated_result_is_an_error(reference: dict[str, bytes], kind: str) -> None:
    whole = reference[RESULTS[kind]]

    @settings(max_examples=20, deadline=None, database=None)
    @given(places(len(whole)))
    def check(length: int) -> None:
        assert read_changed(kind, whole[:length]) is None

    check()
    assert read_changed(kind, b"") is None


def test_missing_chunk_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / "whole", {"data": Variable(("time",), np.ones(40))}, {})
    with zipfile.ZipFile(tmp_path / "whole") as whole, zipfile.ZipFile(tmp_path / "less", "w") as less:
        for name in whole.namelist():
            if name != "data/c/1":
                less.writestr(name, whole.read(name))
    with pytest.raises(SearchlightError, match=rf"less: {DAMAGED} \(found no data/c/1\)"), load(tmp_path / "less"):
        pass


def test_last_job_to_start_writing_a_result_wins(tmp_path: Path) -> None:
    path = tmp_path / "result"
    first, second = written_whole(path), written_whole(path)
    first.__enter__().write_text("first")
    partial = second.__enter__()
    partial.write_text("sec")
    with pytest.raises(SearchlightError, match="another job has begun to write it"):
        first.__exit__(None, None, None)
    assert not path.exists()
    partial.write_text("second")
    second.__exit__(None, None, None)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"result": "second"}


def write_text(path: Path) -> None:
    with written_whole(path) as partial:
        partial.write_text("x" * 100_000)


def write_store(path: Path) -> None:
    save(path, {"data": Variable(("time",), np.random.default_rng(0).random(100_000))}, {})


@pytest.mark.parametrize("size", [0, 1000, 60_000])
@pytest.mark.parametrize("write", [write_text, write_store])
def test_full_disk_error_names_the_file_and_leaves_nothing(
    tmp_path: Path, write: Callable[[Path], None], size: int
) -> None:
    path = tmp_path / "deep" / "result"
    expected = f"^{path}: cannot be written: .*{os.strerror(errno.EFBIG)}"
    with files_no_larger_than(size), pytest.raises(SearchlightError, match=expected):
        write(path)
    assert list(path.parent.iterdir()) == []
    write(path)
    assert [file.name for file in path.parent.iterdir()] == ["result"]


def test_error_inside_written_whole_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), written_whole(tmp_path / "result"):
        Path("elsewhere").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux alone does it")
def test_job_ends_with_its_parent_process(tmp_path: Path) -> None:
    job = f"from searchlight.job import job\nwith job('rule', {str(tmp_path / 'log')!r}):\n    print('on', flush=True)"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {job + '; import time; time.sleep(99)'!r}])"
    parent = subprocess.Popen([sys.executable, "-c", start], cwd=ROOT / "scripts")
    wait_until(lambda: (tmp_path / "log").exists() and (tmp_path / "log").read_text(), "the job is at work")
    (child,) = psutil.Process(parent.pid).children()
    parent.kill()
    parent.wait()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the job has ended")


def test_lock_error_names_its_owner_and_the_command_to_type(tmp_path: Path) -> None:
    memory = tmp_path / ".snakemake"
    check_alone(memory)
    (memory / "locks").mkdir(parents=True)
    check_alone(memory)
    (memory / "locks" / "0.output.lock").touch()
    with pytest.raises(SearchlightError, match=rf"^{memory}/locks: found .* killed, .*, type: snakemake --unlock"):
        check_alone(memory)
    # A process with the command line of a Snakemake.
    at_work = subprocess.Popen([sys.executable, "-c", "input()", "-m", "snakemake"], cwd=tmp_path, stdin=-1)
    try:
        with pytest.raises(SearchlightError, match=rf"^{memory}/locks: found another .*\(process {at_work.pid}\)"):
            check_alone(memory)
    finally:
        at_work.communicate()


def lines_of(done: subprocess.CompletedProcess[str], project: Project) -> list[str]:
    """Check that a run failed without a traceback, in its output or a log; return its output's lines."""
    assert done.returncode == 1
    output = done.stdout + done.stderr
    assert "Traceback" not in output
    for path in (project.folder / "results" / "logs").rglob("*.log"):
        assert "Traceback" not in path.read_text(), path
    return output.splitlines()


def assert_said(lines: list[str], start: str) -> None:
    """Check that exactly one whole line begins so. Snakemake's logger shows the log a second time, folded."""
    assert len({line for line in lines if line.startswith(start) and line.endswith(".log)")}) == 1, lines


def assert_recovers(project: Project, reference: dict[str, bytes]) -> None:
    """Check that the next run completes with the right results. Inputs of finished results may stay missing."""
    project.completed(config=CONFIG)
    ours = contents(project)
    assert [name for name in differing(project, reference) if name in ours or name.startswith("clips/")] == []


@pytest.mark.workflow
def test_locked_folder_is_reported_and_can_be_unlocked(project: Project) -> None:
    first = Run(project)
    wait_until(lambda: any((project.folder / ".snakemake/locks").glob("*.lock")), "the first has locked the folder")
    refused = project.snakemake(config=CONFIG, python=sys.executable)
    psutil.wait_procs(first.kill("all"), timeout=60)
    stale = project.snakemake(config=CONFIG, python=sys.executable)
    for done in (refused, stale):
        assert done.returncode == 1
        assert "Directory cannot be locked" in done.stderr
        assert "--unlock" in done.stderr
    assert project.snakemake("--unlock", config=CONFIG).returncode == 0
    check_alone(project.folder / ".snakemake")


@pytest.mark.workflow
def test_results_after_kills_equal_undisturbed_results(project: Project, reference: dict[str, bytes]) -> None:
    seed = random.randrange(10**6)  # noqa: S311  no secret
    assert kill_until_done(project, reference, seed, most=len(VICTIMS)).wrong == [], seed


@pytest.mark.workflow
def test_damaged_results_are_named_and_made_again_after_deletion(mine: Project, reference: dict[str, bytes]) -> None:
    root = mine.folder / "results"
    cut, flipped = (RESULTS["responses"].replace("/1.", f"/{block}.") for block in (0, 1))
    (root / cut).write_bytes(reference[cut][: len(reference[cut]) // 2])
    with zipfile.ZipFile(root / flipped) as archive:
        (chunk,) = (entry for entry in archive.infolist() if entry.filename.startswith("logits/c/"))
    content = bytearray(reference[flipped])
    content[chunk.header_offset + chunk.file_size // 2] ^= 1
    (root / flipped).write_bytes(content)
    lines = lines_of(mine.snakemake("--keep-going", config=CONFIG), mine)
    for name in (cut, flipped):
        assert_said(lines, f"score: results/{name}: {DAMAGED}")
        (root / name).unlink()
    # The same at the end of the pipeline: a video of the page.
    (root / RESULTS["video"]).write_bytes(b"")
    lines = lines_of(mine.snakemake(config=CONFIG), mine)
    assert_said(lines, f"page: results/{RESULTS['video']}: {DAMAGED}")
    (root / RESULTS["video"]).unlink()
    assert_recovers(mine, reference)


@pytest.mark.workflow
def test_disk_full_during_a_run_is_one_line(mine: Project, reference: dict[str, bytes]) -> None:
    store = RESULTS["clip"]
    (mine.folder / "results" / store).unlink()
    with files_no_larger_than(len(reference[store]) - 1):
        lines = lines_of(mine.snakemake(f"results/{store}", config=CONFIG), mine)
    assert_said(lines, f"collect: results/{store}: cannot be written: ")
    assert differing(mine, reference) == [store]
    mine.completed(f"results/{store}", config=CONFIG)
    assert differing(mine, reference) == []


@pytest.mark.workflow
def test_read_only_results_folder_is_named(project: Project) -> None:
    run = command(*project.overlay(CONFIG), python=sys.executable)
    if os.geteuid() == 0:  # permissions bind root only without this capability
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everywhere, and there is no setpriv")
        run = ["setpriv", "--bounding-set", "-dac_override", *run]
    results = project.folder / "results"
    results.mkdir()
    results.chmod(0o555)
    done = subprocess.run(run, cwd=project.folder, capture_output=True, text=True, check=False)
    results.chmod(0o755)
    lines = lines_of(done, project)
    assert any(line.startswith("PermissionError: ") and "'results/agents'" in line for line in lines)
    assert contents(project) == {}


@pytest.mark.workflow
def test_changed_file_dates_change_no_result(mine: Project, reference: dict[str, bytes]) -> None:
    # All results are newer than the edit, as after the clock was set back.
    for path in (mine.folder / "results").rglob("*"):
        date(path, 10**6)
    script = mine.folder / "scripts/render.py"
    before = script.read_text()
    script.write_text(f"{before}# edited\n")
    config = mine.folder / "config/config.yaml"
    edited = yaml.safe_load(config.read_text())
    update_config(edited, yaml.safe_load(CONFIG))
    config.write_text(yaml.safe_dump(edited))
    assert plan(mine.folder) == {"render/small/erase", "page/small"}
    script.write_text(before)
    # Each file gets its own date in the past, and one file a date in the future.
    chance = random.Random(0)  # noqa: S311  no secret
    for path in (mine.folder / "results").rglob("*"):
        date(path, -chance.uniform(0, 10**6))
    date(mine.folder / "results" / RESULTS["policy"], -(10**6))
    clip = mine.folder / "results" / RESULTS["clip"]
    date(clip, 10**6)
    (mine.folder / "results/clips/small/erase.actor.mp4").unlink()
    (said,) = (line for line in lines_of(mine.snakemake(config=CONFIG), mine) if "clock skew" in line)
    assert f"has older modification time ({time.strftime('%Y')}" in said
    assert f"than input results/{RESULTS['clip']} (" in said
    date(clip, 0)
    assert_recovers(mine, reference)


def date(path: Path, seconds: float) -> None:
    """Set the date of a file to some seconds from now."""
    stamp = time.time() + seconds
    os.utime(path, (stamp, stamp))


@pytest.mark.workflow
def test_bad_clip_does_not_stop_the_good_ones(mine: Project) -> None:
    config = yaml.safe_load(CONFIG)
    agent = {"checkpoint": "nothing.tar", "env": "Breakout-v0", "preprocessing": "cv2"}
    config["agents"] = {"bad": agent}
    small = config["clips"]["small"]
    good = {f"good{frame}": {**small, "frames": [frame, frame]} for frame in (1, 2, 3)}
    config["clips"] |= {**good, "bad": {**small, "agent": "bad"}}
    lines = lines_of(mine.snakemake("--keep-going", config=yaml.safe_dump(config)), mine)
    assert_said(lines, "fetch_checkpoint: nothing.tar: no such file")
    pages = {path.parent.name for path in (mine.folder / "results/clips").glob("*/index.html")}
    assert pages == {"small", *good}
