"""The workflow on a cluster: the profile, what a job asks for, and real runs on a Slurm of one node."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from helpers.local_slurm import TIED, LocalSlurm, missing, wait_until
from helpers.project import ROOT, Project, new_project
from helpers.small import edited

pytestmark = pytest.mark.workflow

CONFIG = edited(
    ("clips/small/frames", [10, 20]), ("clips/small/methods", ["occlusion"]), ("clips/small/measures", ["objects"])
)
BLOCK = "results/saliency/breakout/seed-1/occlusion/1.zarr.zip"
RESPONSES = "results/responses/breakout/seed-1/window/1.zarr.zip"
# Snakemake, whose Slurm plugin asks for the queue every second. The plugin waits ten seconds longer each time.
IMPATIENT = """
from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor
Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)
main()
"""
SECONDS = 300


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a finished local run of two blocks."""
    project = new_project(tmp_path_factory.mktemp("local") / "project")
    project.completed(config=CONFIG)
    return project


@pytest.fixture
def unfinished(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished run that lacks one block."""
    project = finished.copy(tmp_path / "project")
    for path in (BLOCK, RESPONSES):
        (project.folder / path).unlink()
    return project


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSlurm]:
    if absent := missing():
        pytest.skip(f"Slurm is not installed ({', '.join(absent)}): make test-cluster")
    slurm = LocalSlurm(tmp_path_factory.mktemp("slurm"))
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


class Run:
    """Snakemake with the Slurm profile, running."""

    def __init__(self, project: Project, slurm: LocalSlurm, *arguments: str, **variables: str) -> None:
        self._slurm, self._before = slurm, set(slurm.jobs())
        (project.folder / "test.yaml").write_text(CONFIG)
        self._output = project.folder.with_suffix(".log")
        options = ("--workflow-profile", "profiles/slurm", "--slurm-status-command", "squeue")
        command = [*TIED, sys.executable, "-c", IMPATIENT, *arguments, *options, "--configfile", "test.yaml"]
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                command, cwd=project.folder, env={**slurm.environment, **variables}, stdout=output, stderr=output
            )

    def jobs(self) -> dict[int, str]:
        """Return the states of this run's jobs on Slurm by number."""
        return {number: state for number, state in self._slurm.jobs().items() if number not in self._before}

    def running_job(self) -> int:
        """Wait until a job runs, and return its number."""
        wait_until(lambda: self._running() or self._process.poll() is not None, "a job runs", SECONDS)
        assert self._running(), self._output.read_text()
        return self._running()[0]

    def _running(self) -> list[int]:
        return [number for number, state in self.jobs().items() if state == "RUNNING"]

    def finish(self) -> tuple[int, str]:
        """Wait for the end, and return the exit status and all output."""
        status = self._process.wait(SECONDS)
        return status, self._output.read_text()


def contents(project: Project) -> dict[str, bytes]:
    """Return a project's files and their bytes, without caches. Logs and benchmarks differ from run to run: empty."""
    found = {}
    for path in sorted(project.folder.rglob("*")):
        name = str(path.relative_to(project.folder))
        if path.is_file() and not name.startswith(".snakemake/") and "__pycache__" not in name:
            found[name] = b"" if name.startswith(("results/logs/", "results/benchmarks/")) else path.read_bytes()
    return found


def assert_completed(run: Run, unfinished: Project, finished: Project) -> None:
    status, output = run.finish()
    assert status == 0, output
    for path in (BLOCK, RESPONSES):
        assert (unfinished.folder / path).read_bytes() == (finished.folder / path).read_bytes()
    assert contents(unfinished).keys() == contents(finished).keys()


def resources(project: Project, attempt: int) -> dict[str, dict[str, int]]:
    """Return the resources that each rule requests at an attempt."""
    options = ("--dry-run", "--forceall", "--workflow-profile", "none", "--attempt", str(attempt))
    done = project.completed(*options, config=CONFIG)
    rules = re.findall(r"rule (\w+):\n(?:    .*\n)*?    resources: (.*)", done.stdout + done.stderr)
    return {
        rule: {name: int(value) for name, value in re.findall(r"\b(mem_mb|runtime)=(\d+)", text)}
        for rule, text in rules
        if rule != "all"
    }


def test_every_attempt_asks_for_twice_the_resources(finished: Project) -> None:
    first = resources(finished, 1)
    assert len(first) == 14
    for attempt, factor in ((2, 2), (3, 4)):
        assert resources(finished, attempt) == {
            rule: {name: factor * value for name, value in asked.items()} for rule, asked in first.items()
        }
    for asked in first.values():
        assert asked.keys() == {"mem_mb", "runtime"}


def test_another_attempt_plans_nothing(finished: Project) -> None:
    done = finished.snakemake("--dry-run", "--attempt", "2", config=CONFIG)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_profiles_agree_on_rerun_triggers() -> None:
    local, cluster = (
        yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text()) for name in ("default", "slurm")
    )
    assert {key: cluster.get(key) for key in local if key != "logger"} == {
        key: value for key, value in local.items() if key != "logger"
    }


