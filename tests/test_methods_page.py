"""The page that compares methods: its tables are made from results, and have all methods and agents of its config."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from helpers.project import ROOT

ROW = {
    "measure": "objects",
    "of": "erase",
    "quantity": "share",
    "value": "0.5012",
    "low": "0.4",
    "high": "",
    "is_method": "True",
}


@pytest.fixture(scope="module")
def page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("methods_page", ROOT / "docs" / "methods.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_table_has_methods_before_what_is_none(page: ModuleType) -> None:
    rows = [
        {**ROW, "of": "random pixels", "is_method": "False", "low": ""},
        {**ROW, "high": "0.6"},
        {**ROW, "quantity": "hits", "value": "", "low": ""},
    ]
    assert page.table(rows).splitlines() == [
        "|  | share | hits |",
        "|---|---|---|",
        "| `erase` | 0.50 (0.40 to 0.60) |  |",
        "| *random pixels* | 0.50 |  |",
    ]


def test_page_has_every_method_and_agent_of_its_config(page: ModuleType) -> None:
    config = yaml.safe_load((ROOT / "config" / "methods.yaml").read_text(encoding="utf-8"))
    text = Path(page.PAGE).read_text(encoding="utf-8").partition(page.BEGIN)[2].partition(page.END)[0]
    parts = {part.partition("\n")[0]: part for part in text.split("### ")[1:]}
    assert list(parts) == list(page.AGENTS.values())
    for agent, name in page.AGENTS.items():
        for clip in (one for one in config["clips"].values() if one and agent in one["agent"]):
            for method in clip["methods"]:
                assert f"| `{method}` |" in parts[name], (agent, method)
