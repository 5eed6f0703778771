"""Every game that ale-py ships goes from an agent to maps, whatever its screen and its number of actions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.networks import new_nature
from helpers.worlds import IDS, NO_NOOP, OWN_GREY
from searchlight.agents.environment import make_environment
from searchlight.agents.policy_file import write_policy
from searchlight.agents.rollout import play_episode
from searchlight.saliency.background import write_background
from searchlight.saliency.perturb import perturb_block
from searchlight.saliency.score import score_block
from searchlight.store.zarr import load

STEPS, BLOCK = 50, 40
# What agents were trained with; each game takes one in turn.
FAMILIES: list[dict[str, Any]] = [
    {"wrappers": "sb3", "preprocessing": "sb3"},
    {"wrappers": "cleanrl", "preprocessing": "cleanrl"},
    {"wrappers": "gymnasium", "preprocessing": "gymnasium"},
    {"wrappers": "none", "preprocessing": {"sb3": {"stack": 1, "size": 60}}},
    {"wrappers": "sb3", "preprocessing": {"rgb": {"stack": 2}}},
]
ERASE = {
    "space": "screen",
    "stack": "all",
    "perturber": {"SlidingWindow": {"window_size": [40, 40], "stride": [35, 40]}},
    "fill": "background",
    "memory_lag": 0,
}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "name"), [*enumerate(IDS)])
def test_game_goes_from_an_agent_to_maps(number: int, name: str, tmp_path: Path) -> None:
    family = FAMILIES[0 if name in OWN_GREY else number % len(FAMILIES)]
    env = {"id": name, "frameskip": 1, "repeat_action_probability": 0, "full_action_space": name in NO_NOOP}
    with make_environment(env) as environment:
        actions, screen = int(environment.action_space.n), environment.observation_space.shape
    tensors = new_nature(family["preprocessing"], screen, actions)
    about = {"source": "random", "sha256": str(number), "network": "nature", "actions": actions}
    policy, episode, background, responses, maps = (tmp_path / part for part in ("p", "e", "b", "r", "m"))
    write_policy(policy, tensors, about)
    game = {"agent": "random", "env": env, "actions": "sampled", "seed": 0, "max_steps": STEPS}
    played = play_episode(policy, episode, **game, **family)
    write_background(episode, background, window=200)
    last = (played.steps - 1) // BLOCK
    perturb_block(
        policy, episode, responses, perturbation=ERASE, block=last, block_size=BLOCK, background_path=background
    )
    score_block(responses, maps, scorer={"SquaredDifference": {}})
    with load(maps) as store:
        actor = store.read("actor")
        assert actor.shape == (played.steps - last * BLOCK, *screen[:2])
        assert np.isfinite(actor).all()
        hidden = store.read("effective_masks") > 0
        assert (actor.reshape(len(actor), -1).max(axis=1) > 0).tolist() == hidden.tolist()
