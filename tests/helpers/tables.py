"""Tables of measures, as a run leaves them beside a clip's page."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from searchlight.measures import Row

LINEAGE = "lineage:0123456789abcdef"


def write_tables(
    folder: Path, rows: Sequence[tuple[str, Row]], curves: Mapping[str, Mapping[int, float]]
) -> tuple[Path, Path]:
    """Write both tables of a clip; return their paths.

    Args:
        folder: where to write.
        rows: of the table, each with its measure.
        curves: numbers by decision, by the name of the column.
    """

    def cell(value: Any) -> Any:
        return "" if value != value else value

    decisions = sorted({decision for column in curves.values() for decision in column})
    paths = folder / "measures.csv", folder / "measures-by-frame.csv"
    contents = (
        [["measure", *Row._fields], *([measure, *map(cell, row)] for measure, row in rows)],
        [["decision", *curves], *([one, *(column.get(one, "") for column in curves.values())] for one in decisions)],
    )
    for path, (header, *lines) in zip(paths, contents, strict=True):
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*header, "made_by"])
            writer.writerows([*line, LINEAGE] for line in lines)
    return paths
