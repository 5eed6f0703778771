"""Measure Searchlight against the XAITK notebook's way, side by side, on the same real frames, on one thread.

``make benchmark`` plays the default run's episode if it is not there yet, prints tables and writes them to
``benchmarks/README.md``, ``benchmarks/results.json`` and ``benchmarks/results.png``. Both sides' maps are compared; a
difference above 1e-3 fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from searchlight.job import THREAD_VARIABLES, limit_threads

limit_threads(1)

import numpy as np  # noqa: E402
import yaml  # noqa: E402
from baseline import CASES, Maps, frame_maps, notebook_policy  # noqa: E402
from cases import CLIP, CONFIG, EPISODE, POLICY, ROOT, SPECS, frames, our_maps  # noqa: E402
from growth import by_cores, by_frames, by_masks, limits, profile  # noqa: E402
from machine import machine  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import track  # noqa: E402
from searchlight.plugins import check  # noqa: E402
from steps import steps  # noqa: E402

FOLDER = ROOT / "benchmarks"
FRAMES = 100
BASELINE_SECONDS = 60
TARGETS = {"notebook": 250, "upstream": 12, "rise": 3, "end_to_end": 30}


def measure(case: str) -> dict[str, float]:
    """Measure one case: seconds a frame of both sides, and how far their maps are apart."""
    policy, given = notebook_policy(POLICY), frames(FRAMES)
    start = time.perf_counter()
    maps = our_maps(SPECS[case])
    ours = [maps(*frame) for frame in given]
    ours_s = (time.perf_counter() - start) / len(given)
    theirs: list[Maps] = []
    start = time.perf_counter()
    # Spread over the clip, as ours are.
    order = np.random.default_rng(0).permutation(len(given))
    while len(theirs) < len(given) and time.perf_counter() - start < BASELINE_SECONDS:
        theirs.append(frame_maps(CASES[case], policy, *given[order[len(theirs)]]))
    baseline_s = (time.perf_counter() - start) / len(theirs)
    pairs = zip(theirs, (ours[index] for index in order), strict=False)
    difference = max(float(np.abs(one - other).max()) for pair in pairs for one, other in zip(*pair, strict=True))
    return {
        "baseline_s": baseline_s,
        "ours_s": ours_s,
        "ratio": baseline_s / ours_s,
        "max_abs_difference": difference,
        "frames_ours": len(ours),
        "frames_baseline": len(theirs),
    }


PEAK = """
import sys
from pathlib import Path
from searchlight.job import limit_threads
limit_threads(1)
{body}
print(int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024)
"""
OURS = """
from searchlight.responses import perturb_block
from searchlight.scoring import score_block
perturb_block({policy!r}, {episode!r}, {folder!r} + "/r", perturbation={spec!r}, block={block}, block_size={size})
score_block({folder!r} + "/r", {folder!r} + "/s", scorer={scorer!r})
"""
THEIRS = """
sys.path.insert(0, {here!r})
from baseline import CASES, maps_in_threads
maps_in_threads(CASES[{case!r}], Path({policy!r}), Path({episode!r}), range({first}, {first} + 5))
"""


def peak_mb(body: str, case: str) -> float:
    """Return the peak memory in MB of a process of its own: ours for a whole block, theirs for five frames."""
    spec, scorer = SPECS[case]
    first = CLIP["frames"][0]
    with tempfile.TemporaryDirectory() as folder:
        values = {
            "policy": str(POLICY),
            "episode": str(EPISODE),
            "folder": folder,
            "here": str(Path(__file__).parent),
            "spec": {**spec, "perturber": check("perturber", spec["perturber"]), "memory_lag": 0},
            "scorer": check("scorer", scorer),
            "case": case,
            "first": first,
            "size": CONFIG["block_size"],
            "block": first // CONFIG["block_size"] + 1,
        }
        text = PEAK.format(body=body.format(**values))
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", text], stdout=subprocess.PIPE, text=True, check=True
        )
    return float(done.stdout.split()[-1])


END_TO_END = {
    "agents": {"breakout": CONFIG["agents"][CLIP["agent"]]},
    "perturbations": {"window": CONFIG["perturbations"]["window"], "blur": None},
    "methods": {"occlusion": CONFIG["methods"]["occlusion"], "greydanus": None},
    "clips": {"demo": {**CLIP, "frames": [1400, 2000], "methods": ["occlusion"]}},
}
NOTEBOOK_SCRIPT = """
import sys, time
sys.path.insert(0, {here!r})
from pathlib import Path
from baseline import CASES, maps_in_threads
start = time.perf_counter()
for first in range(1400, 1400 + {frames}, 5):
    maps_in_threads(CASES["notebook"], Path({policy!r}), Path({episode!r}), range(first, first + 5))
