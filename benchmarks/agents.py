"""Other agents: `erase` and the notebook's windows, with each preprocessing, beside a competent user's batched way.

The public agents of baby-a3c are read from a folder beside the checkout. Their rows are left out if it is missing.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from baseline import batched_outputs, imresize, prepro
from cases import ROOT
from searchlight.agents import preprocessings
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.policy_file import load_policy
from searchlight.agents.rollout import play_episode
from searchlight.saliency.background import Backgrounds, write_background
from searchlight.saliency.engine import Engine
from searchlight.saliency.perturbation import Perturbation
from searchlight.saliency.plugins import check
from searchlight.store.zarr import load

AGENTS = ROOT.parent / "shared" / "checkpoints" / "baby-a3c"
STEPS, FRAMES, BASELINE_FRAMES = 1000, 40, 3
PREPARE = {"cv2": prepro, "imresize": imresize}


def windows(size: int, stride: int, fill: Any) -> dict[str, Any]:
    """Return a perturbation of the screen by windows."""
    perturber = check("perturber", {"SlidingWindow": {"window_size": [size, size], "stride": [stride, stride]}})
    return {"space": "screen", "stack": "all", "perturber": perturber, "fill": fill}


SPECS = {"erase": windows(8, 4, {"background": 200}), "notebook": windows(5, 5, 0)}


@dataclass(frozen=True)
class Player:
    """An agent that is measured, and its rows: cases with preprocessings."""

    name: str
    checkpoint: str
    env: str
    preprocessing: str
    rows: tuple[tuple[str, str], ...]


ERASE_BOTH = (("erase", "cv2"), ("erase", "imresize"))
ALL = [
    Player("bundled Breakout", "bundled:breakout", "Breakout-v0", "cv2", ERASE_BOTH),
    Player("Breakout", str(AGENTS / "breakout-v4.model.80.tar"), "Breakout-v4", "imresize", ERASE_BOTH),
    Player(
        "Pong", str(AGENTS / "pong-v4.model.80.tar"), "Pong-v4", "imresize", (*ERASE_BOTH, ("notebook", "imresize"))
    ),
    Player("SpaceInvaders", str(AGENTS / "spaceinvaders-v4.model.80.tar"), "SpaceInvaders-v4", "imresize", ERASE_BOTH),
]


def by_agents() -> list[dict[str, Any]]:
    """Measure all rows: seconds a frame of both ways, from the screen to the outputs, without scoring."""
    return [
        row
        for agent in ALL
        if agent.checkpoint.startswith("bundled:") or Path(agent.checkpoint).is_file()
        for row in _rows(agent)
    ]


@torch.inference_mode()
def _rows(agent: Player) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stderr(io.StringIO()):
        folder = Path(name)
        fetch_checkpoint(agent.checkpoint, None, None, ROOT / "resources" / "agents", folder / "policy", lambda _: None)
        settings = {"env": agent.env, "preprocessing": agent.preprocessing, "actions": "greedy", "seed": 0}
        play_episode(folder / "policy", folder / "episode", agent=agent.name, **settings, max_steps=STEPS)
        write_background(folder / "episode", folder / "background", window=200)
        policy = load_policy(folder / "policy")
        given = []
        with load(folder / "episode") as episode, load(folder / "background") as store:
            backgrounds = Backgrounds(store)
            for frame in np.linspace(60, episode.shape("frame")[0] - 1, FRAMES).astype(int).tolist():
                row = slice(frame, frame + 1)
                memory = {
                    part: torch.from_numpy(episode.read(f"memory_{part}", row)) for part in policy.initial_memory()
                }
                given.append((episode.read("frame", row)[0], memory, backgrounds.nearest(frame)))
        for case, preprocessing in agent.rows:
            built = preprocessings.build(preprocessing, given[0][0].shape[:2])
            engine = Engine(policy, built.shape)
            yield {"case": case, "agent": agent.name, "preprocessing": preprocessing} | _measure(
                engine, policy, Perturbation(SPECS[case], built), PREPARE[preprocessing], case, given
            )


def _measure(engine, policy, perturbation, prepare, case: str, given: list[Any]) -> dict[str, float]:
    count = len(perturbation.masks)

    def respond(screen, memory, background):
        frame = perturbation.preprocessing.prepare(screen[None])
        patches = perturbation.patches(screen[None], frame, background[None])
        return engine.respond(engine.reference(frame.observation), memory, patches, count)[:2]

    respond(*given[0])
    start = time.perf_counter()
    ours = [respond(*frame) for frame in given]
    ours_s = (time.perf_counter() - start) / len(given)
    masks = perturbation.masks.dense(0, count) > 0
    picked = np.linspace(0, len(given) - 1, BASELINE_FRAMES).astype(int)
    start = time.perf_counter()
    theirs = [
        batched_outputs(policy, screen, masks, background if case == "erase" else 0, prepare, memory)
        for screen, memory, background in (given[index] for index in picked)
    ]
    batched_s = (time.perf_counter() - start) / len(picked)
    pairs = zip((ours[index] for index in picked), theirs, strict=True)
    return {
        "masks": count,
        "batched_s": batched_s,
        "ours_s": ours_s,
        "ratio": batched_s / ours_s,
        "max_abs_difference": max(float(np.abs(a - b).max()) for pair in pairs for a, b in zip(*pair, strict=True)),
    }
