"""Measure what Snakemake itself takes to plan a run, and to run its jobs.

``make benchmark-scale`` plans runs of 10 to 10,000 blocks, runs some hundred jobs that do nothing, prints tables and
writes ``benchmarks/scale.json``. It needs Linux.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from machine import machine
from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "scale.json"
PARTS = ("Snakefile", "workflow", "scripts", "config", "profiles", "resources", "environment.yml")
BLOCKS = (10, 100, 1_000, 10_000)
AN_EPISODE = 100  # blocks
BLOCK_SIZE = 160
# Of runs: two sizes, so that what both take to start goes out of the difference.
FEW, MANY = 20, 160
WAYS = {
    "2 cores": ("--cores", "2"),
    "2 cores, greedy": ("--cores", "2", "--scheduler", "greedy"),
    "2 cores, no metadata": ("--cores", "2", "--drop-metadata"),
}
NOTHING = "from pathlib import Path\n\nfor path in snakemake.output:\n    Path(path).touch()\n"


def sweep(blocks: int) -> str:
    """Return a config whose clips have that many blocks, of one method, in episodes of up to ``AN_EPISODE``."""
    seeds = max(1, blocks // AN_EPISODE)
    frames = [0, blocks // seeds * BLOCK_SIZE - 1]
    clip = {"agent": "breakout", "seed": list(range(seeds)), "max_steps": 27_000, "frames": frames}
    clips = {"demo": None, "sweep": {**clip, "methods": ["occlusion"], "fps": 30}}
    return yaml.safe_dump({"block_size": BLOCK_SIZE, "clips": clips})


def snakemake(folder: Path, blocks: int, options: Sequence[str]) -> dict[str, float]:
    """Run Snakemake in a copy of the project.

    Returns:
        How many jobs it says, its wall time and its own processor time in seconds, without its jobs', its peak memory
        in MB.
    """
    (folder / "sweep.yaml").write_text(sweep(blocks), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--configfile", "sweep.yaml", *options]
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        wall = time.perf_counter() - start
        # Of an ended process that nobody has waited for, this holds what it has used by itself.
        ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode()
    total = re.search(r"^ *total +(\d+)", said, re.MULTILINE)
    if process.returncode or total is None:
        sys.exit(said)
    own = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return {"jobs": int(total[1]), "wall_s": wall, "cpu_s": own, "peak_mb": used.ru_maxrss / 1024}


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
    """Measure a dry run."""
    return {"blocks": blocks, **snakemake(copy_project(folder), blocks, ("--dry-run", "--cores", "1"))}


def run_empty(folder: Path, way: str) -> dict[str, Any]:
    """Measure runs whose jobs start, write empty files and end."""
    few, many = (_empty(folder / str(blocks), blocks, WAYS[way]) for blocks in (FEW, MANY))
    jobs = many["jobs"] - few["jobs"]
    return {
        "way": way,
        "jobs": jobs,
        "wall_ms_a_job": 1e3 * (many["wall_s"] - few["wall_s"]) / jobs,
        "own_cpu_ms_a_job": 1e3 * (many["cpu_s"] - few["cpu_s"]) / jobs,
    }


def _empty(folder: Path, blocks: int, options: Sequence[str]) -> dict[str, float]:
    copy_project(folder)
    for script in (folder / "scripts").glob("*.py"):
        script.write_text(NOTHING, encoding="utf-8")
    return snakemake(folder, blocks, options)


def main() -> None:
    """Measure, print the tables, write the results."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        plans = [planned(root / str(blocks), blocks) for blocks in track(BLOCKS, "Plans")]
        runs = []
        for way in track(WAYS, "Runs"):
            (root / way).mkdir()
            runs.append(run_empty(root / way, way))
    RESULTS.write_text(json.dumps({"machine": machine(), "plans": plans, "runs": runs}, indent=2) + "\n", "utf-8")
    plan = Table("blocks", "jobs", "seconds", "a job, ms", "peak MB", title="A dry run")
    for row in plans:
        a_job = 1e3 * row["wall_s"] / row["jobs"]
        plan.add_row(
            f"{row['blocks']:,}", f"{row['jobs']:,}", f"{row['wall_s']:.1f}", f"{a_job:.1f}", f"{row['peak_mb']:.0f}"
        )
    run = Table("how", "jobs", "a job, ms", "Snakemake's own, ms", title="A run of jobs that do nothing")
    for row in runs:
        run.add_row(row["way"], str(row["jobs"]), f"{row['wall_ms_a_job']:.0f}", f"{row['own_cpu_ms_a_job']:.1f}")
    for table in (plan, run):
        Console().print(table)


if __name__ == "__main__":
    main()
