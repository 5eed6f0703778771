"""Measure the time that Snakemake itself takes to plan a run, and to run its jobs.

``make benchmark-scale`` plans runs of 10 to 10,000 blocks, runs some hundred jobs that do nothing, prints tables and
writes ``benchmarks/scale.json`` and the documents that quote it (``documents.py``). It needs Linux.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import scaling
import yaml
from documents import SCALE, save
from machine import machine
from rich.console import Console
from rich.progress import track

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "workflow", "scripts", "config", "profiles", "resources", "environment.yml")
BLOCKS = (10, 100, 1_000, 10_000)
AN_EPISODE = 100  # blocks
BLOCK_SIZE = 240
# Runs are timed between these two finished jobs, so that the plan is left out.
FIRST, LAST = 10, 40
RUNS = [
    (100, "ilp, Snakemake's own", ("--scheduler", "ilp")),
    (100, "greedy", ("--scheduler", "greedy")),
    (1_000, "greedy", ("--scheduler", "greedy")),
    (1_000, "greedy, subsample 100", ("--scheduler", "greedy", "--scheduler-subsample", "100")),
    (10_000, "greedy", ("--scheduler", "greedy")),
    (10_000, "greedy, subsample 100", ("--scheduler", "greedy", "--scheduler-subsample", "100")),
]
NOTHING = "from pathlib import Path\n\nfor path in snakemake.output:\n    Path(path).touch()\n"


def sweep(blocks: int, episodes: int) -> str:
    """Return a config whose clips have that many blocks in all, for one method."""
    frames = blocks // episodes * BLOCK_SIZE
    clip = {"agent": "breakout", "seed": list(range(episodes)), "max_steps": frames, "frames": [0, frames - 1]}
    clips = {"demo": None, "sweep": {**clip, "methods": ["erase"], "fps": 30}}
    return yaml.safe_dump({"block_size": BLOCK_SIZE, "clips": clips})


@contextmanager
def snakemake(folder: Path, config: str, options: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start Snakemake in a copy of the project. Kill it and its jobs in the end."""
    (folder / "sweep.yaml").write_text(config, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--configfile", "sweep.yaml", *options]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def copy_project(folder: Path) -> Path:
    """Return a copy of the project without results."""
    folder.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part)
        else:
            shutil.copy2(ROOT / part, folder / part)
    return folder


def planned(folder: Path, blocks: int) -> dict[str, float]:
    """Measure a dry run: how many jobs it plans, seconds, peak memory in MB, and seconds where it prints each job."""
    copy_project(folder)
    taken = {}
    for options in ((), ("--quiet",)):
        start = time.perf_counter()
        config = sweep(blocks, max(1, blocks // AN_EPISODE))
        with snakemake(folder, config, ("--dry-run", "--cores", "1", *options)) as process:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        taken[options] = time.perf_counter() - start
        said = (folder / "output").read_text()
        total = re.search(r"^ *total +(\d+)", said, re.MULTILINE)
        if process.returncode or total is None:
            sys.exit(said)
    return {
        "blocks": blocks,
        "jobs": int(total[1]),
        "wall_s": taken["--quiet",],
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
        "printed_wall_s": taken[()],
    }


def run_empty(folder: Path, blocks: int, how: str, options: Sequence[str]) -> dict[str, Any]:
    """Measure a run whose jobs only write empty files, between the ``FIRST`` and the ``LAST`` finished job.

    All blocks are of one episode, so all can run as soon as it was played.
    """
    copy_project(folder)
    for script in (folder / "scripts").glob("*.py"):
        script.write_text(NOTHING, encoding="utf-8")
    marks = []
    with snakemake(folder, sweep(blocks, 1), ("--cores", "2", *options)) as process:
        for count in (FIRST, LAST):
            while (done := _done(folder)) < count:
                if process.poll() is not None:
                    sys.exit((folder / "output").read_text())
                time.sleep(0.01)
            marks.append((done, time.perf_counter(), _own_seconds(process.pid)))
    (first, start, before), (last, end, after) = marks
    return {
        "blocks": blocks,
        "how": how,
        "wall_ms_a_job": 1e3 * (end - start) / (last - first),
        "own_cpu_ms_a_job": 1e3 * (after - before) / (last - first),
    }


def _done(folder: Path) -> int:
    """Return the number of finished jobs, which is the number of Snakemake's records."""
    metadata = folder / ".snakemake" / "metadata"
    return sum(1 for _ in metadata.iterdir()) if metadata.is_dir() else 0


def _own_seconds(process: int) -> float:
    """Return the processor time of a process, without that of its jobs."""
    ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure, print the tables, write the results."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        plans = [planned(root / str(blocks), blocks) for blocks in track(BLOCKS, "Plans")]
        runs = [run_empty(root / f"run-{number}", *run) for number, run in enumerate(track(RUNS, "Runs"))]
    measured = {"machine": machine(), "plans": plans, "runs": runs}
    save(SCALE, measured)
    for text in (scaling.plans(measured), scaling.runs(measured)):
        Console().print(text, markup=False, highlight=False)


if __name__ == "__main__":
    main()
