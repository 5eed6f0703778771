"""Other agents: `erase`, the notebook's windows and RISE, beside a competent user's batched way.

Public agents are read from a folder beside the checkout. Their rows are left out if it is missing.
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
from baseline import batched_outputs, imresize, prepro, sb3
from cases import ROOT
from peak import BLOCK, peak_mb
from searchlight.agents import preprocessings
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.policy_file import load_policy
from searchlight.agents.rollout import play_episode
from searchlight.saliency import fills
from searchlight.saliency.background import write_background
from searchlight.saliency.engine import Engine
from searchlight.saliency.perturbation import Perturbation
from searchlight.saliency.plugins import check
from searchlight.saliency.recorded import Recorded
from searchlight.store.zarr import load

CHECKPOINTS = ROOT.parent / "shared" / "checkpoints"
AGENTS, SB3 = CHECKPOINTS / "baby-a3c", CHECKPOINTS / "agents" / "sb3"
STEPS, FRAMES, BASELINE_FRAMES = 1000, 40, 3
PREPARE = {"cv2": prepro, "imresize": imresize, "sb3": sb3}


def windows(size: int, stride: int, fill: Any) -> dict[str, Any]:
    """Return a perturbation of the screen by windows."""
    perturber = check("perturber", {"SlidingWindow": {"window_size": [size, size], "stride": [stride, stride]}})
    return {"space": "screen", "stack": "all", "perturber": perturber, "fill": fill}


SPECS = {
    "erase": windows(8, 4, {"background": 200}),
    "notebook": windows(5, 5, 0),
    "newest": windows(5, 5, 0) | {"stack": "newest"},
    "rise": {
        "space": "observation",
        "stack": "all",
        "perturber": check("perturber", {"RISEGrid": {"n": 1000, "s": 8, "p1": 0.5, "seed": 0}}),
        "fill": 0,
    },
}


@dataclass(frozen=True)
class Player:
    """An agent that is measured, and its rows: cases with preprocessings."""

    name: str
    checkpoint: str
    env: str
    preprocessing: str
    rows: tuple[tuple[str, str], ...]
    wrappers: str = "none"


ERASE_BOTH = (("erase", "cv2"), ("erase", "imresize"))
NATURE = tuple((case, "sb3") for case in SPECS)
ALL = [
    Player("bundled Breakout", "bundled:breakout", "Breakout-v0", "cv2", ERASE_BOTH),
    Player("Breakout", str(AGENTS / "breakout-v4.model.80.tar"), "Breakout-v4", "imresize", ERASE_BOTH),
    Player(
        "Pong", str(AGENTS / "pong-v4.model.80.tar"), "Pong-v4", "imresize", (*ERASE_BOTH, ("notebook", "imresize"))
    ),
    Player("SpaceInvaders", str(AGENTS / "spaceinvaders-v4.model.80.tar"), "SpaceInvaders-v4", "imresize", ERASE_BOTH),
    Player("A2C Breakout", str(SB3 / "a2c-BreakoutNoFrameskip-v4.zip"), "BreakoutNoFrameskip-v4", "sb3", NATURE, "sb3"),
    Player("PPO Pong", str(SB3 / "ppo-PongNoFrameskip-v4.zip"), "PongNoFrameskip-v4", "sb3", NATURE, "sb3"),
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
        settings = {
            "env": agent.env,
            "wrappers": agent.wrappers,
            "preprocessing": agent.preprocessing,
            "actions": "greedy",
            "seed": 0,
        }
        play_episode(folder / "policy", folder / "episode", agent=agent.name, **settings, max_steps=STEPS)
        write_background(folder / "episode", folder / "background", window=200)
        policy = load_policy(folder / "policy")
        with load(folder / "episode") as episode, load(folder / "background") as store:
            frames = np.linspace(60, episode.shape("frame")[0] - 1, FRAMES).astype(int).tolist()
            for case, preprocessing in agent.rows:
                built = preprocessings.build(preprocessing, episode.shape("frame")[1:3])
                given = [_read(frame, Recorded(episode, store)) for frame in frames]
                row = {"case": case, "agent": agent.name, "preprocessing": preprocessing} | _measure(
                    Engine(policy, built.shape),
                    policy,
                    Perturbation(SPECS[case], built),
                    PREPARE[preprocessing],
                    case,
                    given,
                )
                yield row | {"peak_mb": _peak_mb(folder, SPECS[case]) if agent.preprocessing == preprocessing else None}


def _peak_mb(folder: Path, spec: dict[str, Any]) -> float:
    """Return the peak memory of a block of 40 frames."""
    block = {"policy": f"{folder}/policy", "episode": f"{folder}/episode", "output": f"{folder}/responses"}
    more = {"background_path": f"{folder}/background"} if fills.window(spec["fill"]) is not None else {}
    return peak_mb(BLOCK.format(**block, spec={**spec, "memory_lag": 0}, block=1, size=40, more=more))


# The screens of an observation's pictures, the agent's memory, and the pictures' backgrounds.
Given = tuple[np.ndarray, dict[str, torch.Tensor], np.ndarray]


def _read(frame: int, recorded: Recorded) -> Given:
    (moment,) = recorded.moments(range(frame, frame + 1))
    return moment.screens, moment.memory, moment.backgrounds


def _batched(policy, perturbation, prepare, masks, case, screens, memory, backgrounds):
    """Return a frame's outputs as a competent user computes them; masks are (mask, height, width) float32."""
    if case == "newest":
        older = np.stack([prepare(screen) for screen in screens[:-1]])
        return batched_outputs(policy, screens[-1:], masks > 0, 0, prepare, memory, older)
    if case == "rise":
        pictures = perturbation.preprocessing.prepare(screens).observation.transpose(2, 0, 1)
        return batched_outputs(policy, pictures, masks, 0, None, memory)
    return batched_outputs(policy, screens, masks > 0, backgrounds if case == "erase" else 0, prepare, memory)


def _measure(engine, policy, perturbation, prepare, case: str, given: list[Given]) -> dict[str, float]:
    count = len(perturbation.masks)

    def respond(screens, memory, backgrounds):
        frame = perturbation.preprocessing.prepare(screens)
        patches = perturbation.patches(screens, frame, backgrounds)
        return engine.respond(engine.reference(frame.observation), memory, patches, count)[:2]

    respond(*given[0])
    start = time.perf_counter()
    ours = [respond(*one) for one in given]
    ours_s = (time.perf_counter() - start) / len(given)
    masks = perturbation.masks.dense(0, count)
    picked = np.linspace(0, len(given) - 1, BASELINE_FRAMES).astype(int)
    start = time.perf_counter()
    theirs = [_batched(policy, perturbation, prepare, masks, case, *given[index]) for index in picked]
    batched_s = (time.perf_counter() - start) / len(picked)
    pairs = zip((ours[index] for index in picked), theirs, strict=True)
    return {
        "masks": count,
        "batched_s": batched_s,
        "ours_s": ours_s,
        "ratio": batched_s / ours_s,
        "max_abs_difference": max(float(np.abs(a - b).max()) for pair in pairs for a, b in zip(*pair, strict=True)),
    }
