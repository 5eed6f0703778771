"""Parity with the notebook: maps equal those of the notebook's own loop on real frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from baseline import notebook_maps
from helpers.agents import STEPS, play_bundled, real_agent
from helpers.clips import make_clip
from helpers.project import BUNDLED, ROOT
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.config.read import read_config
from searchlight.store.zarr import load


def preset_maps(policy_path: Path, episode_path: Path, folder: Path, frames: tuple[int, int]) -> dict[str, np.ndarray]:
    """Return the maps of the notebook preset's method, by the project's steps."""
    from snakemake.utils import update_config

    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    update_config(config, yaml.safe_load((ROOT / "config" / "notebook.yaml").read_text()))
    settings = read_config(config, ROOT / "config" / "catalogue.yaml")
    method = settings.methods["notebook"]
    perturbation = settings.perturbations[method.perturbation].model_dump(mode="json")
    path, _ = make_clip(
        policy_path,
        episode_path,
        folder,
        perturbation=perturbation,
        scorer=method.scorer,
        scale=method.scale,
        frames=frames,
    )
    with load(path) as clip:
        return {layer: clip.read(layer) for layer in ("actor", "critic")}


def assert_parity(policy: Path, episode: Path, folder: Path, frame: int) -> None:
    """Check two frames; the notebook numbers the first ``frame``, the project ``frame + 1``."""
    ours = preset_maps(policy, episode, folder, (frame + 1, frame + 2))
    for row in range(2):
        actor, critic = notebook_maps(policy, episode, frame + row)
        np.testing.assert_allclose(ours["actor"][row], actor, atol=1e-4)
        np.testing.assert_allclose(ours["critic"][row], critic, atol=1e-4)


def test_maps_of_notebook_preset_equal_notebook(policy_path: Path, episode_path: Path, tmp_path: Path) -> None:
    assert_parity(policy_path, episode_path, tmp_path, STEPS - 3)


@pytest.mark.slow
@pytest.mark.parametrize(("agent", "frame"), [("bundled", 1039), ("breakout-v4.model.80.tar", 139)])
def test_maps_on_frames_of_notebook_equal_notebook(agent: str, frame: int, tmp_path: Path) -> None:
    source = "bundled:breakout" if agent == "bundled" else str(real_agent(agent))
    policy, episode = tmp_path / "policy", tmp_path / "episode"
    fetch_checkpoint(source, None, None, BUNDLED, policy, print)
    play_bundled(policy, episode, seed=1, max_steps=frame + 3)
    assert_parity(policy, episode, tmp_path, frame)


def test_notebook_preset_has_frames_of_notebook() -> None:
    preset = yaml.safe_load((ROOT / "config" / "notebook.yaml").read_text())
    clip = preset["clips"]["notebook"]
    assert (clip["frames"], clip["seed"], clip["max_steps"], clip["fps"]) == ([1039 + 1, 1043 + 1], 1, 3000, 1)
