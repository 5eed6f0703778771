"""House rules: what all rules, scripts and dependencies must satisfy."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.machinery import PathFinder
from itertools import chain
from pathlib import Path

import pytest
import yaml
from helpers.project import ROOT

SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
RULES = {
    match[1]: match[2]
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk"))
    for match in re.finditer(
        r"^(?:rule|checkpoint) (\w+):\n(.*?)(?=^(?:rule|checkpoint) |\Z)", path.read_text(), re.MULTILINE | re.DOTALL
    )
}


def normalised(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    return {normalised(line): line.partition("==")[2] for line in lines}


# These rules make no results, so their code needs no lineage.
TARGETS = {"list_unused", "delete_unused"}


def test_every_script_has_its_rule() -> None:
    assert {path.stem for path in SCRIPTS} - TARGETS == RULES.keys()


def test_no_script_has_the_name_of_a_module_that_snakemake_may_import() -> None:
    # Jobs find the scripts' folder before all installed packages.
    elsewhere = [path for path in sys.path if not (Path(path) / "searchlight").is_dir()]
    for script in SCRIPTS:
        found = PathFinder.find_spec(script.stem, elsewhere)
        assert found is None, f"{script.name} hides {found.origin}"
        assert script.stem not in sys.stdlib_module_names


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_log_benchmark_resources_and_lineage(rule: str) -> None:
    text = RULES[rule]
    for directive in (
        "log:",
        "benchmark:",
        "threads:",
        "mem_mb=growing(",
        "runtime=growing(",
        f'"../../scripts/{rule}.py"',
    ):
        assert directive in text, f"{rule} has no {directive}"
    assert re.search(rf'\*\*tracked\(\s*"{rule}"', text), f"{rule} has no lineage"
    assert re.search(r'conda:\n +"../../environment.yml"', text)


def test_rules_contain_no_functions() -> None:
    for rule, text in RULES.items():
        assert "lambda" not in text, rule
        assert "def " not in text, rule


def test_rules_files_have_few_functions() -> None:
    """What follows from the config belongs into the package, where it is typed and has unit tests."""
    texts = [path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk")]
    assert sum(len(re.findall(r"^ *def ", text, re.MULTILINE)) for text in texts) <= 25


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_short_and_define_nothing(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 40
    assert not re.search(r"^(def|class) ", path.read_text(), re.MULTILINE)


def test_pre_commit_checks_what_make_check_does() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    made = re.findall(r"@\$\(RUN\) (ruff \w+|snakemake --lint|\S+)", recipe)
    assert made == [re.match(r"ruff \w+|snakemake --lint|\S+", hook["entry"])[0] for hook in hooks]


def test_environment_yml_has_the_pinned_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = {normalised(requirement) for requirement in project["dependencies"]}
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (listed,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert {normalised(line): line.partition("==")[2] for line in listed} == {name: pins()[name] for name in direct}


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    assert not {normalised(requirement) for requirement in wanted} - pins().keys()


def test_installed_versions_are_the_pinned_ones() -> None:
    from importlib.metadata import distributions

    installed = {normalised(one.metadata["Name"]): one.version.partition("+")[0] for one in distributions()}
    for name, version in pins().items():
        assert installed.get(name, version) == version, name


def test_bundled_agent_has_the_digest_on_its_card() -> None:
    import hashlib

    card = (ROOT / "resources" / "agents" / "README.md").read_text()
    for path in (ROOT / "resources" / "agents").glob("*.safetensors"):
        assert path.name in card
        assert hashlib.sha256(path.read_bytes()).hexdigest() in card
