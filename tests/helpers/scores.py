"""Masks, and outputs under them, for tests of what scorers make of them."""

from __future__ import annotations

import numpy as np
from searchlight.saliency.masks import Masks

SHAPE = (24, 20)
IMAGE = np.zeros(SHAPE)
PERTURBERS = {
    "window": {"SlidingWindow": {"window_size": [6, 5], "stride": [4, 5]}},
    "sparse window": {"SlidingWindow": {"window_size": [2, 2], "stride": [5, 5]}},
    "radial": {"SlidingRadial": {"radius": [2, 2], "stride": [6, 6], "sigma": [2, 2]}},
    "rise": {"RISEGrid": {"n": 30, "s": 4, "p1": 0.5, "seed": 1}},
}


def outputs(masks: Masks, frames: int, actions: int, seed: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    reference = (scale * rng.standard_normal((frames, actions))).astype(np.float32)
    changes = 0.1 * scale * rng.standard_normal((frames, len(masks), actions))
    return reference, (reference[:, None] + changes).astype(np.float32)
