"""How long the measures of the default run's clip take, as ``snakemake --cores 2`` runs them."""

from __future__ import annotations

import csv
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from cases import CLIP, ROOT

# Of the default run's two methods.
MEASURES = ("interventions", "faithfulness")
METHODS = ("erase", "greydanus")
TARGET_S = 30


def by_measures() -> dict[str, Any]:
    """Measure the wall time of all jobs together, on two cores, and each job's own; the episode is there."""
    overlay = {"clips": {"demo": {**CLIP, "methods": [*METHODS], "measures": [*MEASURES]}}}
    stores = [f"results/measures/demo/{measure}.zarr.zip" for measure in MEASURES]
    stores += [f"results/measures/demo/{method}/{measure}.zarr.zip" for measure in MEASURES for method in METHODS]
    ready = ["results/backgrounds/breakout/seed-15/200.zarr.zip", "results/clips/demo/frames.txt"]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(yaml.safe_dump(overlay), encoding="utf-8")
        command = ["snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", folder, "--cores", "2"]
        command += ["--workflow-profile", str(ROOT / "profiles" / "default"), "--quiet", "all"]
        command += ["--configfile", str(ROOT / "config" / "config.yaml"), str(config), "--"]
        for targets in (ready, stores):
            start = time.perf_counter()
            subprocess.run([*command, *targets], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            seconds = time.perf_counter() - start
        found = sorted((Path(folder) / "results" / "benchmarks").glob("measure_*/**/*.tsv"))
        jobs = {
            "/".join(path.relative_to(folder).with_suffix("").parts[4:]): float(next(_rows(path))["s"])
            for path in found
        }
    return {"seconds": seconds, "target_s": TARGET_S, "jobs": jobs}


def _rows(path: Path) -> csv.DictReader[str]:
    return csv.DictReader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t")
