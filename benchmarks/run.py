"""Measure Searchlight beside the XAITK notebook's way and a competent user's, on the same real frames, on one thread.

``make benchmark`` plays the default run's episode if it is not there yet, prints tables and writes them to
``benchmarks/results.json``, ``benchmarks/results.png`` and the documents that quote them (``documents.py``). Both
sides' maps are compared; a difference above 1e-3 fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from searchlight.job import THREAD_VARIABLES, limit_threads

limit_threads(1)

import numpy as np  # noqa: E402
import yaml  # noqa: E402
from agents import by_agents  # noqa: E402
from baseline import CASES, Maps, batched_outputs, frame_maps, notebook_policy, prepro  # noqa: E402
from cases import CLIP, CONFIG, EPISODE, POLICY, ROOT, SPECS, Frame, frames, our_maps, perturbation_of  # noqa: E402
from documents import RESULTS, save  # noqa: E402
from growth import by_cores, by_frames, by_masks, limits, profile  # noqa: E402
from machine import machine  # noqa: E402
from measures import by_measures  # noqa: E402
from peak import BLOCK, peak_mb  # noqa: E402
from report import plot, report  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import track  # noqa: E402
from searchlight.agents.policy import Policy  # noqa: E402
from searchlight.saliency.plugins import check  # noqa: E402
from steps import steps  # noqa: E402

FRAMES, BATCHED_FRAMES = 100, 10
BASELINE_SECONDS = 60
TARGETS = {"notebook": 250, "upstream": 12, "rise": 3, "end_to_end": 30}


def measure(case: str) -> dict[str, float]:
    """Measure one case: seconds a frame of all ways, and the largest difference of their maps."""
    policy, given = notebook_policy(POLICY), frames(FRAMES)
    start = time.perf_counter()
    maps = our_maps(SPECS[case])
    ours = [maps(*frame) for frame in given]
    ours_s = (time.perf_counter() - start) / len(given)
    theirs: list[Maps] = []
    start = time.perf_counter()
    # In random order, so that they are spread over the clip.
    order = np.random.default_rng(0).permutation(len(given))
    while len(theirs) < len(given) and time.perf_counter() - start < BASELINE_SECONDS:
        theirs.append(frame_maps(CASES[case], policy, *given[order[len(theirs)]]))
    baseline_s = (time.perf_counter() - start) / len(theirs)
    pairs = zip(theirs, (ours[index] for index in order), strict=False)
    difference = max(float(np.abs(one - other).max()) for pair in pairs for one, other in zip(*pair, strict=True))
    batched_s = batched(case, policy, [given[index] for index in order[:BATCHED_FRAMES]])
    return {
        "baseline_s": baseline_s,
        "batched_s": batched_s,
        "ours_s": ours_s,
        "ratio": baseline_s / ours_s,
        "max_abs_difference": difference,
        "frames_ours": len(ours),
        "frames_baseline": len(theirs),
    }


def batched(case: str, policy: Policy, given: list[Frame]) -> float:
    """Return a competent user's seconds a frame, up to the outputs, without scoring."""
    masks = perturbation_of(SPECS[case]).masks
    weights = masks.dense(0, len(masks))
    start = time.perf_counter()
    for screen, memory in given:
        if CASES[case].on_screen:
            batched_outputs(policy, screen[None], weights > 0, 0, prepro, memory)
        else:
            image, fill = prepro(screen), CASES[case].fill
            batched_outputs(policy, image[None], weights, fill(image) if fill else 0, None, memory)
    return (time.perf_counter() - start) / len(given)


OURS = """
{block}
from searchlight.saliency.score import score_block
score_block({folder!r} + "/r", {folder!r} + "/s", scorer={scorer!r})
"""
THEIRS = """
sys.path.insert(0, {here!r})
from baseline import CASES, maps_in_threads
maps_in_threads(CASES[{case!r}], Path({policy!r}), Path({episode!r}), range({first}, {first} + 5))
"""


def peak_of_case(body: str, case: str) -> float:
    """Return the peak memory in MB of one process: a whole block by Searchlight, or five frames the notebook's way."""
    spec, scorer = SPECS[case]
    first, size = CLIP["frames"][0], CONFIG["block_size"]
    with tempfile.TemporaryDirectory() as folder:
        block = {
            "policy": str(POLICY),
            "episode": str(EPISODE),
            "output": f"{folder}/r",
            "spec": {**spec, "perturber": check("perturber", spec["perturber"]), "memory_lag": 0},
            "block": first // size + 1,
            "size": size,
            "more": {},
        }
        values = {
            "block": BLOCK.format(**block),
            "policy": str(POLICY),
            "episode": str(EPISODE),
            "folder": folder,
            "here": str(Path(__file__).parent),
            "scorer": check("scorer", scorer),
            "case": case,
            "first": first,
        }
        return peak_mb(body.format(**values))


END_TO_END = {
    "perturbations": {"window": SPECS["notebook"][0], "erase": None, "blur": None},
    "methods": {
        "occlusion": {"perturbation": "window", "scorer": SPECS["notebook"][1]},
        "erase": None,
        "greydanus": None,
    },
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

    The notebook's time is extrapolated from ``END_FRAMES`` frames, five at a time in its threads. It leaves out its
    episode and its video.
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


def main() -> None:
    """Measure everything, print the report, write the results."""
    if not EPISODE.exists():
        sys.exit(f"{EPISODE.relative_to(ROOT)}: no such file; run `make` first")
    cases: dict[str, dict[str, float]] = {}
    for case in track(SPECS, "Cases"):
        cases[case] = measure(case)
        cases[case] |= {"peak_mb": peak_of_case(OURS, case), "baseline_peak_mb": peak_of_case(THEIRS, case)}
    cases["end_to_end"] = end_to_end()
    for case, row in cases.items():
        row["target"] = TARGETS[case]
    results = {
        "machine": machine(),
        "cases": cases,
        "agents": by_agents(),
        "masks": by_masks(),
        "frames": by_frames(),
        "cores": by_cores(),
        "measures": by_measures(),
        "steps": steps(),
        "profile": {case: profile(spec) for case, spec in SPECS.items()},
        "limits": limits({case: cases[case]["ours_s"] for case in SPECS}),
    }
    save(RESULTS, results)
    plot(results["masks"], RESULTS.with_suffix(".png"))
    Console().print(report(results), markup=False, highlight=False)
    worst = max(row["max_abs_difference"] for row in (*(cases[case] for case in SPECS), *results["agents"]))
    if worst > 1e-3:
        sys.exit(f"maps or outputs differ by {worst:.2g}")


if __name__ == "__main__":
    main()