print(time.perf_counter() - start)
"""
END_FRAMES = 20


def end_to_end() -> dict[str, float]:
    """Measure 601 frames from nothing to videos, beside the notebook's maps of them, both with two threads.

    The notebook's time is extrapolated from ``END_FRAMES`` frames, five at a time in its threads as it does, and holds
    neither its episode nor its video.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(yaml.safe_dump(END_TO_END), encoding="utf-8")
        command = ["snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", folder, "--cores", "2"]
        command += ["--workflow-profile", str(ROOT / "profiles" / "default"), "--quiet", "all"]
        command += ["--configfile", str(ROOT / "config" / "config.yaml"), str(config)]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ours = time.perf_counter() - start
    values = {"here": str(Path(__file__).parent), "policy": str(POLICY), "episode": str(EPISODE), "frames": END_FRAMES}
    script = [sys.executable, "-W", "ignore", "-c", NOTEBOOK_SCRIPT.format(**values)]
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "2")}
    done = subprocess.run(script, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    theirs = float(done.stdout.split()[-1]) * 601 / END_FRAMES
    return {
        "baseline_s": theirs,
        "ours_s": ours,
        "ratio": theirs / ours,
        "frames_ours": 601,
        "frames_baseline": END_FRAMES,
    }


def plot(rows: Sequence[dict[str, float]], path: Path) -> None:
    """Draw time a frame, and the ratio, against the number of masks."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    masks = [row["masks"] for row in rows]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    left.loglog(masks, [row["baseline_s"] for row in rows], "o-", color="#999999", label="notebook's way")
    left.loglog(masks, [row["ours_s"] for row in rows], "o-", color="#3060ff", label="Searchlight")
    left.set(xlabel="masks", ylabel="seconds a frame", title="Time")
    left.legend(frameon=False)
    right.semilogx(masks, [row["ratio"] for row in rows], "o-", color="#ff2020")
    right.set(xlabel="masks", ylabel="times faster", title="Ratio", ylim=(0, None))
    for axes in (left, right):
        axes.set_xticks(masks, [f"{count:.0f}" for count in masks], minor=False)
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"## {title}", "", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])


def report(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    about = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    cases, whole = results["cases"], results["cases"]["end_to_end"]
    parts = [
        "# Benchmark\n",
        "Written by `make benchmark`, which measures the notebook's way (`baseline.py`) and Searchlight one after the\n"
        f"other on the same frames of the bundled agent, on one thread.\n\nMachine: {about}.\n",
        _table(
            "A frame, from the screen to the maps",
            ("case", "notebook's way", "Searchlight", "ratio", "target", "largest difference", "peak memory, MB"),
            [
                (
                    f"`{case}`",
                    f"{1e3 * row['baseline_s']:.0f} ms",
                    f"{1e3 * row['ours_s']:.1f} ms",
                    f"{row['ratio']:.1f}",
                    str(row["target"]),
                    f"{row['max_abs_difference']:.0e}",
                    f"{row['baseline_peak_mb']:.0f} (5 frames), {row['peak_mb']:.0f} (a block)",
                )
                for case, row in cases.items()
                if case != "end_to_end"
            ],
        ),
        f"From nothing to videos, {whole['frames_ours']} frames, `notebook`, 2 threads: {whole['baseline_s']:.0f} s by "
        f"the notebook's way\n(extrapolated from {whole['frames_baseline']} frames, without its episode and video), "
        f"{whole['ours_s']:.0f} s by `snakemake --cores 2`: {whole['ratio']:.0f}\ntimes (target {whole['target']}).\n",
        "`upstream` perturbs the observation by wide, blurred patches, so that much of the network is to be computed\n"
        "again under each mask; `rise` changes all of it, and needs whole forwards.\n",
        _table(
            "Number of masks (`notebook`, windows further apart or closer)",
            ("masks", "notebook's way, s a frame", "Searchlight, ms a frame", "ratio"),
            [
                (f"{row['masks']}", f"{row['baseline_s']:.2f}", f"{1e3 * row['ours_s']:.1f}", f"{row['ratio']:.0f}")
                for row in results["masks"]
            ],
        ),
        "![Time and ratio against the number of masks](results.png)\n",
        _table(
            "Frames of a block (a `perturb` job of `notebook` on each of two cores)",
            ("frames", "seconds", "of it start-up"),
            [
                (f"{row['frames']}", f"{row['seconds']:.1f}", f"{row['start_up_share']:.0%}")
                for row in results["frames"]
            ],
        ),
        _table(
            f"Cores (blocks of {CONFIG['block_size']} frames of `notebook`, start-up included)",
            ("cores", "frames a second"),
            [(f"{row['cores']}", f"{row['frames_a_second']:.0f}") for row in results["cores"]],
        ),
        _table(
            "The other steps (start-up left out)",
            ("step", "ms", "target"),
            [(row["step"], f"{row['ms']:.2f}", f"{row['target']}") for row in results["steps"]],
        ),
        _table(
            "Where the time goes (by Python's profiler, which makes small calls look dearer)",
            ("stage", *(f"`{case}`" for case in SPECS)),
            [
                (stage, *(f"{results['profile'][case].get(stage, 0):.0%}" for case in SPECS))
                for stage in results["profile"]["notebook"]
            ],
        ),
        _table(
            "Distance to the limit",
            (
                "case",
                "multiply-adds of one forward a mask",
                "that cannot be left out",
                "at the rate of a large float32 matrix product",
                "Searchlight",
                "times that",
            ),
            [
                (
                    f"`{case}`",
                    f"{row['multiply_adds_of_whole_forwards'] / 1e6:,.0f} M",
                    f"{row['multiply_adds_needed'] / 1e6:,.0f} M",
                    f"{1e3 * row['limit_s']:.1f} ms ({row['rate'] / 1e9:.0f} G/s)",
                    f"{1e3 * row['ours_s']:.1f} ms",
                    f"{row['times_the_limit']:.1f}",
                )
                for case, row in results["limits"].items()
            ],
        ),
        "Each layer has only 32 channels: a position takes 9,216 multiply-adds, a tenth of a microsecond, and 1,152\n"
        "bytes that must be gathered for them, and 128 that are written and gone over by the activation. So moving\n"
        "numbers takes as long as computing with them, and `upstream` stays below its target. Tried and slower:\n"
        "classes of boxes of one size by oneDNN's convolution (46 ms where this took 33), smaller or larger pieces at\n"
        "a time (31 to 38 ms); no faster: the bias as one more tap.\n",
    ]
    return "\n".join(parts)


def main() -> None:
    """Measure everything, print the report, write the results."""
    if not EPISODE.exists():
        sys.exit(f"{EPISODE.relative_to(ROOT)}: no such file; run `make` first")
    cases: dict[str, dict[str, float]] = {}
    for case in track(SPECS, "Cases"):
        cases[case] = measure(case)
        cases[case] |= {"peak_mb": peak_mb(OURS, case), "baseline_peak_mb": peak_mb(THEIRS, case)}
    cases["end_to_end"] = end_to_end()
    for case, row in cases.items():
        row["target"] = TARGETS[case]
    results = {
        "machine": machine(),
        "cases": cases,
        "masks": by_masks(),
        "frames": by_frames(),
        "cores": by_cores(),
        "steps": steps(),
        "profile": {case: profile(spec) for case, spec in SPECS.items()},
        "limits": limits({case: cases[case]["ours_s"] for case in SPECS}),
    }
    (FOLDER / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    (FOLDER / "README.md").write_text(report(results), encoding="utf-8")
    plot(results["masks"], FOLDER / "results.png")
    Console().print(report(results), markup=False, highlight=False)
    worst = max(cases[case]["max_abs_difference"] for case in SPECS)
    if worst > 1e-3:
        sys.exit(f"the maps differ by {worst:.2g}")


if __name__ == "__main__":
    main()
