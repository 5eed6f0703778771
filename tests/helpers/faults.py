"""SIGKILL at random moments of a run: in the end, the results are those of an undisturbed run.

A run is killed, and so is the one that goes on from there, until one comes to its end before its moment; then the next
begins from nothing. Run as a script, it does so 50 times, and prints what was killed when: `make faults`.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml

from helpers.project import Project, command, new_project

# A clip to the episode's end, of two blocks: each rule has a job.
CONFIG = yaml.safe_dump(
    {
        "block_size": 4,
        "perturbations": {"erase": {"perturber": {"SlidingWindow": {"window_size": [40, 40], "stride": [40, 40]}}}},
        "clips": {
            "demo": None,
            "small": {"agent": "breakout", "seed": 1, "max_steps": 6, "frames": "all", "methods": ["erase"]},
        },
        "video": {"zoom": 1},
    }
)
# What is killed: Snakemake alone, Snakemake and its jobs, or one job.
VICTIMS = ("snakemake", "all", "job")
# Seconds. A run's jobs start after one second and end about ten seconds later.
LONGEST = 4.5


def contents(project: Project) -> dict[str, bytes]:
    """Return all result files and their bytes, without logs and benchmarks, which differ from run to run."""
    root = project.folder / "results"
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(("logs/", "benchmarks/"))}


def differing(project: Project, reference: dict[str, bytes]) -> list[str]:
    """Return the names of results that differ from a reference, are missing, or are additional."""
    ours = contents(project)
    return sorted(name for name in ours.keys() | reference.keys() if ours.get(name) != reference.get(name))


class Run:
    """A running Snakemake, by fresh Python processes, whose output goes to a file."""

    def __init__(self, project: Project) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  as long as the run
        self._process = subprocess.Popen(
            command(*project.overlay(CONFIG), python=sys.executable),
            cwd=project.folder,
            stdout=self._output,
            stderr=self._output,
        )
        self.pid = self._process.pid

    def jobs(self) -> list[psutil.Process]:
        """Return the jobs that are at work."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def ended_within(self, seconds: float) -> bool:
        """Wait at most some seconds for the end; return whether the run has ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode is not None

    def kill(self, victim: str) -> list[psutil.Process]:
        """Kill what ``VICTIMS`` names, and return the jobs that were at work; without jobs, Snakemake is killed."""
        jobs = self.jobs()
        if victim == "job" and jobs:
            with suppress(psutil.NoSuchProcess):
                jobs[-1].kill()
            self._process.wait()
            return jobs
        self._process.kill()
        self._process.wait()
        if victim == "all":
            for job in jobs:
                with suppress(psutil.NoSuchProcess):
                    job.kill()
        return jobs

    def result(self) -> tuple[int, str]:
        """Return the exit status and what was printed, once it has ended."""
        status = self._process.wait()
        self._output.seek(0)
        return status, self._output.read().decode()


@dataclass
class Outcome:
    """Counts of kills by victim and by the rules at work, and the results that were wrong."""

    killed: Counter[str] = field(default_factory=Counter)
    during: Counter[str] = field(default_factory=Counter)
    completed: int = 0
    wrong: list[str] = field(default_factory=list)


def kill_until_done(project: Project, reference: dict[str, bytes], seed: int, most: int) -> Outcome:
    """Kill runs in a fresh project at random moments, up to so many times, and compare what is made in the end."""
    chance = random.Random(seed)  # noqa: S311  no secret
    outcome = Outcome()
    orphans: list[psutil.Process] = []
    while True:
        run = Run(project)
        last = outcome.killed.total() >= most
        if run.ended_within(600 if last else chance.uniform(0, LONGEST)):
            status, output = run.result()
            if status:
                outcome.wrong.append(f"exit status {status}: {output}")
            break
        victim = VICTIMS[outcome.killed.total() % len(VICTIMS)]
        jobs = run.jobs()
        rules = {name.split(".")[-2] for job in jobs for name in names_of(job)}
        orphans += jobs + run.kill(victim)
        outcome.killed[victim] += 1
        outcome.during.update(rules or {"no job"})
        if any((project.folder / ".snakemake/locks").glob("*.lock")):
            unlocked = project.snakemake("--unlock", config=CONFIG)
            if unlocked.returncode:
                outcome.wrong.append(f"--unlock: {unlocked.stderr}")
    psutil.wait_procs(orphans, timeout=60)
    outcome.completed += 1
    outcome.wrong += differing(project, reference)
    return outcome


def names_of(job: psutil.Process) -> list[str]:
    """Return the names of the scripts that a process runs, as Snakemake calls its copies."""
    with suppress(psutil.Error):
        return [word for word in job.cmdline() if word.endswith(".py") and ".snakemake" in word]
    return []


def main() -> None:
    """Kill as often as asked, print what was seen, and exit with 1 where a result was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    total = Outcome()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = new_project(Path(folder) / "undisturbed")
        run = Run(undisturbed)
        status, output = run.result()
        if status:
            sys.exit(output)
        reference = contents(undisturbed)
        while (left := given.kills - total.killed.total()) > 0:
            project = new_project(Path(folder) / str(total.completed))
            one = kill_until_done(project, reference, given.seed + total.completed, left)
            total.killed += one.killed
            total.during += one.during
            total.completed += one.completed
            total.wrong += one.wrong
            print(f"{total.killed.total():3} of {given.kills} kills", flush=True)
    rows = [
        *((f"killed: {victim}", count) for victim, count in total.killed.most_common()),
        *((f"during: {rule}", count) for rule, count in total.during.most_common()),
        ("runs that came to their end", total.completed),
        (f"results that differ, of {len(reference)} each", len(total.wrong)),
        ("seconds", round(time.monotonic() - started)),
    ]
    print(*(f"{name:40}{count:5}" for name, count in rows), *total.wrong, sep="\n")
    sys.exit(bool(total.wrong))


if __name__ == "__main__":
    main()
