"""Agents of other families as a user meets them: a checkpoint and a few lines of config, to the page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.agents import real_agent
from helpers.networks import new_nature
from helpers.project import Project
from helpers.small import SMALL
from searchlight.agents.environment import make_environment
from searchlight.store.zarr import load

pytestmark = pytest.mark.workflow

# Games whose screens are 214, 220 and 250 high, each in the world of another library.
WORLDS = {"Carnival": "sb3", "Pooyan": "cleanrl", "KeystoneKapers": "gymnasium"}


def config(agents: dict[str, Any], **clip: Any) -> str:
    """Return the small config with other agents and one clip of them."""
    clips = {**SMALL["clips"]["small"], "agent": [*agents], "frames": [20, 29], "max_steps": 40, **clip}
    return yaml.safe_dump({**SMALL, "agents": agents, "clips": {"demo": None, "new": clips}})


def test_screens_of_other_sizes_go_from_checkpoint_to_page(project: Project) -> None:
    agents = {}
    for game, family in WORLDS.items():
        env = {"id": f"ALE/{game}-v5", "frameskip": 1, "repeat_action_probability": 0}
        with make_environment(env) as environment:
            screen, actions = environment.observation_space.shape, int(environment.action_space.n)
        weights = {name: torch.from_numpy(array) for name, array in new_nature(family, screen, actions).items()}
        torch.save({"model": weights, "step": 7}, project.folder / f"{game}.pt")
        agents[game] = {"checkpoint": f"{game}.pt", "env": env, "wrappers": family, "preprocessing": family}
    project.completed(config=config(agents))
    heights = set()
    for game in WORLDS:
        folder = project.folder / f"results/clips/new-{game}"
        assert (folder / "index.html").stat().st_size > 100_000
        with load(folder / "occlusion.zarr.zip") as clip:
            assert clip.shape("actor") == clip.shape("frame")[:3]
            heights.add(clip.shape("frame")[1])
    assert heights == {214, 220, 250}


@pytest.mark.slow
def test_zip_of_stable_baselines3_goes_to_its_page(project: Project) -> None:
    path = real_agent("sb3/dqn-PongNoFrameskip-v4.zip")
    (project.folder / "mine.zip").write_bytes(path.read_bytes())
    world = {"env": "PongNoFrameskip-v4", "wrappers": "sb3", "preprocessing": "sb3", "actions": {"epsilon": 0.05}}
    project.completed(config=config({"mine": {"checkpoint": "mine.zip", **world}}))
    with load(project.folder / "results/clips/new-mine/greydanus.zarr.zip") as clip:
        assert clip.attributes["output"] == "q_values"
        assert "probability" not in clip.names()
        np.testing.assert_allclose(clip.read("value"), clip.read("q_values").max(axis=1), rtol=1e-6)
        assert clip.shape("actor") == (10, 84, 84)
        # Of the ball, paddles and score, something is seen in each frame.
        assert clip.read("actor").any(axis=(1, 2)).all()


@pytest.mark.parametrize("preset", ["pong", "spaceinvaders"])
def test_presets_of_bundled_agents_play(preset: str, project: Project) -> None:
    short = {"clips": {preset: {"max_steps": 40, "frames": [0, 9]}}}
    (project.folder / "short.yaml").write_text(yaml.safe_dump(short))
    project.completed("episodes", "--configfile", f"config/{preset}.yaml", "short.yaml")
    with load(project.folder / f"results/episodes/{preset}/seed-0.zarr.zip") as episode:
        assert episode.shape("frame") == (40, 210, 160, 3)
        assert episode.attributes["wrappers"]["sb3"]["frame_skip"] == 4
        assert set(episode.read("stack_begun")) == {0}
