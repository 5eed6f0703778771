"""A copy of the project in a folder of its own, to run Snakemake in."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from helpers import warm

ROOT = Path(__file__).parents[2]
BUNDLED = ROOT / "resources" / "agents"
PROJECT_PARTS = ("Snakefile", "workflow", "scripts", "config", "profiles", "resources", "environment.yml")


def command(*arguments: str, python: str | None = None) -> list[str]:
    """Return what runs Snakemake: by a Python whose libraries are loaded, where none is given."""
    cores = () if "--cores" in arguments else ("--cores", "2")
    return [python or warm.python(), "-m", "snakemake", *arguments, *cores]


def snakemake(folder: Path, *arguments: str, python: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a folder."""
    return subprocess.run(command(*arguments, python=python), cwd=folder, capture_output=True, text=True, check=False)


class Project:
    """A copy of the project in a folder of its own, to run Snakemake in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def snakemake(
        self, *arguments: str, config: str | None = None, python: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake as a user does; ``config`` is the text of a config of its own, laid over the default."""
        return snakemake(self.folder, *arguments, *self.overlay(config), python=python)

    def completed(
        self, *arguments: str, config: str | None = None, python: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake, which has to succeed."""
        done = self.snakemake(*arguments, config=config, python=python)
        assert done.returncode == 0, done.stderr
        return done

    def overlay(self, config: str | None) -> list[str]:
        """Write a config of its own, and return the arguments that name it."""
        if config is None:
            return []
        (self.folder / "test.yaml").write_text(config, encoding="utf-8")
        return ["--configfile", "test.yaml"]

    def copy(self, folder: Path) -> Project:
        """Return a copy, results and Snakemake's memory of them included, dates kept."""
        shutil.copytree(self.folder, folder, copy_function=shutil.copy2)
        return Project(folder)


def new_project(folder: Path) -> Project:
    """Copy the project, without results, into a folder that does not exist yet."""
    folder.mkdir(parents=True)
    for part in PROJECT_PARTS:
        source = ROOT / part
        # What Python has compiled comes along: it is taken where the dates fit.
        ignore = shutil.ignore_patterns("*.egg-info")
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=ignore)
        else:
            shutil.copy2(source, folder / part)
    return Project(folder)
