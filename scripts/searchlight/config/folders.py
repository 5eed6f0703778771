"""Paths of the project and of Python with which the workflow cannot run."""

from __future__ import annotations


def unusable(project: str, executable: str) -> str | None:
    """Return the error that the path of the project or its environment is not allowed; None if both are allowed.

    Args:
        project: full path of the project's folder.
        executable: full path of Python.
    """
    if found := next((character for character in "{}:" if character in project), None):
        why = "Python's path is separated by it" if found == ":" else "Snakemake takes it for a wildcard"
        return f"{project}: found '{found}' in the path of the project, allowed: none, {why}"
    if " " in executable:
        return f"{executable}: found a space in the path of the environment, allowed: none, Snakemake cannot run it"
    return None
