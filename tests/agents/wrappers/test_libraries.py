"""Worlds: what an agent meets is what the library's own wrappers give it, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from helpers.libraries import LIBRARIES
from helpers.worlds import make_world
from searchlight.agents import preprocessings
from searchlight.agents.environment import make_environment, screen_of

# With FIRE and lives, without FIRE, without lives, and a last life of some frames without any.
GAMES = ("BreakoutNoFrameskip-v4", "MsPacmanNoFrameskip-v4", "PongNoFrameskip-v4", "QbertNoFrameskip-v4")


def actions(env: str, count: int, seed: int) -> Iterator[int]:
    """Yield actions: a few of each, so that games go on for a while."""
    generator = np.random.default_rng(seed)
    number = make_environment(env).action_space.n
    for action in generator.integers(number, size=count // 3 + 1):
        yield from [int(action)] * 3


@pytest.mark.parametrize("env", GAMES)
@pytest.mark.parametrize("name", LIBRARIES)
def test_stacks_memory_and_score_are_the_library_s(name: str, env: str) -> None:
    theirs, world = LIBRARIES[name](env, 3), make_world(name, env)
    prepared = preprocessings.build(name, screen_of(world.environment))
    step = world.reset(3)
    expected, score, raw = next(theirs)
    total = step.reward
    fires = name != "gymnasium" and "FIRE" in raw.unwrapped.get_action_meanings()
    begun, pictures = [], []
    for number, action in enumerate(actions(env, 700, seed=3)):
        begun += [number] if step.begun else []
        pictures.append(prepared.picture(step.frame))
        seen = prepared.stacked([pictures[one] for one in prepared.decisions(number, begun[-1])])
        np.testing.assert_array_equal((255 * seen.transpose(2, 0, 1)).round(), expected)
        np.testing.assert_array_equal(step.ram, raw.rams[-1])
        # The frame of a reset without FIRE is a single one.
        np.testing.assert_array_equal(step.ram_before, raw.rams[-2] if number or fires else raw.rams[-1])
        step = world.step(action)
        expected, score, raw = theirs.send(action)
        total += step.reward
        if score is not None or step.terminated or step.truncated:
            break
    assert step.terminated == (score is not None) == (env != "PongNoFrameskip-v4")
    assert world.environment.unwrapped.ale.game_over() == step.terminated
    if score is not None:
        assert total == score
    by_life = name != "gymnasium" and env != "PongNoFrameskip-v4"
    assert len(begun) > 2 if by_life else begun == [0]
