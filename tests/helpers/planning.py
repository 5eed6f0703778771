"""Dry runs in processes that have Snakemake loaded: a third of a second each. Nothing heavy is imported here."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

Job = str  # the path of its benchmark, without results/benchmarks/ and .tsv: its rule and its wildcards

# What a dry run imports.
HEAVY = [
    *("nbformat", "pandas", "pydantic", "pytest", "smart_open", "snakemake.cli", "snakemake.executors.dryrun"),
    *("snakemake.persistence.file", "snakemake.report.html_reporter", "snakemake_logger_plugin_rich", "yte"),
]


def pool(workers: int) -> ProcessPoolExecutor:
    """Return processes that each do one thing and are then gone, since Snakemake keeps much between runs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)
    return ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=1)


def plan(folder: Path) -> set[Job]:
    """Return the jobs that `snakemake --dry-run` plans in a folder."""
    from snakemake.cli import main
    from snakemake.dag import DAG

    planned: list[Job] = []
    stats = DAG.stats

    def noted(self: DAG) -> object:
        planned.extend(job_of(job.benchmark) for job in self.needrun_jobs() if job.benchmark)
        return stats(self)

    DAG.stats = noted
    os.chdir(folder)
    with tempfile.TemporaryFile() as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        try:
            main(["--dry-run", "--cores", "2"])
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        output.seek(0)
        text = output.read().decode()
    if code:
        raise RuntimeError(text)
    return set(planned)


def job_of(benchmark: str | Path) -> Job:
    """Return the name of the job that wrote a benchmark."""
    return Path(benchmark).relative_to("results/benchmarks").with_suffix("").as_posix()
