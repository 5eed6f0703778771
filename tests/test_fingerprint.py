"""Digests of code: they cover a script's imports, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.project import ROOT
from searchlight.fingerprint import closure, digest_of_code, imported
from searchlight.registry import PACKAGE

SCRIPTS = ROOT / "scripts"


def names(script: str) -> set[str]:
    return {path.relative_to(PACKAGE).as_posix() for path in closure(SCRIPTS / f"{script}.py")}


def test_code_of_a_script_is_its_import_closure() -> None:
    found = names("perturb")
    assert {"__init__.py", "job.py", "saliency/__init__.py", "saliency/perturb.py", "saliency/boxes.py"} <= found
    assert not [name for name in found if name.startswith(("clips/", "config/models"))]


def test_registry_members_count_as_code_only_where_named() -> None:
    assert "agents/preprocessings/cv2.py" not in names("perturb")
    script = SCRIPTS / "perturb.py"
    cv2, imresize, neither = (
        digest_of_code(script, {"agents/preprocessings": members}) for members in (["cv2"], ["imresize"], [])
    )
    assert len({cv2, imresize, neither}) == 3
    assert digest_of_code(SCRIPTS / "render.py", {"agents/preprocessings": ["cv2"]}) == digest_of_code(
        SCRIPTS / "render.py", {"agents/preprocessings": ["imresize"]}
    )


def test_page_template_counts_as_code_of_the_page_alone() -> None:
    assert "clips/page/page.html" in names("page")
    assert "clips/page/page.html" not in names("render")


@pytest.mark.parametrize("script", sorted(path.stem for path in SCRIPTS.glob("*.py")))
def test_code_of_jobs_leaves_out_the_python_api(script: str) -> None:
    assert "__init__.py" in names(script)
    assert "api.py" not in names(script)


def test_type_checking_imports_do_not_count_as_code(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from searchlight.saliency.engine import Engine\n"
        "def later():\n    from searchlight import crops\n"
    )
    assert {path.name for path in imported(script)} == {"__init__.py", "crops.py"}


def test_leftovers_of_editors_do_not_count_as_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "searchlight" / "part"
    folder.mkdir(parents=True)
    for name in ("__init__.py", "page.html", ".page.html", ".one.py.swp", "one.py.orig", "one.py~"):
        (folder / name).touch()
    (folder / ".#notes.md").symlink_to("nobody")
    monkeypatch.setattr("searchlight.fingerprint.PACKAGE", tmp_path / "searchlight")
    script = tmp_path / "script.py"
    script.write_text("from searchlight import part\n")
    assert {path.name for path in closure(script)} == {"__init__.py", "page.html"}
