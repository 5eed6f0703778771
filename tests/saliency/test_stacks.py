"""Responses of agents that see stacks: they follow from the episode's store alone, block by block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.files import edit_store
from helpers.project import BUNDLED
from searchlight.agents import preprocessings
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.policy import channels_first
from searchlight.agents.policy_file import load_policy
from searchlight.agents.rollout import play_episode
from searchlight.errors import SearchlightError
from searchlight.saliency.background import write_background
from searchlight.saliency.perturb import perturb_block
from searchlight.store.zarr import load

STEPS = 24
SPEC: dict[str, Any] = {
    "space": "screen",
    "perturber": {"SlidingWindow": {"window_size": [30, 30], "stride": [30, 30]}},
    "fill": "background",
    "memory_lag": 0,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short game of the bundled agent of Pong, with its background."""
    folder = tmp_path_factory.mktemp("pong")
    fetch_checkpoint("bundled:pong", None, None, BUNDLED, folder / "policy", print)
    world = {"agent": "pong", "env": "PongNoFrameskip-v4", "wrappers": "sb3", "preprocessing": "sb3"}
    play_episode(folder / "policy", folder / "episode", **world, actions="greedy", seed=0, max_steps=STEPS)
    write_background(folder / "episode", folder / "background", window=200)
    return folder


def respond(folder: Path, output: Path, stack: str, block: int, block_size: int) -> dict[str, np.ndarray]:
    """Return the arrays of one block's responses."""
    given = (folder / "policy", folder / "episode", output)
    spec = {**SPEC, "stack": stack}
    perturb_block(*given, perturbation=spec, block=block, block_size=block_size, background_path=folder / "background")
    with load(output) as store:
        return {name: store.read(name) for name in store.names()}


@pytest.mark.parametrize("stack", ["all", "newest"])
def test_size_of_blocks_changes_no_bit(folder: Path, tmp_path: Path, stack: str) -> None:
    whole = respond(folder, tmp_path / "whole", stack, 0, STEPS)
    parts = [respond(folder, tmp_path / f"{block}", stack, block, 5) for block in range(5)]
    assert whole["effective_masks"].any()
    for name, array in whole.items():
        np.testing.assert_array_equal(array, np.concatenate([part[name] for part in parts]), err_msg=name)


def test_newest_picture_alone_matters_less_than_all(folder: Path, tmp_path: Path) -> None:
    changes = {}
    for stack in ("all", "newest"):
        found = respond(folder, tmp_path / stack, stack, 0, STEPS)
        changes[stack] = np.abs(found["logits"] - found["reference_logits"][:, None]).sum()
    assert 0 < changes["newest"] < changes["all"]


@torch.inference_mode()
def test_recorded_outputs_follow_from_recorded_frames(folder: Path) -> None:
    policy, preprocessing = load_policy(folder / "policy"), preprocessings.build("sb3", (210, 160))
    with load(folder / "episode") as episode:
        frames, begun = episode.read("frame"), episode.read("stack_begun")
        for time in (0, 2, 9):
            decisions = preprocessing.decisions(time, int(begun[time]))
            observation = preprocessing.stacked([preprocessing.picture(frames[one]) for one in decisions])
            assert observation.any(axis=(0, 1)).tolist() == [False] * max(0, 3 - time) + [True] * min(4, time + 1)
            logits, value, _ = policy.step(channels_first(observation[None]), {})
            np.testing.assert_allclose(logits[0].numpy(), episode.read("logits")[time], atol=1e-4)
            np.testing.assert_allclose(value.item(), episode.read("value")[time], atol=1e-4)


def test_other_frames_of_the_stack_are_checked_too(folder: Path, tmp_path: Path) -> None:
    """An older picture that was changed makes a frame's recorded outputs wrong."""
    changed = edit_store(folder / "episode", tmp_path / "changed", "frame", lambda frames: frames[8].fill(90))
    with pytest.raises(SearchlightError, match="frame 10: recorded logits differ from the policy's"):
        perturb_block(
            folder / "policy",
            changed,
            tmp_path / "responses",
            perturbation={**SPEC, "stack": "all"},
            block=1,
            block_size=10,
            background_path=folder / "background",
        )
