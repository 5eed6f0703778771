"""What a page shows of measures, read from their tables; tables that are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.measured import save_measured
from helpers.tables import LINEAGE, write_tables
from searchlight import measures, registry
from searchlight.clips.page.measured import notices_of, read_measures
from searchlight.errors import SearchlightError
from searchlight.measures import Row

STEPS = range(100, 110)
HOSTILE = 'a, "b": <i>c</i> {{data}}'


def test_curves_of_one_quantity_share_a_chart(tmp_path: Path) -> None:
    curves = {
        "memory, erase: ball: share": {99: 1.0, 100: 2.0, 104: 3.0},
        "memory, erase: ball: effect": {104: 4.0},
        "memory, other: ball: share": {104: 5.0, 110: 6.0},
        "memory: of the clip": {100: -1.0},
        "memory: empty: share": {},
    }
    (found,) = read_measures(*write_tables(tmp_path, [], curves), STEPS)
    assert [chart["quantity"] for chart in found["charts"]] == ["share", "effect", ""]
    share, effect, alone = (chart["curves"] for chart in found["charts"])
    assert share == [
        {"of": "ball", "method": "erase", "points": [[0, 2.0], [4, 3.0]]},
        {"of": "ball", "method": "other", "points": [[4, 5.0]]},
        {"of": "empty", "method": None, "points": []},
    ]
    assert effect == [{"of": "ball", "method": "erase", "points": [[4, 4.0]]}]
    assert alone == [{"of": "of the clip", "method": None, "points": [[0, -1.0]]}]
    assert (found["measured"], found["elsewhere"]) == ([0, 4], 2)
    assert found["about"].startswith("How much policy and value would change")


def test_methods_stand_above_what_is_no_method(tmp_path: Path) -> None:
    rows = [
        ("memory", Row("random pixels", HOSTILE, 0.0, frames=3, is_method=False)),
        ("memory", Row("erase", HOSTILE, 1.0, 0.5, 1.5, frames=4)),
        ("memory", Row("erase", "other", 2.0, frames=5)),
    ]
    (found,) = read_measures(*write_tables(tmp_path, rows, {}), STEPS)
    assert found["quantities"] == [HOSTILE, "other"]
    assert [(row["of"], row["is_method"]) for row in found["rows"]] == [("erase", True), ("random pixels", False)]
    first, second = (row["cells"] for row in found["rows"])
    nothing = dict.fromkeys(("less", "less_low", "less_high"))
    assert first[0] == {"value": 1.0, "low": 0.5, "high": 1.5, **nothing, "frames": 4}
    assert second == [{"value": 0.0, "low": None, "high": None, **nothing, "frames": 3}, None]
    assert found["charts"] == []


def test_notices_of_all_stores_are_said_by_measure(tmp_path: Path) -> None:
    of_clip = save_measured(tmp_path / "clip", {}, notices=["found 4 frames"])
    of_method = save_measured(tmp_path / "method", {}, method="erase", notices=["1 map is constant", HOSTILE])
    quiet = save_measured(tmp_path / "quiet", {}, method="other", notices=[])
    found = notices_of([of_clip, of_method, quiet])
    assert found == {"memory": ["found 4 frames", "erase: 1 map is constant", f"erase: {HOSTILE}"]}


def test_every_measure_has_a_sentence_and_its_place(tmp_path: Path) -> None:
    names = registry.names(measures.FOLDER)[::-1]
    rows = [(name, Row("erase", "number", 1.0, frames=1)) for name in names]
    found = read_measures(*write_tables(tmp_path, rows, {f"{names[0]}: x": {100: 1.0}}), STEPS)
    assert [one["name"] for one in found] == [*names]
    assert all(one["about"].endswith(".") for one in found)
    assert [len(one["charts"]) for one in found] == [1, *[0] * (len(names) - 1)]


def test_tables_without_rows_show_nothing(tmp_path: Path) -> None:
    table, curves = write_tables(tmp_path, [], {})
    curves.write_text(f"decision,{LINEAGE}\n")
    assert read_measures(table, curves, STEPS) == []


ROW = f"memory,erase,x,1,,,,,,3,True,{LINEAGE}\n"
HEADER = "measure,of,quantity,value,low,high,less,less_low,less_high,frames,is_method,made_by\n"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "no end of a line"),
        ("\n", "no column measure, of"),
        ("<html>\n</html>\n", "no column measure"),
        (HEADER.replace("quantity", "amount") + ROW, "no column quantity"),
        (HEADER + ROW[:20], "no end of a line"),
        (HEADER + ROW[:20] + "\n", "a row of 8 cells under 12 columns"),
        (HEADER + ROW.replace("x,1", "x,one"), "'one', where numbers are"),
        (HEADER + ROW.replace("x,1", "x,inf"), "'inf', where numbers are"),
        (HEADER + ROW.replace("x,1", "x,nan"), "'nan', where numbers are"),
        (HEADER + ROW.replace("True", "yes"), "a row of 'yes'"),
        (HEADER + ROW.replace(",3,", ",3.5,"), "'3.5' frames"),
        (HEADER + ROW.replace("memory", "mind"), "the measure 'mind'"),
        (HEADER + 'memory,"er\n', "unexpected end of data"),
        (b"\xff\xfe\n", "invalid start byte"),
        (HEADER.encode() + b"\0" * 40 + b"\n", "damaged"),
    ],
    ids=range(15),
)
def test_damaged_table_is_one_line_with_its_name(content: str | bytes, found: str, tmp_path: Path) -> None:
    table, curves = write_tables(tmp_path, [], {})
    table.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SearchlightError) as caught:
        read_measures(table, curves, STEPS)
    assert str(caught.value).startswith(f"{table}: damaged, delete it and run again (")
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("time,made_by\n", "no column decision"),
        (f"decision,memory: x,made_by\nfirst,1,{LINEAGE}\n", "the decision 'first'"),
        (f"decision,memory,made_by\n5,1,{LINEAGE}\n", "the column 'memory'"),
        (f"decision,mind: x,made_by\n5,1,{LINEAGE}\n", "the measure 'mind'"),
        (f"decision,memory: x,made_by\n5,much,{LINEAGE}\n", "'much', where numbers are"),
    ],
)
def test_damaged_curves_are_one_line_with_their_name(content: str, found: str, tmp_path: Path) -> None:
    table, curves = write_tables(tmp_path, [], {})
    curves.write_text(content)
    with pytest.raises(SearchlightError) as caught:
        read_measures(table, curves, STEPS)
    assert str(caught.value).startswith(f"{curves}: damaged, delete it and run again (")
    assert found in str(caught.value)


def test_missing_table_is_one_line(tmp_path: Path) -> None:
    table, curves = write_tables(tmp_path, [], {})
    table.unlink()
    with pytest.raises(SearchlightError, match=r"measures\.csv: cannot be read: No such file"):
        read_measures(table, curves, STEPS)
