"""The documents that quote measured figures: each figure comes from ``results.json`` or ``scale.json``.

``python benchmarks/documents.py`` (``make docs``) writes them anew without measuring. A test fails when they are stale.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from report import headline, report
from scaling import plans, runs, sweep

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results.json"
SCALE = ROOT / "benchmarks" / "scale.json"


def documents() -> dict[Path, str]:
    """Return the path and the fresh text of each document that quotes figures."""
    results, scale = (json.loads(path.read_text(encoding="utf-8")) for path in (RESULTS, SCALE))
    written = {
        ROOT / "README.md": {"headline": headline(results)},
        ROOT / "docs" / "scaling.md": {"sweep": sweep(results, scale), "plans": plans(scale), "runs": runs(scale)},
    }
    texts = {path: filled(path.read_text(encoding="utf-8"), parts) for path, parts in written.items()}
    return {**texts, ROOT / "benchmarks" / "README.md": report(results)}


def filled(text: str, parts: dict[str, str]) -> str:
    """Return a text with each part between its markers, two comments with its name."""
    for name, part in parts.items():
        begin, end = f"<!-- {name}: written by `make docs` -->", f"<!-- end of {name} -->"
        before, *others = text.split(begin)
        after = [other.split(end) for other in others]
        if [len(pieces) for pieces in after] != [2]:
            raise ValueError(f"found no or several of {begin!r} and {end!r}, allowed: one of each")
        text = f"{before}{begin}\n\n{part}\n\n{end}{after[0][1]}"
    return text


def save(path: Path, measured: dict[str, Any]) -> None:
    """Write what was measured, and all documents that quote it."""
    path.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    write()


def write() -> None:
    """Write all documents."""
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
