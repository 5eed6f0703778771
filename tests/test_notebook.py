"""The notebook of the docs runs unchanged on the results of the default run."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from helpers.project import ROOT
from nbclient import NotebookClient


@pytest.fixture
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "docs" / "explore.ipynb", as_version=4)


def test_notebook_is_stored_without_outputs(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert not [cell.source for cell in cells if cell.outputs or cell.execution_count is not None]


@pytest.mark.slow
def test_notebook_runs(notebook: nbformat.NotebookNode, results_folder: Path) -> None:
    # The test runs in `docs`, because Jupyter starts a notebook in the notebook's folder.
    (results_folder / "docs").mkdir()
    place = {"metadata": {"path": str(results_folder / "docs")}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=place).execute()
    shown = {
        cell.id: [output.get("data", {}) for output in cell.outputs] for cell in notebook.cells if "outputs" in cell
    }
    printed = "".join(output.text for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output)
    assert "Warning" not in printed
    assert any("xarray.Dataset" in data.get("text/plain", "") for data in shown["open-code"])
    for name in ("maps-code", "value-code", "regions-code"):
        assert [data for data in shown[name] if "image/png" in data], name
    (table,) = [data["text/plain"] for data in shown["regions-code"] if "paddle" in data.get("text/plain", "")]
    shares = [[float(share) for share in line.split()[-2:]] for line in table.splitlines()[2:]]
    assert [sum(layer) for layer in zip(*shares, strict=True)] == pytest.approx([1, 1], abs=0.01)
