"""A measure's figure: a valid PNG, the same bytes each time, whatever the names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.measured import save_measured
from PIL import Image
from searchlight.clips.draw_measure import DENSITY, SIZE, draw_measure
from searchlight.errors import SearchlightError
from searchlight.store import records

CURVES = {"memory times 0: change": (0.5, 1.0, 1.5, 2.5), "memory times 0: other": (3.0, float("nan"), 2.0, 1.0)}


def drawn(folder: Path, curves: dict[str, tuple[float, ...]], clip: str = "demo", agent: str = "breakout") -> Path:
    store = save_measured(folder / "store", curves, agent=agent)
    output = folder / "memory.png"
    draw_measure(store, [], output, clip=clip, name="memory", arguments={})
    return output


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        image.verify()
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def test_figure_is_a_png_of_its_size_with_its_lineage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_of_job", "0123456789abcdef")
    path = drawn(tmp_path, CURVES)
    found = picture(path)
    assert found.shape[:2] == (SIZE[1] * DENSITY, SIZE[0] * DENSITY)
    assert (found == (0, 114, 178)).all(axis=2).any()  # the curve's colour
    assert records.read_lineage(path) == "0123456789abcdef"


def test_figure_is_the_same_each_time(tmp_path: Path) -> None:
    first, second = (drawn(tmp_path / name, CURVES).read_bytes() for name in "ab")
    assert first == second


@pytest.mark.filterwarnings("ignore:Glyph")  # the font lacks some letters
@pytest.mark.parametrize("name", ["$x_1$", r"$\frac{$", "100 $", "two\nlines", "a{b}%s", "ü中"])
def test_names_are_no_mathematics(name: str, tmp_path: Path) -> None:
    path = drawn(tmp_path, {f"{name}: {name}": (1.0, 2.0, 3.0, 4.0)}, clip=name, agent=name)
    picture(path)
    other = drawn(tmp_path / "other", {"else: else": (1.0, 2.0, 3.0, 4.0)}, clip=name, agent=name)
    assert path.read_bytes() != other.read_bytes()


def test_figure_of_a_store_that_is_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SearchlightError, match="no such file"):
        draw_measure(tmp_path / "none", [], tmp_path / "a.png", clip="demo", name="memory", arguments={})
    assert list(tmp_path.iterdir()) == []
