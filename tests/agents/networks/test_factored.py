"""Factored networks: the engine answers as whole forwards, whatever actor and critic share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from helpers.networks import SB3, arrays, policy_of
from helpers.sb3 import new_agent, stacks
from searchlight.saliency.engine import Engine, make_engine
from searchlight.saliency.patches import Patches
from searchlight.saliency.whole_forwards import WholeForwards

AGENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "shared": ("PPO", {}),
    "separate-extractors": ("PPO", {"share_features_extractor": False, "net_arch": [6]}),
    "separate-extractors-and-memories": ("RecurrentPPO", {"share_features_extractor": False, "lstm_hidden_size": 7}),
    "two-layers-of-memory": ("RecurrentPPO", {"n_lstm_layers": 2, "lstm_hidden_size": 7}),
    "q-values": ("DQN", {"net_arch": [6]}),
    "quantiles": ("QRDQN", {"n_quantiles": 4}),
}


@pytest.mark.parametrize(("algorithm", "arguments"), AGENTS.values(), ids=AGENTS)
@torch.inference_mode()
def test_engine_answers_as_whole_forwards(algorithm: str, arguments: dict[str, Any]) -> None:
    kind = {"PPO": "actor_critic", "RecurrentPPO": "recurrent", "DQN": "dqn", "QRDQN": "qrdqn"}[algorithm]
    facts = {**SB3, "algorithm": kind, **({"quantiles": 4} if kind == "qrdqn" else {})}
    policy = policy_of(arrays(new_agent(algorithm, **arguments).policy), facts)
    observation = (stacks()[0].permute(1, 2, 0) / 255).numpy()
    memory = {name: torch.full_like(array, 0.3) for name, array in policy.initial_memory().items()}
    boxes = np.array([[0, 14, 0, 14], [40, 54, 60, 74], [70, 84, 70, 84]])
    values = np.random.default_rng(0).random((3, 14, 14, 4), dtype=np.float32)
    patches = [Patches(observation, np.array([0, 2, 3]), boxes, boxes[:, ::2], values)]
    engine = make_engine(policy, (84, 84))
    assert isinstance(engine, Engine)
    found, expected = (
        evaluator.respond(evaluator.reference(observation), memory, patches, 4)
        for evaluator in (engine, WholeForwards(policy))
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert (np.ptp(expected[0], axis=0) > 1e-4).all(), "masks change the outputs"
