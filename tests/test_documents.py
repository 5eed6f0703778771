"""Figures in documents equal those in the benchmarks' files. No test measures anything."""

from __future__ import annotations

import json

import pytest
from documents import RESULTS, SCALE, documents, filled
from helpers.project import ROOT
from report import headline
from scaling import on_paper, runs

BEGIN, END = "<!-- part: written by `make docs` -->", "<!-- end of part -->"


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_are_fresh(path) -> None:
    assert path.read_text(encoding="utf-8") == documents()[path], "stale: run `make docs`"


def test_only_text_between_markers_is_written() -> None:
    old = f"before\n{BEGIN}\n\n9 ms\n\n{END}\nafter {{name}} \\1\n"
    new = filled(old, {"part": r"10 ms \1"})
    assert new == f"before\n{BEGIN}\n\n10 ms \\1\n\n{END}\nafter {{name}} \\1\n"
    assert filled(new, {"part": r"10 ms \1"}) == new


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{BEGIN}{END}{BEGIN}{END}", f"{END}{BEGIN}"])
def test_markers_occur_once(text: str) -> None:
    with pytest.raises(ValueError, match="allowed: one of each"):
        filled(text, {"part": "10 ms"})


def test_headline_follows_the_results() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    results["cases"]["notebook"] |= {"ours_s": 0.123, "baseline_s": 45.6}
    assert "takes 123 ms in place of 45.6 s" in headline(results)


def test_sweep_counts_jobs_and_hours() -> None:
    results, scale = (json.loads(path.read_text(encoding="utf-8")) for path in (RESULTS, SCALE))
    for row in results["cases"].values():
        row["ours_s"] = 0.1
    found = on_paper(results, scale, 480, 240)
    # 57 checkpoints, 285 episodes. Each has 5 jobs and 3 methods; a method has 2 jobs, and 2 for each of 2 blocks.
    assert found["jobs"] == 57 + 285 * (5 + 3 * (2 * 2 + 2))
    assert found["core hours, from screens to maps"] == pytest.approx(285 * 480 * 3 * 0.1 / 3600)


def test_missing_runs_give_empty_cells() -> None:
    made = [{"how": how, "blocks": blocks, "own_cpu_ms_a_job": 7.4} for how, blocks in (("a", 10), ("b", 1000))]
    assert runs({"runs": made}).splitlines()[-2:] == ["| a | 7 |  |", "| b |  | 7 |"]
