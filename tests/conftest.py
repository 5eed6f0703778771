"""Fixtures of all tests: the bundled agent, a short real episode of it, a fresh project."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.agents import STEPS, play_bundled
from helpers.project import BUNDLED, Project, new_project
from searchlight.agents.checkpoint import fetch_checkpoint


@pytest.fixture(scope="session")
def policy_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled agent as `fetch_checkpoint` writes it."""
    path = tmp_path_factory.mktemp("agent") / "policy.safetensors"
    fetch_checkpoint("bundled:breakout", None, None, BUNDLED, path, print)
    return path


@pytest.fixture(scope="session")
def episode_path(policy_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first steps of a game of the bundled agent."""
    path = tmp_path_factory.mktemp("episode") / "seed-1.zarr.zip"
    play_bundled(policy_path, path, seed=1, max_steps=STEPS)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh copy of the project without results."""
    return new_project(tmp_path / "project")
