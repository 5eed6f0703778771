"""Results that the config does not name: what is found, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from searchlight.store.unused import delete, find_unused, in_short

PATTERNS = ["results/maps/{agent}/{block,\\d+}.zip", "results/logs/{agent}.log"]
USED = {"results/maps/a/1.zip", "results/maps/a/2.zip", "results/logs/a.log"}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()


def write(*paths: str) -> None:
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * 500_000)


def unused() -> list[str]:
    return [path.as_posix() for path in find_unused("results", PATTERNS, USED)]


def everything() -> set[str]:
    return {path.as_posix() for path in Path().rglob("*") if path.is_file()}


def test_what_is_not_used_is_found_and_what_is_no_result_is_not() -> None:
    old = {"results/maps/a/3.zip", "results/maps/b/1.zip", "results/logs/b.log"}
    own = {
        "results/.gitkeep",
        "results/maps/a/notes.txt",
        "results/maps/9.zip",
        "results/maps/a/b/1.zip",
        "maps/b/1.zip",
    }
    write(*old, *own, *USED)
    assert set(unused()) == old
    assert in_short([Path(path) for path in old]) == "3 unused, 1.5 MB"
    delete("results", map(Path, unused()))
    assert everything() == own | USED
    assert not Path("results/maps/b").exists()


def test_what_a_killed_job_left_goes_with_its_result() -> None:
    of_unused = {
        "results/maps/a/.partial-3.zip",
        "results/maps/a/.partial-4.zip.d/c/0",
        "results/maps/b/.partial-1.zip.xyz/f",
    }
    of_used = {"results/maps/a/.partial-1.zip", "results/maps/a/.partial-2.zip.d/c/0", "results/maps/a/.partial-notes"}
    write(*of_unused, *of_used)
    found = ["results/maps/a/.partial-3.zip", "results/maps/a/.partial-4.zip.d", "results/maps/b/.partial-1.zip.xyz"]
    assert unused() == found
    assert in_short([Path(path) for path in found]) == "3 unused, 1.5 MB"
    delete("results", map(Path, found))
    assert everything() == of_used


def test_links_are_not_followed(tmp_path: Path) -> None:
    write("elsewhere/1.zip", "elsewhere/2.zip", "results/maps/c/1.zip")
    Path("results/maps/b").symlink_to(tmp_path / "elsewhere")
    Path("results/maps/c/2.zip").symlink_to(tmp_path / "elsewhere" / "2.zip")
    Path("results/maps/c/.partial-3.zip").symlink_to(tmp_path / "elsewhere")
    found = ["results/maps/c/.partial-3.zip", "results/maps/c/1.zip", "results/maps/c/2.zip"]
    assert unused() == found
    delete("results", map(Path, found))
    assert everything() == {"elsewhere/1.zip", "elsewhere/2.zip"}
    assert Path("results/maps/b").is_symlink()


def test_a_folder_of_results_that_is_a_link_is_a_folder(tmp_path: Path) -> None:
    Path("results").rmdir()
    Path("large").mkdir()
    Path("results").symlink_to(tmp_path / "large")
    write("results/maps/b/1.zip")
    assert unused() == ["results/maps/b/1.zip"]
    delete("results", map(Path, unused()))
    assert list(Path("large").iterdir()) == []
