"""Environments: what the config names is made, or refused in one line that says what to write."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from searchlight.agents import wrappers
from searchlight.agents.environment import describe_environment, game_of, make_environment
from searchlight.config.environments import check, own_code, written
from searchlight.errors import SearchlightError

OWN = """\
import gymnasium
from helper_of_mine import GAME

gymnasium.register("Mine-v0", "ale_py.env:AtariEnv", kwargs={"game": GAME, "frameskip": 1})
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Breakout-v0", "Breakout-v0"),
        ({"id": "Breakout-v0"}, "Breakout-v0"),
        ({"frameskip": 4, "id": "ALE/Pong-v5"}, {"id": "ALE/Pong-v5", "frameskip": 4}),
        ({"id": "ALE/Pong-v5", "frameskip": None}, "ALE/Pong-v5"),
        ({"id": "my_envs:Mine-v0", "colour": "red"}, {"id": "my_envs:Mine-v0", "colour": "red"}),
    ],
)
def test_equal_environments_are_equal_settings(given: Any, expected: Any) -> None:
    assert check(given) == expected


def test_arguments_reach_the_game() -> None:
    env = {"id": "ALE/Breakout-v5", "frameskip": [2, 5], "repeat_action_probability": 0, "full_action_space": True}
    environment = make_environment(env)
    game = game_of(environment)
    assert game._frameskip == (2, 5)
    assert game.ale.getFloat("repeat_action_probability") == 0
    about = describe_environment(environment, env)
    assert len(about["action_meanings"]) == 18
    assert about["environment_settings"]["frameskip"] == [2, 5]
    assert "environment_code" not in about


@pytest.mark.parametrize(
    ("env", "text"),
    [
        (
            "BreakoutDeterministic-v4",
            "allowed: {id: ALE/Breakout-v5, frameskip: 4, repeat_action_probability: 0}",
        ),
        ("BreakoutDeterministic-v0", "{id: ALE/Breakout-v5, frameskip: 4, repeat_action_probability: 0.25}"),
        ("SpaceInvadersDeterministic-v4", "{id: ALE/SpaceInvaders-v5, frameskip: 3, repeat_action_probability: 0}"),
        ({"id": "PongDeterministic-v4", "mode": 0}, "allowed: {id: ALE/Pong-v5, frameskip: 4"),
        ("Breakout-ram-v4", "see no screen but the console's memory, allowed: an environment with a screen, such as"),
        ("Breakout-ram-v4", "such as Breakout-v4"),
        ("ALE/Breakout-ram-v5", "such as ALE/Breakout-v5"),
        ("Breakout-ramNoFrameskip-v4", "such as BreakoutNoFrameskip-v4"),
        ("Breakout-ramDeterministic-v4", "such as {id: ALE/Breakout-v5, frameskip: 4"),
        ({"id": "ALE/Pong-v5", "render_mode": "human"}, "Pong-v5.render_mode: "),
        ({"id": "ALE/Pong-v5", "obs_type": "ram"}, "Pong-v5.obs_type: "),
        ({"id": "ALE/Pong-v5", "frameskip": 0}, "Pong-v5.frameskip: "),
        ({"id": "ALE/Pong-v5", "frameskip": [4, 4]}, "Pong-v5.frameskip: "),
        ({"id": "ALE/Pong-v5", "mode": 77}, "found '{id: ALE/Pong-v5, mode: 77}': "),
        ({"frameskip": 4}, "allowed: a gymnasium id, or {id: …, argument: value}"),
        ("../mine:Mine-v0", "allowed: MODULE:ID"),
        ("nowhere_at_all:Mine-v0", "found 'nowhere_at_all:Mine-v0', but no module 'nowhere_at_all': neither a file of"),
        ({"id": "ale_py:ALE/Pong-v5", "obs_type": "ram"}, "with observations of shape (128,), allowed: a screen"),
        ({"id": "ale_py:ALE/Pong-v5", "continuous": True}, "allowed: a list of actions"),
    ],
)
def test_unsuitable_environment_is_one_line(env: Any, text: str) -> None:
    with pytest.raises(SearchlightError) as caught:
        make_environment(env, "agents.mine.env")
    assert str(caught.value).startswith("agents.mine.env: ")
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("package", [False, True])
def test_own_module_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: bool) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"my_envs_{package}".lower()
    file = tmp_path / name / "__init__.py" if package else tmp_path / f"{name}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(OWN)
    (tmp_path / "helper_of_mine.py").write_text("GAME = 'pong'\n")
    env, path = f"{name}:Mine-v0", list(sys.path)
    environment = make_environment(env)
    assert sys.path == path
    assert game_of(environment)._game == "pong"
    before = own_code(env)
    assert describe_environment(environment, env)["environment_code"] == before
    assert list(before) == [file.relative_to(tmp_path).as_posix()]
    file.write_text(f"{OWN}# another\n")
    assert own_code(env) != before
    assert own_code("ale_py:ALE/Pong-v5") == own_code("Pong-v4") == {}


@pytest.mark.parametrize("name", ["sb3", "cleanrl", "gymnasium"])
@pytest.mark.parametrize(
    ("env", "allowed"),
    [
        ("Breakout-v4", "BreakoutNoFrameskip-v4"),
        ("Breakout-v0", "BreakoutNoFrameskip-v0"),
        ("ALE/Breakout-v5", "{id: ALE/Breakout-v5, frameskip: 1}"),
        ({"id": "Breakout-v4", "mode": 0}, "{id: Breakout-v4, mode: 0, frameskip: 1}"),
    ],
)
def test_wrappers_that_skip_name_an_environment_that_does_not(name: str, env: Any, allowed: str) -> None:
    environment = make_environment(env)
    with pytest.raises(SearchlightError) as caught:
        wrappers.build(name, environment, env, "agents.mine.wrappers")
    assert str(caught.value).startswith(f"agents.mine.wrappers: found '{name}', which skips frames, with env ")
    assert str(caught.value).endswith(f"allowed: env: {allowed}")
    assert wrappers.build({name: {"frame_skip": 1}}, environment, env).frame_skip == 1


def test_environment_is_written_as_in_a_config() -> None:
    assert written({"id": "ALE/Pong-v5", "frameskip": [2, 5]}) == "{id: ALE/Pong-v5, frameskip: [2, 5]}"
