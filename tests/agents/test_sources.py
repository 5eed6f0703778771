"""Places of checkpoints: the file that a path, pattern or folder names, and what identifies it in lineages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.project import BUNDLED, ROOT
from searchlight.agents.sources import existing_file, identity, is_local, local_name, pin_line
from searchlight.errors import SearchlightError
from searchlight.store.files import digest_of

FIRST, SECOND = "1" * 40, "2" * 40
DIGEST, OTHER = "d" * 64, "e" * 64
SNAPSHOTS = ("rl_model_200_steps.zip", "rl_model_1000_steps.zip")


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders of rl-baselines3-zoo in the working directory, with contents that are their names."""
    monkeypatch.chdir(tmp_path)
    for run in ("Pong-v4_1", "Pong-v4_2"):
        for name in (*SNAPSHOTS, ".rl_model_9000_steps.zip"):
            path = tmp_path / "logs" / run / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{run}/{name}")
    return tmp_path / "logs"


def named(checkpoint: str) -> dict[str, Any]:
    return identity(checkpoint, None, BUNDLED, {})


@pytest.mark.parametrize("checkpoint", ["logs/Pong-v4_1", "logs/Pong-v4_1/", "logs/*_1/rl_model_*_steps.zip"])
def test_folder_and_pattern_name_the_highest_step(logs: Path, checkpoint: str) -> None:
    highest = "logs/Pong-v4_1/rl_model_1000_steps.zip"
    assert local_name(checkpoint) == highest
    assert existing_file(checkpoint, BUNDLED) == Path(highest)
    assert named(checkpoint) == {"checkpoint": highest, "file": digest_of(Path(highest)), "pinned": None}
    (logs / "Pong-v4_1" / "rl_model_2000_steps.zip").write_text("newer")
    assert named(checkpoint)["file"] == digest_of(logs / "Pong-v4_1" / "rl_model_2000_steps.zip")
    (logs / "Pong-v4_1" / "Pong-v4.zip").write_text("final")
    assert local_name("logs/Pong-v4_1") == "logs/Pong-v4_1/Pong-v4.zip"


