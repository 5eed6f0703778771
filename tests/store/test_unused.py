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


def test_only_unused_results_are_found() -> None:
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


def test_partial_files_are_unused_where_their_result_is() -> None:
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


def test_results_behind_links_are_found_and_links_stay(tmp_path: Path) -> None:
    write("elsewhere/1.zip", "elsewhere/2.zip", "results/maps/c/1.zip")
    Path("results/maps/b").symlink_to(tmp_path / "elsewhere")
    Path("results/maps/c/2.zip").symlink_to(tmp_path / "elsewhere" / "2.zip")
    Path("results/maps/c/.partial-3.zip").symlink_to(tmp_path / "elsewhere")
    write("elsewhere/own.txt")
    found = ["results/maps/c/.partial-3.zip", "results/maps/c/1.zip", "results/maps/c/2.zip"]
    assert unused() == ["results/maps/b/1.zip", "results/maps/b/2.zip", *found]
    delete("results", map(Path, found))
    assert everything() == {"elsewhere/1.zip", "elsewhere/2.zip", "elsewhere/own.txt"}
    delete("results", map(Path, unused()))
    assert everything() == {"elsewhere/own.txt"}
    Path("elsewhere/own.txt").unlink()
    write("elsewhere/1.zip")
    delete("results", map(Path, unused()))
    assert Path("results/maps/b").is_symlink()
    assert Path("elsewhere").is_dir()


def test_file_is_used_if_any_path_to_it_is(tmp_path: Path) -> None:
    write("shared/1.zip", "shared/3.zip", "results/maps/d/4.zip")
    Path("results/maps/a").symlink_to(tmp_path / "shared")
    Path("results/maps/b").symlink_to(tmp_path / "shared")
    Path("results/maps/e").symlink_to("d")
    assert unused() == ["results/maps/a/3.zip", "results/maps/b/3.zip", "results/maps/d/4.zip"]
    delete("results", map(Path, unused()))
    assert everything() == {"shared/1.zip"}


def test_circular_links_end(tmp_path: Path) -> None:
    write("results/maps/b/1.zip")
    Path("results/maps/c").symlink_to(tmp_path)
    Path("results/maps/d").symlink_to("/")
    Path("results/maps/e").symlink_to("e")
    Path("results/x").symlink_to("/")
    assert unused() == ["results/maps/b/1.zip"]


def test_results_folder_may_be_a_link(tmp_path: Path) -> None:
    Path("results").rmdir()
    Path("large").mkdir()
    Path("results").symlink_to(tmp_path / "large")
    write("results/maps/b/1.zip")
    assert unused() == ["results/maps/b/1.zip"]
    delete("results", map(Path, unused()))
    assert list(Path("large").iterdir()) == []
