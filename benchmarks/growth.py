"""How time grows with masks, frames and cores, where it goes, and how far it is from the machine's limit."""

from __future__ import annotations

import cProfile
import os
import pstats
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from baseline import Case, frame_maps, notebook_policy
from cases import CLIP, CONFIG, EPISODE, POLICY, SPECS, Spec, frames, our_maps, perturbation_of, window
from searchlight.agents import preprocessings
from searchlight.agents.policy import Factored
from searchlight.agents.policy_file import load_policy
from searchlight.agents.preprocessings import USUAL_SCREEN
from searchlight.saliency.boxes import boxes_after, geometry
from xaitk_saliency.impls.gen_classifier_conf_sal.occlusion_scoring import OcclusionScoring
from xaitk_saliency.impls.perturb_image.sliding_window import SlidingWindow

STRIDES = (20, 10, 5, 4, 3)
BLOCKS = (40, 80, 160, 240, 320)
SHAPE = preprocessings.build("cv2", USUAL_SCREEN).shape
BLOCK_SIZE = CONFIG["block_size"]
OPERATIONS = {
    **dict.fromkeys(("conv2d", "addmm", "addmm_", "linear"), "convolutions and products"),
    **dict.fromkeys(("exp", "clamp_", "sub_", "maximum"), "activation (ELU)"),
}
MODULES = {
    "crops": "perturbing and preparing",
    "perturbation": "perturbing and preparing",
    **dict.fromkeys(("cv2", "imresize", "_halving"), "perturbing and preparing"),
    "preprocessing": "perturbing and preparing",
    "boxes": "where the boxes are",
    "engine": "gathering and copying",
    "greydanus": "recurrent cell and heads",
    "score": "scoring",
}


def seconds_a_frame(spec: Spec, count: int) -> float:
    """Return Searchlight's seconds a frame over ``count`` frames, without set-up."""
    maps, given = our_maps(spec), frames(count)
    maps(*given[0])
    start = time.perf_counter()
    for frame in given:
        maps(*frame)
    return (time.perf_counter() - start) / count


def by_masks() -> list[dict[str, float]]:
    """Measure the notebook's method with windows further apart and closer: 2 frames its way, 60 by Searchlight."""
    policy, found = notebook_policy(POLICY), []
    for stride in STRIDES:
        spec = window(stride)
        case = Case(SlidingWindow((5, 5), (stride, stride)), OcclusionScoring(), on_screen=True)
        given = frames(2)
        frame_maps(case, policy, *given[0])
        start = time.perf_counter()
        for frame in given:
            frame_maps(case, policy, *frame)
        theirs = (time.perf_counter() - start) / 2
        ours = seconds_a_frame(spec, 60)
        found.append(
            {
                "masks": len(perturbation_of(spec).masks),
                "baseline_s": theirs,
                "ours_s": ours,
                "ratio": theirs / ours,
            }
        )
    return found


JOB = """
from searchlight.job import limit_threads
limit_threads(1)
import sys
from searchlight.saliency.perturb import perturb_block
block, size, output = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
perturb_block({policy!r}, {episode!r}, output, perturbation={spec!r}, block=block, block_size=size)
"""


def _jobs_seconds(processes: int, size: int) -> float:
    """Return the seconds of some ``perturb`` jobs at once, each with a block of its own: the best of three."""
    return min(_once(processes, size) for _ in range(3))


def _once(processes: int, size: int) -> float:
    """Return the seconds from the start of some jobs to the end of the last."""
    spec = {**SPECS["notebook"][0], "memory_lag": 0}
    text = JOB.format(policy=str(POLICY), episode=str(EPISODE), spec=spec)
    first = CLIP["frames"][0] // size
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        running = [
            subprocess.Popen([sys.executable, "-c", text, str(first - at), str(size), str(Path(folder) / str(at))])
            for at in range(processes)
        ]
        codes = [process.wait() for process in running]
        if any(codes):
            raise RuntimeError("a perturb job failed")
        return time.perf_counter() - start


def by_frames() -> list[dict[str, float]]:
    """Measure ``perturb`` jobs of growing blocks of the notebook's method, while all cores are busy with the same.

    Start-up is what a job of no frames would take, by a straight line through the smallest and the largest block.
    """
    cores = os.cpu_count() or 1
    taken = [_jobs_seconds(min(cores, 2), size) for size in BLOCKS]
    slope = (taken[-1] - taken[0]) / (BLOCKS[-1] - BLOCKS[0])
    start_up = taken[0] - slope * BLOCKS[0]
    return [
        {"frames": size, "seconds": seconds, "start_up_share": start_up / seconds}
        for size, seconds in zip(BLOCKS, taken, strict=True)
    ]


