"""Folders that the workflow cannot run in."""

from __future__ import annotations


def unusable(project: str, executable: str) -> str | None:
    """Return the line that says why the project or its environment cannot be where it is; None where it can.

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