def test_working_directory_is_a_folder_too(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(logs / "Pong-v4_2")
    Path("Pong-v4.zip").touch()
    assert local_name(".") == "Pong-v4.zip"


def test_path_with_the_signs_of_a_pattern_is_a_path(logs: Path) -> None:
    for name in ("a[1].zip", "a1.zip"):
        (logs / name).write_text(name)
    assert existing_file("logs/a[1].zip", BUNDLED) == Path("logs/a[1].zip")
    assert local_name("./logs/a[1].zip") == "./logs/a[1].zip"


@pytest.mark.parametrize(
    ("checkpoint", "said"),
    [
        (
            "logs/*/rl_model_1000_steps.zip",
            "several fit, name one of: logs/Pong-v4_1/rl_model_1000_steps.zip, ",
        ),
        ("logs/Pong-v4_1/rl_model_01*_steps.zip", "no such file"),
        ("logs/Pong*", "no such file"),
        ("absent/*.zip", "no such file"),
        ("logs", "a folder, no file asked for, allowed: none, it is empty"),
        ("logs/Pong-v4_2/a*", "found 'logs/Pong-v4_2/a{b}.zip', allowed: no braces"),
    ],
)
def test_what_names_no_file_is_refused_by_the_job_alone(logs: Path, checkpoint: str, said: str) -> None:
    (logs / "Pong-v4_2" / "a{b}.zip").touch()
    with pytest.raises(SearchlightError) as refusal:
        local_name(checkpoint)
    assert str(refusal.value).startswith(f"{checkpoint}: {said}")
    assert existing_file(checkpoint, BUNDLED) is None
    assert named(checkpoint) == {"checkpoint": checkpoint, "file": None, "pinned": None}


def test_places_elsewhere_are_not_looked_for_here() -> None:
    for checkpoint in ("https://example.org/a.tar", "hub:me/agent", "sb3:ppo/Pong-v4"):
        assert not is_local(checkpoint)
        assert existing_file(checkpoint, BUNDLED) is None
    assert is_local("bundled:breakout")
    assert existing_file("bundled:breakout", BUNDLED) == BUNDLED / "breakout.safetensors"


def fetched(source: str, pinned: str | None = None) -> dict[str, Any]:
    return {"source": source, "sha256": DIGEST, "pinned": pinned}


ON_HUB = fetched(f"hub:me/agent@{FIRST}/a.zip")
ADDRESS = "https://example.org/a.tar"


@pytest.mark.parametrize(
    ("checkpoint", "sha256", "there", "pinned"),
    [
        ("hub:me/agent", None, {}, None),
        ("hub:me/agent", None, ON_HUB, None),
        (f"hub:me/agent@{FIRST}", None, {}, FIRST),
        (f"hub:me/agent@{FIRST}", None, ON_HUB, None),
        (f"hub:me/agent@{SECOND}", None, ON_HUB, SECOND),
        (f"hub:other/agent@{FIRST}", None, ON_HUB, FIRST),
        ("hub:me/agent@v1", None, ON_HUB, "v1"),
        ("hub:me/agent@v1", None, {**ON_HUB, "pinned": "v1"}, "v1"),
        ("hub:me/agent@v1", DIGEST, {**ON_HUB, "pinned": "v1"}, "v1"),
        ("hub:me/agent@v2", None, {**ON_HUB, "pinned": "v1"}, "v2"),
        ("hub:me/agent", DIGEST, {}, DIGEST),
        ("hub:me/agent", DIGEST, ON_HUB, None),
        ("hub:me/agent", OTHER, ON_HUB, OTHER),
        (f"hub:me/agent@{FIRST}", OTHER, ON_HUB, f"{FIRST} {OTHER}"),
        (ADDRESS, None, fetched(ADDRESS), None),
        (ADDRESS, DIGEST, {}, DIGEST),
        (ADDRESS, DIGEST, fetched(ADDRESS), None),
        (ADDRESS, OTHER, fetched(ADDRESS, DIGEST), OTHER),
        (ADDRESS, DIGEST, fetched("https://example.org/b.tar"), DIGEST),
        ("hub:me/agent", DIGEST, fetched(ADDRESS), DIGEST),
        ("bundled:breakout", OTHER, {}, OTHER),
    ],
)
def test_pin_that_fits_changes_nothing(
    checkpoint: str, sha256: str | None, there: dict[str, Any], pinned: str | None
) -> None:
    found = identity(checkpoint, sha256, BUNDLED, there)
    assert found["pinned"] == pinned
    assert found["checkpoint"] == checkpoint.partition("@")[0]
    assert (found["file"] is None) == (checkpoint != "bundled:breakout")


def test_short_form_is_the_file_that_it_is_short_for() -> None:
    assert named("sb3:ppo/Pong-v4") == named("hub:sb3/ppo-Pong-v4/ppo-Pong-v4.zip")


@pytest.mark.parametrize(
    ("checkpoint", "sha256", "there", "line"),
    [
        ("hub:me/agent/a.zip", None, ON_HUB, f"checkpoint: hub:me/agent@{FIRST}/a.zip"),
        ("hub:me/agent@v1", None, ON_HUB, f"checkpoint: hub:me/agent@{FIRST}"),
        (f"hub:me/agent@{FIRST}", None, ON_HUB, None),
        ("hub:me/agent", DIGEST, ON_HUB, None),
        ("hub:me/agent", None, {}, None),
        ("hub:me/agent", None, fetched(ADDRESS), None),
        (ADDRESS, None, fetched(ADDRESS), f"sha256: {DIGEST}"),
        (ADDRESS, DIGEST, fetched(ADDRESS), None),
        ("mine.zip", None, fetched("mine.zip"), f"sha256: {DIGEST}"),
        ("bundled:breakout", None, fetched("bundled:breakout"), None),
    ],
)
def test_line_that_pins_is_told_until_it_is_there(
    checkpoint: str, sha256: str | None, there: dict[str, Any], line: str | None
) -> None:
    assert pin_line(checkpoint, sha256, there) == line


def test_places_are_found_without_heavy_libraries() -> None:
    """Each start of Snakemake reads them."""
    heavy = {"numpy", "torch", "huggingface_hub", "pooch"}
    code = f"import sys, searchlight.agents.sources; print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"
