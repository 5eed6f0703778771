"""The agents that tests use: the bundled one, and real public ones where a checkout has them beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from searchlight.agents.rollout import play_episode

from helpers.project import ROOT

CHECKPOINTS = ROOT.parent / "shared" / "checkpoints"
AGENTS = CHECKPOINTS / "baby-a3c"
# Length of the episode that tests share.
STEPS = 140


def play_bundled(policy_path: Path, path: Path, *, seed: int, max_steps: int) -> None:
    """Let the bundled agent play as in the default run."""
    world = {"agent": "breakout", "env": "Breakout-v0", "preprocessing": "cv2", "actions": "greedy"}
    play_episode(policy_path, path, **world, seed=seed, max_steps=max_steps)


def real_agent(name: str) -> Path:
    """Return a real public agent's checkpoint, or skip the test; ``FOLDER/NAME`` for those of other families."""
    path = CHECKPOINTS / "agents" / name if "/" in name else AGENTS / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside this checkout")
    return path
