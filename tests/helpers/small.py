"""The small config that workflow tests run."""

from __future__ import annotations

import copy
from typing import Any

import yaml

SMALL: dict[str, Any] = {
    "block_size": 8,
    "perturbations": {
        "erase": None,
        "window": {
            "space": "screen",
            "perturber": {"SlidingWindow": {"window_size": [20, 20], "stride": [20, 20]}},
            "fill": "background",
        },
        "blur": {"perturber": {"SlidingRadial": {"stride": [20, 20]}}},
    },
    "methods": {"erase": None, "occlusion": {"perturbation": "window", "scorer": "OcclusionScoring"}},
    "clips": {
        "demo": None,
        "small": {
            "agent": "breakout",
            "seed": 1,
            "max_steps": 60,
            "frames": [10, 29],
            "methods": ["occlusion", "greydanus"],
            "fps": 10,
        },
    },
    "video": {"zoom": 1},
}


def edited(*edits: tuple[str, Any]) -> str:
    """Return the small config, with values set at keys divided by slashes, as YAML."""
    config = copy.deepcopy(SMALL)
    for key, value in edits:
        *path, last = key.split("/")
        table = config
        for part in path:
            table = table.setdefault(part, {})
        table[last] = value
    return yaml.safe_dump(config)
