"""Measure the saliency step against the XAITK notebook's way, side by side, on the same real frames, on one thread.

``make benchmark`` plays the default run's episode if it is not there yet, prints a table and writes
``benchmarks/results.json``. Both sides' maps are compared; a difference above 1e-3 fails.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from searchlight.job import THREAD_VARIABLES, limit_threads

limit_threads(1)

import numpy as np  # noqa: E402
import torch  # noqa: E402
import yaml  # noqa: E402
from baseline import CASES, Maps, frame_maps, notebook_policy, read_frame  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from searchlight.engine import Engine  # noqa: E402
from searchlight.perturbation import Perturbation  # noqa: E402
from searchlight.plugins import check  # noqa: E402
from searchlight.policy import load_policy  # noqa: E402
from searchlight.scoring import make_scorer  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results.json"
CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
CLIP = CONFIG["clips"]["demo"]
POLICY = ROOT / "results" / "agents" / CLIP["agent"] / "policy.safetensors"
EPISODE = ROOT / "results" / "episodes" / CLIP["agent"] / f"seed-{CLIP['seed']}.zarr.zip"
FRAMES = 100
BASELINE_SECONDS = 60
SPECS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "notebook": (
        {"space": "screen", "perturber": {"SlidingWindow": {"window_size": [5, 5], "stride": [5, 5]}}, "fill": 0},
        {"OcclusionScoring": {}},
    ),
    "upstream": (
        {
            "space": "observation",
            "perturber": {"SlidingRadial": {"radius": [1, 1], "stride": [5, 5], "sigma": [5, 5]}},
            "fill": {"blur": 3},
        },
        {"SquaredDifferenceScoring": {}},
    ),
    "rise": (
        {"space": "observation", "perturber": {"RISEGrid": {"n": 1000, "s": 8, "p1": 0.5, "seed": 0}}, "fill": 0},
        {"RISEScoring": {"p1": 0.5}},
    ),
}
TARGETS = {"notebook": 250, "upstream": 12, "rise": 3}


def our_maps(case: str) -> Callable[[np.ndarray, dict[str, torch.Tensor]], Maps]:
    """Return a function from a screen and a memory to maps, by the project's own steps; set-up is the caller's."""
    spec, scorer = SPECS[case]
    policy = load_policy(POLICY)
    perturbation = Perturbation({**spec, "perturber": check("perturber", spec["perturber"])}, "cv2")
    engine = Engine(policy)
    score = make_scorer(check("scorer", scorer), perturbation.masks)
    count = len(perturbation.masks)

    @torch.inference_mode()
    def maps(screen: np.ndarray, memory: dict[str, torch.Tensor]) -> Maps:
        observation = perturbation.prepare(screen)
        patches = perturbation.patches(screen, observation)
        logits, value, ref_logits, ref_value = engine.respond(engine.reference(observation), memory, patches, count)
        actor = score(ref_logits[None], logits[None])[0]
        critic = score(ref_value[None, None], value[None, :, None])[0]
        return actor / (actor.max() or 1), critic

    return maps


def measure(case: str) -> dict[str, float]:
    """Measure one case: seconds a frame of both sides, and how far their maps are apart."""
    first, last = CLIP["frames"]
    policy = notebook_policy(POLICY)
    frames = [read_frame(policy, EPISODE, frame) for frame in np.linspace(first, last, FRAMES).astype(int)]
    start = time.perf_counter()
    maps = our_maps(case)
    ours = [maps(*frame) for frame in frames]
    ours_s = (time.perf_counter() - start) / len(frames)
    theirs: list[Maps] = []
    start = time.perf_counter()
    # Spread over the clip, as ours are.
    order = np.random.default_rng(0).permutation(len(frames))
    while len(theirs) < len(frames) and time.perf_counter() - start < BASELINE_SECONDS:
        theirs.append(frame_maps(CASES[case], policy, *frames[order[len(theirs)]]))
    baseline_s = (time.perf_counter() - start) / len(theirs)
    pairs = zip(theirs, (ours[index] for index in order), strict=False)
    difference = max(float(np.abs(one - other).max()) for pair in pairs for one, other in zip(*pair, strict=True))
    return {
        "baseline_s": baseline_s,
        "ours_s": ours_s,
        "ratio": baseline_s / ours_s,
        "target": TARGETS[case],
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
perturb_block({policy!r}, {episode!r}, {folder!r} + "/r", perturbation={spec!r}, block={block}, block_size=64)
score_block({folder!r} + "/r", {folder!r} + "/s", scorer={scorer!r})
"""
THEIRS = """
sys.path.insert(0, {here!r})
from baseline import CASES, maps_in_threads
maps_in_threads(CASES[{case!r}], Path({policy!r}), Path({episode!r}), range({first}, {first} + 5))
"""


def peak_mb(body: str, case: str) -> float:
    """Return the peak memory in MB of a process of its own: ours for a block of 64 frames, theirs for five frames."""
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
            "block": first // 64 + 1,
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
maps_in_threads(CASES["notebook"], Path({policy!r}), Path({episode!r}), range(1400, 1400 + {frames}))
print(time.perf_counter() - start)
"""
END_FRAMES = 10


def end_to_end() -> dict[str, float]:
    """Measure 601 frames from nothing to videos, beside the notebook's maps of them, both with two threads.

    The notebook's time is extrapolated from ``END_FRAMES`` frames, in its threads, and holds neither its episode nor
    its video.
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
        "target": 30,
        "frames_ours": 601,
        "frames_baseline": END_FRAMES,
    }


def machine() -> dict[str, str]:
    """Describe the machine."""
    from importlib.metadata import version

    cpu = next(
        (line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    return {"cpu": cpu, "python": platform.python_version(), **{name: version(name) for name in ("torch", "numpy")}}


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def main() -> None:
    """Measure all cases, print the table, write the results."""
    if not EPISODE.exists():
        sys.exit(f"{EPISODE.relative_to(ROOT)}: no such file; run `make` first")
    results: dict[str, Any] = {"machine": machine()}
    table = Table("case", "notebook's way", "Searchlight", "ratio", "target", "difference", "peak MB", title="A frame")
    for case in SPECS:
        row = measure(case)
        row |= {"peak_mb": peak_mb(OURS, case), "baseline_peak_mb": peak_mb(THEIRS, case)}
        results[case] = row
        table.add_row(
            case,
            f"{1e3 * row['baseline_s']:.0f} ms",
            f"{1e3 * row['ours_s']:.1f} ms",
            f"{row['ratio']:.1f}",
            f"{row['target']}",
            f"{row['max_abs_difference']:.1e}",
            f"{row['baseline_peak_mb']:.0f} → {row['peak_mb']:.0f}",
        )
    Console().print(table)
    results["end_to_end"] = row = end_to_end()
    Console().print(
        f"End to end, 601 frames to videos, 2 threads: notebook {row['baseline_s']:.0f} s (extrapolated from "
        f"{END_FRAMES} frames), Searchlight {row['ours_s']:.0f} s, {row['ratio']:.0f} times (target {row['target']})"
    )
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    worst = max(results[case]["max_abs_difference"] for case in SPECS)
    if worst > 1e-3:
        sys.exit(f"the maps differ by {worst:.2g}")


if __name__ == "__main__":
    main()
