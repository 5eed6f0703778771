"""Games that some worlds refuse, and the score of games."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.wrappers import RecordEpisodeStatistics
from helpers.worlds import IDS, NO_NOOP, OWN_GREY, make_world
from searchlight import registry
from searchlight.agents import wrappers
from searchlight.agents.environment import make_environment
from searchlight.agents.world import Step, World
from searchlight.errors import SearchlightError

FAMILIES = registry.names(wrappers.FOLDER)


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
