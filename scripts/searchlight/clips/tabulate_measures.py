"""A clip's measures as tables: numbers with intervals, and numbers along the frames."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from searchlight import measures, registry
from searchlight.clips.results_of import results_of
from searchlight.measures import Results, Row
from searchlight.store.files import write_text
from searchlight.store.records import mark

# Significant digits of numbers in tables.
DIGITS = 6
COLUMNS = ("measure", *Row._fields)


def tabulate_measures(
    of_clip_paths: Sequence[str | Path],
    of_method_paths: Sequence[str | Path],
    table: str | Path,
    curves: str | Path,
    *,
    chosen: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write a clip's measures as CSV.

    Args:
        of_clip_paths: stores written by ``searchlight.clips.measure_clip``.
        of_method_paths: stores written by ``searchlight.clips.measure_method``.
        table: path of the table to write, with the columns of ``searchlight.measures.Row``.
        curves: path of the numbers along the frames to write: a row for each decision that any curve has, a column
            for each curve, named ``MEASURE: curve`` or ``MEASURE, METHOD: curve``; empty where there is no number.
        chosen: arguments of the clip's measures, by name.
    """
    rows: list[list[Any]] = []
    columns: dict[str, dict[int, float]] = {}
    for name, arguments in chosen.items():
        with results_of(name, of_clip_paths, of_method_paths) as results:
            member = registry.choose(measures.FOLDER, {name: dict(arguments)})
            rows += [[name, *map(_cell, row)] for row in member.module.table(results, member.arguments)]
            columns |= dict(_curves(name, results))
    decisions = sorted({decision for column in columns.values() for decision in column})
    lines = [
        [decision, *(_cell(column.get(decision, np.nan)) for column in columns.values())] for decision in decisions
    ]
    _write(table, COLUMNS, rows)
    _write(curves, ["decision", *columns], lines)


def _curves(measure: str, results: Results) -> Iterator[tuple[str, dict[int, float]]]:
    """Yield the name of each curve, and its numbers by decision; of a method, the name begins with the method's."""
    stores = [(measure, results.of_clip), *((f"{measure}, {name}", one) for name, one in results.of_methods.items())]
    for prefix, store in stores:
        for name in store.names() if store is not None else ():
            if store is not None and (words := store.about(name).get("curve")) is not None:
                numbers = zip(store.read("time").tolist(), store.read(name).tolist(), strict=True)
                yield _cell(f"{prefix}: {words}"), dict(numbers)


def _cell(value: Any) -> Any:
    """Return a cell: a number with ``DIGITS`` digits, empty if it is none; a text on one line."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, (float, np.floating)):
        return f"{value:.{DIGITS}g}" if np.isfinite(value) else ""
    return value


def _write(path: str | Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write rows as CSV. The last column holds the lineage, because a comment is no CSV; without rows, its name."""
    lineage = mark().decode()
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*header, "made_by" if rows else lineage or "made_by"])
    writer.writerows([*row, lineage] for row in rows)
    write_text(path, text.getvalue())