def by_cores() -> list[dict[str, float]]:
    """Measure jobs of whole blocks, one on each of 1, 2, 4 … cores."""
    counts = [1]
    while counts[-1] * 2 <= min(os.cpu_count() or 1, CLIP["frames"][0] // BLOCK_SIZE):
        counts.append(counts[-1] * 2)
    found = []
    for cores in counts:
        taken = _jobs_seconds(cores, BLOCK_SIZE)
        found.append({"cores": cores, "frames_a_second": BLOCK_SIZE * cores / taken})
    return found


def _stage(function: tuple[str, int, str]) -> str | None:
    """Return the stage of a function, or None if it belongs to the stage of its caller."""
    path, _, name = function
    if path == "~":
        called = re.search(r"method '?([\w.]+)", name)
        operation = called[1].rpartition(".")[2] if called and "torch" in name else ""
        return OPERATIONS.get(operation)
    return MODULES.get(Path(path).stem) if "searchlight" in path else None


def profile(spec: Spec, count: int = 30) -> dict[str, float]:
    """Return the share of time that each stage takes. Python's profiler makes small calls look dearer than they are.

    The time of a library's function counts for the module that called it, except for products and activations.
    """
    maps, given = our_maps(spec), frames(count)
    maps(*given[0])
    profiler = cProfile.Profile()
    profiler.enable()
    for frame in given:
        maps(*frame)
    profiler.disable()
    stats: dict[Any, Any] = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    taken: Counter[str] = Counter()

    def charge(function: Any, seconds: float, depth: int = 0) -> None:
        stage = _stage(function)
        callers = stats[function][4]
        total = sum(caller[2] for caller in callers.values())
        if stage is not None or depth == 8 or not total:
            taken[stage or "the rest"] += seconds
            return
        for caller, (*_, own, _) in callers.items():
            charge(caller, seconds * own / total, depth + 1)

    for function, (_, _, own, _, _) in stats.items():
        charge(function, own)
    total = sum(taken.values())
    return {stage: seconds / total for stage, seconds in taken.most_common()}


def _forward(policy: Factored) -> int:
    """Return the multiply-adds of one forward of the whole network, up to the first product."""
    return (
        sum(one.positions * one.operations for one in geometry(policy.convolutions, SHAPE)) + policy.product[0].numel()
    )


def _needed(policy: Factored, spec: Spec, count: int) -> float:
    """Return the multiply-adds of a frame that are needed: those of each layer's outputs that can change, once."""
    convolutions, perturbation = geometry(policy.convolutions, SHAPE), perturbation_of(spec)
    products, whole, hidden = len(policy.product[1]), _forward(policy), policy.initial_memory()["h"].shape[1]
    heads = hidden * (policy.actions + 1)
    total = 0.0
    for screen, _ in frames(count):
        frame = perturbation.preprocessing.prepare(screen[None])
        total += whole + products * hidden
        for found in perturbation.patches(screen[None], frame):
            boxes = boxes_after(found.boxes, convolutions)
            areas = [box.sizes.prod(axis=1) for box in boxes]
            local = sum(area * one.operations for area, one in zip(areas, convolutions, strict=True))
            local = local + areas[-1] * convolutions[-1].channels_out * products
            total += float(np.minimum(local, whole).sum()) + heads * len(found.masks)
    return total / count


def rate() -> float:
    """Return the multiply-adds a second of a large float32 matrix product on one thread: the best of five."""
    side = 2048
    one, other = torch.rand(side, side), torch.rand(side, side)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        one @ other
        best = min(best, time.perf_counter() - start)
    return side**3 / best


def limits(ours: dict[str, float]) -> dict[str, dict[str, float]]:
    """Compare each case's seconds a frame with the time of its needed multiply-adds at the machine's ``rate``."""
    policy, speed = load_policy(POLICY), rate()
    found = {}
    for case, seconds in ours.items():
        needed = _needed(policy, SPECS[case], 20)
        masks = len(perturbation_of(SPECS[case]).masks)
        found[case] = {
            "multiply_adds_needed": needed,
            "multiply_adds_of_whole_forwards": _forward(policy) * masks,
            "rate": speed,
            "limit_s": needed / speed,
            "ours_s": seconds,
            "times_the_limit": seconds * speed / needed,
        }
    return found
