"""Every game that ale-py ships can be played, in the worlds of all libraries."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import RecordEpisodeStatistics
from helpers.worlds import make_world
from searchlight import registry
from searchlight.agents import wrappers
from searchlight.agents.environment import make_environment, screen_of
from searchlight.agents.world import Step, World
from searchlight.errors import SearchlightError

IDS = sorted(name for name in gymnasium.registry if name.startswith("ALE/"))
FAMILIES = registry.names(wrappers.FOLDER)
# Games in which ALE's grey is not that of the colours.
OWN_GREY = ("ALE/AirRaid-v5", "ALE/LaserGates-v5")
# Games whose own actions do not begin with NOOP.
NO_NOOP = ("ALE/Backgammon-v5", "ALE/VideoCheckers-v5")


def play(world: World) -> list[Step]:
    """Play fifty steps, or to the end."""
    actions = np.random.default_rng(0).integers(world.environment.action_space.n, size=50)
    steps = [world.reset(0)]
    for action in actions:
        steps.append(world.step(int(action)))
        if steps[-1].terminated or steps[-1].truncated:
            break
    return steps


def test_there_are_as_many_games_as_are_known() -> None:
    assert len(IDS) == 104


@pytest.mark.slow
@pytest.mark.parametrize(("number", "name"), [*enumerate(IDS)])
def test_game_plays_fifty_steps(number: int, name: str) -> None:
    env = {"id": name, "frameskip": 1, "repeat_action_probability": 0, "full_action_space": name in NO_NOOP}
    family = FAMILIES[number % len(FAMILIES)]
    world = make_world("sb3" if name in OWN_GREY else family, env)
    screen = screen_of(world.environment)
    assert screen[0] >= 210
    steps = play(world)
    assert steps[0].begun
    for step in steps:
        assert (step.frame.shape, step.frame.dtype) == ((*screen, 3), np.uint8)
        assert (step.ram.shape, step.ram_before.shape) == ((128,), (128,))
    assert len(steps) == 51 or steps[-1].terminated
    world.environment.close()


@pytest.mark.parametrize("name", OWN_GREY)
def test_other_grey_of_a_game_is_one_line(name: str) -> None:
    world = make_world("gymnasium", {"id": name, "frameskip": 1, "repeat_action_probability": 0})
    with pytest.raises(SearchlightError, match="grey by ALE is not the grey of its colours"):
        play(world)


@pytest.mark.parametrize("name", NO_NOOP)
@pytest.mark.parametrize("family", ["sb3", "cleanrl", "gymnasium"])
def test_game_without_noop_names_the_full_actions(family: str, name: str) -> None:
    with pytest.raises(SearchlightError, match="first action is FIRE, allowed: NOOP, which full_action_space: true"):
        make_world(family, {"id": name, "frameskip": 1})


@pytest.mark.parametrize("env", ["SpaceInvadersNoFrameskip-v4", "MsPacmanNoFrameskip-v0"])
@pytest.mark.parametrize("family", FAMILIES)
def test_sum_of_rewards_is_the_score_of_the_game(family: str, env: str) -> None:
    recorded = RecordEpisodeStatistics(make_environment(env))
    world = wrappers.build(family, recorded, env)
    step = world.reset(5)
    total, generator = step.reward, np.random.default_rng(5)
    while not (step.terminated or step.truncated):
        action = int(generator.integers(recorded.action_space.n))
        step = world.step(action)
        total += step.reward
    assert total == recorded.return_queue[-1] > 0
