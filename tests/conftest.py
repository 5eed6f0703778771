"""What the tests share: the bundled agent, a short real episode of it, a project folder to run Snakemake in."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from searchlight.checkpoint import fetch_checkpoint
from searchlight.job import limit_threads
from searchlight.rollout import play_episode
from searchlight.store import Variable, create

limit_threads(1)

ROOT = Path(__file__).parents[1]
BUNDLED = ROOT / "resources" / "agents"
# Real public agents, where a checkout has them beside it; tests that use them skip elsewhere.
AGENTS = ROOT.parent / "shared" / "checkpoints" / "baby-a3c"
STEPS = 140
PROJECT_PARTS = ("Snakefile", "workflow", "scripts", "config", "profiles", "resources", "environment.yml")


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


def play_bundled(policy_path: Path, path: Path, *, seed: int, max_steps: int) -> None:
    """Let the bundled agent play as in the default run."""
    world = {"agent": "breakout", "env": "Breakout-v0", "preprocessing": "cv2", "actions": "greedy"}
    play_episode(policy_path, path, **world, seed=seed, max_steps=max_steps)


def save(path: Path, variables: Mapping[str, Variable], attributes: Mapping[str, Any]) -> None:
    """Write a store of whole arrays."""
    with create(path) as writer:
        for name, variable in variables.items():
            writer.variable(name, variable)
        writer.attributes(attributes)


def real_agent(name: str) -> Path:
    """Return a real public agent's checkpoint, or skip the test."""
    path = AGENTS / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside this checkout")
    return path


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As on a full disk, writing past ``size`` bytes fails, here and in processes that are started."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Project:
    """A copy of the project in a folder of its own, to run Snakemake in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def snakemake(self, *arguments: str, config: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run Snakemake as a user does; ``config`` is the text of a config of its own, laid over the default."""
        command = self.command(*arguments, config=config)
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)

    def completed(self, *arguments: str, config: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run Snakemake, which has to succeed."""
        done = self.snakemake(*arguments, config=config)
        assert done.returncode == 0, done.stderr
        return done

    def command(self, *arguments: str, config: str | None = None) -> list[str]:
        """Return what ``snakemake`` runs, once its config is there."""
        command = [sys.executable, "-m", "snakemake", *arguments]
        if "--cores" not in arguments:
            command += ["--cores", "2"]
        if config is not None:
            path = self.folder / "test.yaml"
            path.write_text(config, encoding="utf-8")
            command += ["--configfile", path.name]
        return command

    def copy(self, folder: Path) -> Project:
        """Return a copy, results and Snakemake's memory of them included, dates kept."""
        shutil.copytree(self.folder, folder, copy_function=shutil.copy2)
        return Project(folder)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh copy of the project without results."""
    return new_project(tmp_path / "project")


def new_project(folder: Path) -> Project:
    folder.mkdir(parents=True)
    for part in PROJECT_PARTS:
        source = ROOT / part
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=ignore)
        else:
            shutil.copy2(source, folder / part)
    return Project(folder)
