"""The page that compares methods: its tables are made from results, and have all methods and agents of its config."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from helpers.project import ROOT
from searchlight.config.families import ClipFamily

ROW = {
    "measure": "objects",
    "of": "erase",
    "quantity": "share",
    "value": "0.5012",
    "low": "0.4",
    "high": "",
    "less_low": "",
    "less_high": "",
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
    assert list(parts) == list(page.CLIPS_OF)
    families = {name: ClipFamily(**family) for name, family in config["clips"].items() if family}
    clips = {clip: family for name, family in families.items() for clip in family.clips(name)}
    assert {clip for some in page.CLIPS_OF.values() for clip in some} == clips.keys()
    for heading, some in page.CLIPS_OF.items():
        for clip in some:
            for method in clips[clip].methods:
                assert f"| `{method}` |" in parts[heading], (clip, method)


def test_clear_differences_from_the_first_method_are_marked(page: ModuleType) -> None:
    given = {**ROW, "low": ""}
    assert page.cell({**given, "less_low": "0.1", "less_high": "0.2"}) == "0.50 ▲"
    assert page.cell({**given, "less_low": "-0.2", "less_high": "-0.1"}) == "0.50 ▼"
    assert page.cell({**given, "less_low": "-0.2", "less_high": "0.1"}) == "0.50"
