"""Write the tables of ``methods.md`` from a run of ``config/methods.yaml`` (``make methods``)."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "methods.md"
CLIPS = ROOT / "results" / "clips"
BEGIN, END = "<!-- tables: written by `make methods` -->", "<!-- end of tables -->"
# Clips by the headings that their tables have.
CLIPS_OF = {
    "Breakout": ("methods-breakout", "objects-breakout"),
    "Pong": ("methods-pong", "objects-pong"),
    "SpaceInvaders": ("methods-spaceinvaders", "objects-spaceinvaders"),
    "Breakout, the default run's clip": ("demo-breakout",),
    "Breakout, the whole episode": ("whole-breakout",),
}
# Columns of the measures that have too many for a page; the clips' tables have all.
COLUMNS = {"objects": "share on", "randomisation": "SSIM of the actor"}
# Rows that are 0 but for chance in all tables.
NOTHING = "objects and frames shuffled"

Rows = list[dict[str, str]]


def tables(folder: Path) -> str:
    """Return the tables of all agents as Markdown, from the clips in a folder."""
    parts = []
    for heading, clips in CLIPS_OF.items():
        rows = [row for clip in clips for row in _rows(folder / clip) if _is_shown(row)]
        parts.append(f"### {heading}\n")
        by_measure = {name: [row for row in rows if row["measure"] == name] for name in _unique(rows, "measure")}
        parts += [f"**{name.capitalize()}**\n\n{table(some)}\n" for name, some in by_measure.items()]
    return "\n".join(parts).rstrip()


def _is_shown(row: dict[str, str]) -> bool:
    """Return whether a row is on the page."""
    return COLUMNS.get(row["measure"], "") in row["quantity"] and NOTHING not in row["of"]


def _unique(rows: Rows, column: str) -> list[str]:
    """Return the different values of a column, in order."""
    return list(dict.fromkeys(row[column] for row in rows))


def _rows(clip: Path) -> Rows:
    with (clip / "measures.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table(rows: Rows) -> str:
    """Return one measure's rows as a table: a line for what was measured, a column for each quantity."""
    quantities = _unique(rows, "quantity")
    cells = {(row["of"], row["quantity"]): cell(row) for row in rows}
    names = dict.fromkeys((row["of"], row["is_method"] == "True") for row in rows)
    lines = [
        [f"`{of}`" if is_method else f"*{of}*", *(cells.get((of, quantity), "") for quantity in quantities)]
        for of, is_method in sorted(names, key=lambda one: not one[1])
    ]
    return "\n".join(_lines(["", *quantities], lines))


def cell(row: dict[str, str]) -> str:
    """Return a number with its interval, and the sign of a clear difference from the first method."""
    if not row["value"]:
        return ""
    text = f"{float(row['value']):.2f}"
    if row["low"]:
        text += f" ({float(row['low']):.2f} to {float(row['high']):.2f})"
    low, high = (float(row[name] or 0) for name in ("less_low", "less_high"))
    return text + (" ▲" if low > 0 else " ▼" if high < 0 else "")


def _lines(header: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|---" * len(header) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def main() -> None:
    """Write the tables between their markers, and copy the default run's picture of interventions."""
    shutil.copyfile(CLIPS / "demo" / "interventions.png", ROOT / "docs" / "interventions.png")
    before, _, after = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, rest = after.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables(CLIPS)}\n\n{END}{rest}", encoding="utf-8")


if __name__ == "__main__":
    main()
