"""Dry runs that return the planned jobs.

Run as a script, this module plans the folder that it is run in.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

Job = str  # the path of its benchmark, without results/benchmarks/ and .tsv: its rule and its wildcards


def plan(folder: Path) -> set[Job]:
    """Return the jobs that `snakemake --dry-run` plans in a folder."""
    from helpers import warm

    done = subprocess.run([warm.python(), __file__], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return set(json.loads(done.stdout.splitlines()[-1]))


def job_of(benchmark: str | Path) -> Job:
    """Return the name of the job that wrote a benchmark."""
    return Path(benchmark).relative_to("results/benchmarks").with_suffix("").as_posix()


def main() -> None:
    """Plan, and print the jobs in the last line."""
    from snakemake.cli import main as snakemake
    from snakemake.dag import DAG

    planned: list[Job] = []
    stats = DAG.stats

    def noted(self: DAG) -> object:
        planned.extend(job_of(job.benchmark) for job in self.needrun_jobs() if job.benchmark)
        return stats(self)

    DAG.stats = noted
    try:
        snakemake(["--dry-run", "--cores", "2"])
    except SystemExit as end:
        if end.code:
            raise
    print(f"\n{json.dumps(planned)}")


if __name__ == "__main__":
    main()