@pytest.mark.cluster
def test_run_on_slurm_equals_local_run(slurm: LocalSlurm, finished: Project, tmp_path: Path) -> None:
    project = new_project(tmp_path / "project")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    # This home cannot exist, because nodes must need only the project's folder.
    elsewhere = {"HOME": "/dev/null/home", "TMPDIR": str(temporary), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    run = Run(project, slurm, **elsewhere)
    status, output = run.finish()
    assert status == 0, output
    # Five Slurm jobs: the episode with its background, the blocks, the gameplay, the measure, the clip.
    assert list(run.jobs().values()) == ["COMPLETED"] * 5
    assert contents(project) == contents(finished)
    assert not list(temporary.iterdir())
    assert (project.folder / ".snakemake" / "cache").is_dir()


@pytest.mark.cluster
def test_cancelled_job_is_retried_and_stopped_run_continues(
    slurm: LocalSlurm, finished: Project, unfinished: Project
) -> None:
    run = Run(unfinished, slurm, BLOCK, "--retries", "1")
    for _ in range(2):
        number = run.running_job()
        slurm.ask("scancel", str(number))
    status, output = run.finish()
    assert status == 1
    assert list(run.jobs().values()) == ["CANCELLED"] * 2
    assert "Traceback" not in output
    assert re.search(rf"log: \S+/{number}\.log \(check log", output)
    assert_completed(Run(unfinished, slurm, BLOCK), unfinished, finished)


@pytest.mark.cluster
def test_run_survives_restart_of_slurmd(slurm: LocalSlurm, finished: Project, unfinished: Project) -> None:
    run = Run(unfinished, slurm, BLOCK)
    number = run.running_job()
    slurm.kill_node()
    wait_until(lambda: run.jobs()[number] != "RUNNING", "the job has found no daemon to start its next step", SECONDS)
    slurm.start_node()
    assert_completed(run, unfinished, finished)
    assert list(run.jobs().values()) == ["FAILED", "COMPLETED"]


@pytest.mark.cluster
@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_gpu_job_requests_a_gpu_and_fails_in_one_line_without_one(slurm: LocalSlurm, unfinished: Project) -> None:
    both = (RESPONSES, RESPONSES.replace("1.zarr", "2.zarr"))
    run = Run(unfinished, slurm, *both, "--retries", "0", "--config", "device=cuda")
    status, output = run.finish()
    assert status == 1
    (number,) = run.jobs()
    assert slurm.ask("squeue", "-t", "all", "-h", "-o", "%T", "-j", str(number)) == "FAILED"
    assert slurm.ask("squeue", "-t", "all", "-h", "-O", "tres-per-job:30", "-j", str(number)) == "gres:gpu:1"
    (log,) = unfinished.folder.glob(f".snakemake/slurm_logs/*/{number}.log")
    assert "perturb: config: device: found 'cuda'" in log.read_text(), output


@pytest.mark.cluster
def test_job_over_its_memory_is_retried_with_more(slurm: LocalSlurm, finished: Project, unfinished: Project) -> None:
    rules = unfinished.folder / "workflow" / "rules" / "saliency.smk"
    text = rules.read_text()
    assert "mem_mb=growing(1000)" in text
    rules.write_text(text.replace("mem_mb=growing(1000)", "mem_mb=growing(150)"))
    run = Run(unfinished, slurm, BLOCK)
    assert_completed(run, unfinished, finished)
    killed, last = list(run.jobs())[:-1], list(run.jobs())[-1]
    assert killed
    for number in killed:
        (log,) = unfinished.folder.glob(f".snakemake/slurm_logs/*/{number}.log")
        assert "exceeded memory limit" in log.read_text()
    assert slurm.ask("squeue", "-t", "all", "-h", "-o", "%m", "-j", str(last)) == f"{150 * 2 ** len(killed)}M"
