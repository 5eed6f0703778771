"""A copy of the project in a folder of its own, to run Snakemake in."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUNDLED = ROOT / "resources" / "agents"
PROJECT_PARTS = ("Snakefile", "workflow", "scripts", "config", "profiles", "resources", "environment.yml")


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


def new_project(folder: Path) -> Project:
    """Copy the project, without results, into a folder that does not exist yet."""
    folder.mkdir(parents=True)
    for part in PROJECT_PARTS:
        source = ROOT / part
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=ignore)
        else:
            shutil.copy2(source, folder / part)
    return Project(folder)
