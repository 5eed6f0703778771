"""What is measured: frames of the bundled agent, three ways to perturb and score, and Searchlight's maps of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from baseline import Maps, notebook_policy, read_frame
from searchlight.agents import preprocessings
from searchlight.agents.policy import Memory
from searchlight.agents.policy_file import load_policy
from searchlight.agents.preprocessings import USUAL_SCREEN
from searchlight.saliency.engine import Engine
from searchlight.saliency.perturbation import Perturbation
from searchlight.saliency.plugins import check
from searchlight.saliency.score import make_scorers

ROOT = Path(__file__).resolve().parents[1]
CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
CLIP = CONFIG["clips"]["demo"]
POLICY = ROOT / "results" / "agents" / CLIP["agent"] / "policy.safetensors"
EPISODE = ROOT / "results" / "episodes" / CLIP["agent"] / f"seed-{CLIP['seed']}.zarr.zip"

Spec = tuple[dict[str, Any], dict[str, Any]]
Frame = tuple[np.ndarray, dict[str, torch.Tensor]]


def window(stride: int) -> Spec:
    """Return the notebook's method, with windows of 5x5 pixels that lie ``stride`` apart."""
    perturber = {"SlidingWindow": {"window_size": [5, 5], "stride": [stride, stride]}}
    return {"space": "screen", "stack": "all", "perturber": perturber, "fill": 0}, {"OcclusionScoring": {}}


SPECS: dict[str, Spec] = {
    "notebook": window(5),
    "upstream": (
        {
            "space": "observation",
            "stack": "all",
            "perturber": {"SlidingRadial": {"radius": [1, 1], "stride": [5, 5], "sigma": [5, 5]}},
            "fill": {"blur": 3},
        },
        {"SquaredDifferenceScoring": {}},
    ),
    "rise": (
        {
            "space": "observation",
            "stack": "all",
            "perturber": {"RISEGrid": {"n": 1000, "s": 8, "p1": 0.5, "seed": 0}},
            "fill": 0,
        },
        {"RISEScoring": {"p1": 0.5}},
    ),
}


def frames(count: int) -> list[Frame]:
    """Return screens and memories of frames spread over the default clip."""
    policy = notebook_policy(POLICY)
    return [read_frame(policy, EPISODE, frame) for frame in np.linspace(*CLIP["frames"], count).astype(int)]


def perturbation_of(spec: Spec) -> Perturbation:
    """Return the perturbation of a case, with its masks."""
    return Perturbation(
        {**spec[0], "perturber": check("perturber", spec[0]["perturber"])}, preprocessings.build("cv2", USUAL_SCREEN)
    )


def our_maps(spec: Spec) -> Callable[[np.ndarray, Memory], Maps]:
    """Return a function from a screen and a memory to maps, made of the project's own steps. Set-up happens here."""
    perturbation = perturbation_of(spec)
    engine = Engine(load_policy(POLICY), perturbation.preprocessing.shape)
    score = make_scorers(check("scorer", spec[1]), perturbation.masks).actor
    count = len(perturbation.masks)

    @torch.inference_mode()
    def maps(screen: np.ndarray, memory: Memory) -> Maps:
        frame = perturbation.preprocessing.prepare(screen[None])
        patches = perturbation.patches(screen[None], frame)
        logits, value, ref_logits, ref_value = engine.respond(
            engine.reference(frame.observation), memory, patches, count
        )
        actor = score(ref_logits[None], logits[None])[0]
        critic = score(ref_value[None, None], value[None, :, None])[0]
        return actor / (actor.max() or 1), critic

    return maps
