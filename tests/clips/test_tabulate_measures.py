"""Measures as tables: what they hold, and that other programs read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.measured import TIME, save_measured
from searchlight.clips.page.measured import read_measures
from searchlight.clips.tabulate_measures import COLUMNS, results_of, tabulate_measures
from searchlight.measures import Row, memory
from searchlight.store import records

NAN = float("nan")
HOSTILE = 'a, "b"\r\n=1+1;\t<i>ü</i> \u2028 $x$'
ON_ONE_LINE = 'a, "b" =1+1; <i>ü</i> $x$'
CURVES = {"memory times 0: change": (0.5, NAN, 1.5, 2.5), f"{HOSTILE}: change": (1.0, 2.0, 3.0, 4.123456789)}
LINEAGE = "0123456789abcdef"


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's lineage."""
    monkeypatch.setattr(records, "_of_job", LINEAGE)


def tables(folder: Path, of_clip: list[Path], of_methods: list[Path]) -> tuple[Path, Path]:
    paths = folder / "measures.csv", folder / "measures-by-frame.csv"
    tabulate_measures(of_clip, of_methods, *paths, chosen={"memory": {}})
    return paths


def test_table_holds_the_rows_of_the_member(tmp_path: Path) -> None:
    table, _ = tables(tmp_path, [save_measured(tmp_path / "clip", CURVES)], [])
    found = pd.read_csv(table)
    assert (*found.columns,) == (*COLUMNS, "made_by")
    assert found["of"].tolist() == ["memory times 0", ON_ONE_LINE]
    assert found["value"].tolist() == pytest.approx([1.5, np.mean(CURVES[f"{HOSTILE}: change"])], rel=1e-5)
    assert found["measure"].tolist() == ["memory"] * 2
    assert found["is_method"].tolist() == [False, False]
    assert found["frames"].tolist() == [4, 4]
    assert found["less"].isna().all()


def test_curves_have_a_row_for_each_decision_and_empty_cells(tmp_path: Path) -> None:
    of_method = save_measured(tmp_path / "method", {"share": (7.0,)}, time=(104,), method="erase")
    _, curves = tables(tmp_path, [save_measured(tmp_path / "clip", CURVES)], [of_method])
    found = pd.read_csv(curves)
    first, second, third = "memory: memory times 0: change", f"memory: {ON_ONE_LINE}: change", "memory, erase: share"
    assert found.columns.tolist() == ["decision", first, second, third, "made_by"]
    assert found["decision"].tolist() == [100, 103, 104, 106, 109]
    np.testing.assert_array_equal(found[first], [0.5, NAN, NAN, 1.5, 2.5])
    np.testing.assert_array_equal(found[second], [1, 2, NAN, 3, 4.12346])
    np.testing.assert_array_equal(found[third], [NAN, NAN, 7, NAN, NAN])
    assert "nan" not in curves.read_text()


def test_decisions_without_any_number_have_a_row(tmp_path: Path) -> None:
    _, curves = tables(tmp_path, [save_measured(tmp_path / "clip", {"share": (NAN, 1.0, float("inf"), NAN)})], [])
    found = pd.read_csv(curves)
    assert found["decision"].tolist() == [*TIME]
    assert found["memory: share"].count() == 1


def test_numbers_of_any_kind_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row(
        "erase", "x", np.float32(0.1), np.float64(NAN), float("-inf"), 1e-12, -2.0, 3, np.int64(4), np.bool_(True)
    )
    monkeypatch.setattr(memory, "table", lambda results, arguments: [row])
    table, curves = tables(tmp_path, [save_measured(tmp_path / "clip", CURVES)], [])
    assert table.read_text().splitlines()[1] == "memory,erase,x,0.1,,,1e-12,-2,3,4,True,"
    (found,) = read_measures(table, curves, TIME)
    assert found["rows"][0]["cells"][0]["less"] == 1e-12


def test_page_reads_what_is_written(tmp_path: Path, declared: None) -> None:
    of_clip = save_measured(tmp_path / "clip", CURVES)
    (found,) = read_measures(*tables(tmp_path, [of_clip], []), TIME)
    assert [curve["of"] for curve in found["charts"][0]["curves"]] == ["memory times 0", ON_ONE_LINE]
    assert [row["of"] for row in found["rows"]] == ["memory times 0", ON_ONE_LINE]
    assert (found["measured"], found["elsewhere"]) == ([0, 1, 2, 3], 0)


@pytest.mark.parametrize("curves", [CURVES, {}], ids=["with curves", "without"])
def test_tables_hold_their_lineage(
    curves: Any, tmp_path: Path, declared: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not curves:
        monkeypatch.setattr(memory, "table", lambda results, arguments: [])
    time = TIME if curves else ()
    for path in tables(tmp_path, [save_measured(tmp_path / "clip", curves, time)], []):
        assert records.read_lineage(path) == LINEAGE
        pd.read_csv(path)
    read_measures(*(tmp_path / name for name in ("measures.csv", "measures-by-frame.csv")), TIME)


def test_same_stores_give_the_same_bytes(tmp_path: Path) -> None:
    of_clip = save_measured(tmp_path / "clip", CURVES)
    first, second = (tables(tmp_path / name, [of_clip], []) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_results_of_a_measure_are_told_from_others(tmp_path: Path) -> None:
    stores = [
        save_measured(tmp_path / f"{measure}-{method}", {}, measure=measure, **({"method": method} if method else {}))
        for measure in ("memory", "other")
        for method in ("", "b", "a")
    ]
    of_clip, of_methods = stores[::3], [path for index, path in enumerate(stores) if index % 3]
    with results_of("other", of_clip, of_methods) as results:
        assert results.of_clip is not None
        assert results.of_clip.path == tmp_path / "other-"
        assert {name: one.path for name, one in results.of_methods.items()} == {
            "b": tmp_path / "other-b",
            "a": tmp_path / "other-a",
        }
