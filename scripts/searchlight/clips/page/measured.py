"""What a page shows of a clip's measures, read from the two tables that hold them.

The tables are CSV, which has no checksum. So what no such table can hold is damage, and an error names the file.
"""

from __future__ import annotations

import csv
import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from searchlight import measures, registry
from searchlight.errors import SearchlightError, damaged
from searchlight.store.zarr import load

TRUTH = {"True": True, "False": False}
NUMBERS = ("value", "low", "high", "less", "less_low", "less_high")
NEEDED = ("measure", "of", "quantity", *NUMBERS, "frames", "is_method")


def read_measures(table: str | Path, curves: str | Path, steps: Sequence[int]) -> list[dict[str, Any]]:
    """Return what a page shows of each measure, in plain types.

    Args:
        table: table written by ``searchlight.clips.tabulate_measures``.
        curves: the numbers along the frames, written by the same.
        steps: the decisions of the clip.

    Returns:
        For each measure ``name``, ``about`` (what it is, in a sentence), ``quantities`` (the columns of its table),
        ``rows`` (methods first), and ``charts``. A chart holds the curves of one quantity, each with its ``points``:
        ``[frame of the clip, number]``. ``measured`` are the frames of the clip that the measure was taken at, and
        ``elsewhere`` is the number of those outside of the clip.

    Raises:
        SearchlightError: a table is missing or damaged.
    """
    tables, along = _tables(table), _curves(curves, {step: index for index, step in enumerate(steps)})
    names = dict.fromkeys([*tables, *along])
    for name in names:
        if registry.file_of(measures.FOLDER, name) is None:
            raise damaged(table if name in tables else curves, f"found the measure {name!r}")
    nothing: dict[str, Any] = {"quantities": [], "rows": [], "charts": [], "measured": [], "elsewhere": 0}
    return [
        {"name": name, "about": _sentence(name), **nothing, **tables.get(name, {}), **along.get(name, {})}
        for name in names
    ]


def notices_of(paths: Sequence[str | Path]) -> dict[str, list[str]]:
    """Return what the stores of measures say that a user should know, one line each, by measure.

    Raises:
        SearchlightError: a store is missing or damaged.
    """
    found: dict[str, list[str]] = {}
    for path in paths:
        with load(path) as store:
            about = store.attributes
            prefix = f"{about['method']}: " if "method" in about else ""
            found.setdefault(about["measure"], []).extend(f"{prefix}{line}" for line in about["notices"])
    return found


def _sentence(measure: str) -> str:
    """Return the first paragraph of a measure's description."""
    described = inspect.cleandoc(registry.load(measures.FOLDER, measure).Arguments.__doc__ or "")
    return " ".join(described.partition("\n\n")[0].split())


def _tables(path: str | Path) -> dict[str, dict[str, Any]]:
    """Return columns and rows of each measure's table; a row has a cell, or None, for each column."""
    found: dict[str, dict[str, Any]] = {}
    cells: dict[tuple[str, bool, str], dict[str, Any]] = {}
    for row in _rows(path, NEEDED):
        name, of, quantity, is_method = row["measure"], row["of"], row["quantity"], TRUTH.get(row["is_method"])
        if is_method is None or not row["frames"].isdecimal():
            raise damaged(path, f"found a row of {row['is_method']!r} and {row['frames']!r} frames")
        columns = found.setdefault(name, {"quantities": []})["quantities"]
        if quantity not in columns:
            columns.append(quantity)
        cell = {**{key: _number(path, row[key]) for key in NUMBERS}, "frames": int(row["frames"])}
        cells.setdefault((name, is_method, of), {})[quantity] = cell
    for name, one in found.items():
        one["rows"] = [
            {"of": of, "is_method": is_method, "cells": [given.get(quantity) for quantity in one["quantities"]]}
            for wanted in (True, False)
            for (measure, is_method, of), given in cells.items()
            if measure == name and is_method is wanted
        ]
    return found


def _curves(path: str | Path, frames: Mapping[int, int]) -> dict[str, dict[str, Any]]:
    """Return the charts of each measure, and which of its frames were measured."""
    points: dict[str, list[tuple[int, float]]] = {}
    for row in _rows(path, ("decision",)):
        decision = row.pop("decision")
        if not decision.isdecimal():
            raise damaged(path, f"found the decision {decision!r}")
        for column, text in row.items():
            numbers, number = points.setdefault(column, []), _number(path, text) if column != "made_by" else None
            if number is not None:
                numbers.append((int(decision), number))
    points.pop("made_by", None)
    found: dict[str, dict[str, Any]] = {}
    for column, measured in points.items():
        name, method, of, quantity = _parts(path, column)
        one = found.setdefault(name, {"charts": {}, "decisions": set()})
        one["decisions"].update(decision for decision, _ in measured)
        within = [[frames[decision], number] for decision, number in measured if decision in frames]
        one["charts"].setdefault(quantity, []).append({"of": of, "method": method, "points": within})
    return {
        name: {
            "charts": [{"quantity": quantity, "curves": curves} for quantity, curves in one["charts"].items()],
            "measured": sorted(frames[decision] for decision in one["decisions"] if decision in frames),
            "elsewhere": sum(decision not in frames for decision in one["decisions"]),
        }
        for name, one in found.items()
    }


def _parts(path: str | Path, column: str) -> tuple[str, str | None, str, str]:
    """Return measure, method, curve and quantity of ``MEASURE[, METHOD]: [CURVE: ]QUANTITY``.

    Curves of one quantity share a chart. A curve without a quantity shares one with the others that have none.
    """
    taken_by, colon, words = column.partition(": ")
    if not colon:
        raise damaged(path, f"found the column {column!r}")
    name, _, method = taken_by.partition(", ")
    of, colon, quantity = words.rpartition(": ")
    return name, method or None, of if colon else words, quantity if colon else ""


def _rows(path: str | Path, needed: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV by column."""
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            text = file.read()
    except OSError as error:
        raise SearchlightError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise damaged(path, error) from error
    if not text.endswith("\n"):
        raise damaged(path, "found no end of a line at its end")
    try:
        header, *rows = csv.reader(StringIO(text, newline=""), strict=True)
    except (csv.Error, ValueError) as error:  # a ValueError, of a file without a header
        raise damaged(path, error) from error
    if missing := [name for name in needed if name not in header]:
        raise damaged(path, f"found no column {', '.join(missing)}")
    for row in rows:
        if len(row) != len(header):
            raise damaged(path, f"found a row of {len(row)} cells under {len(header)} columns")
        yield dict(zip(header, row, strict=True))


def _number(path: str | Path, text: str) -> float | None:
    """Return the number of a cell, or None of an empty one."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise damaged(path, f"found {text[:80]!r}, where numbers are")
    return number
