"""Checkpoints on the hub: their forms, and what short forms stand for."""

from __future__ import annotations

import pytest
from searchlight.config.checkpoints import OnHub, brought, on_hub, pinned_to
from searchlight.errors import SearchlightError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BREAKOUT, DQN = "BreakoutNoFrameskip-v4", "BreakoutNoFrameskip-v4-dqn_atari-seed1"
PLACES = {
    "hub:me/agent": OnHub("me/agent"),
    "hub:me/a.b-c_d@v1.0": OnHub("me/a.b-c_d", "v1.0"),
    "hub:me/agent/a/b c@d.zip": OnHub("me/agent", None, "a/b c@d.zip"),
    f"hub:me/agent@{COMMIT}/rl_model_*_steps.zip": OnHub("me/agent", COMMIT, "rl_model_*_steps.zip"),
    f"sb3:ppo/{BREAKOUT}": OnHub(f"sb3/ppo-{BREAKOUT}", None, f"ppo-{BREAKOUT}.zip"),
    "sb3:qrdqn/ALE/Pong-v5@main": OnHub("sb3/qrdqn-ALE-Pong-v5", "main", "qrdqn-ALE-Pong-v5.zip"),
    f"cleanrl:{DQN}": OnHub(f"cleanrl/{DQN}", None, "dqn_atari.cleanrl_model"),
    f"cleanrl:{DQN}@{COMMIT}": OnHub(f"cleanrl/{DQN}", COMMIT, "dqn_atari.cleanrl_model"),
}


@pytest.mark.parametrize(("checkpoint", "place"), PLACES.items(), ids=PLACES)
def test_form_names_its_file(checkpoint: str, place: OnHub) -> None:
    assert on_hub(checkpoint) == place
    assert on_hub(str(place)) == place
    assert place.is_pinned == (COMMIT in checkpoint)
    pinned = pinned_to(checkpoint, COMMIT)
    assert on_hub(pinned) == place._replace(revision=COMMIT)
    assert pinned.partition(":")[0] == checkpoint.partition(":")[0]


@pytest.mark.parametrize("checkpoint", ["mine.zip", "./hub:me", "https://hub/x", "bundled:breakout", "hub", "Hub:a/b"])
def test_other_places_are_not_on_the_hub(checkpoint: str) -> None:
    assert on_hub(checkpoint) is None
    assert brought(checkpoint) == {}


@pytest.mark.parametrize(
    "checkpoint",
    [
        *("hub:", "hub:me", "hub:me/", "hub:/agent", "hub:me/agent@", "hub:me/agent@/x", "hub:../agent", "hub:me/.."),
        *(
            "hub:me/agent/",
            "hub:me/agent/../x",
            "hub:me/agent/a/..",
            "hub:me/agent@../x",
            "hub:me/agent@a b",
            "hub:a/b.",
        ),
        *("sb3:", "sb3:ppo", "sb3:ppo/", "sb3:PPO/Pong-v4", "sb3:ppo/a/b/c", "sb3:ppo/Pong-v4/x.zip", "sb3:ppo/../x"),
        *("cleanrl:", "cleanrl:Pong-v4", "cleanrl:Pong-v4-dqn_atari", "cleanrl:Pong-dqn_atari-seed1"),
        *("cleanrl:Pong-v4-dqn_atari-seed", "cleanrl:cleanrl/Pong-v4-dqn_atari-seed1"),
    ],
)
def test_malformed_place_is_refused(checkpoint: str) -> None:
    with pytest.raises(SearchlightError) as refusal:
        on_hub(checkpoint)
    assert str(refusal.value).startswith(f"found '{checkpoint}', allowed: {checkpoint.partition(':')[0]}:")


@pytest.mark.parametrize(
    "script",
    [
        *("dqn_atari_jax", "c51_atari_jax", "ppo_atari_envpool_xla_jax_scan", "qdagger_dqn_atari_jax_impalacnn"),
        *("cleanba_ppo_envpool_impala_atari_wrapper", "ppo_atari_envpool_xla_jax"),
    ],
)
def test_weights_of_jax_are_refused(script: str) -> None:
    with pytest.raises(SearchlightError, match="whose weights are of JAX, allowed: CleanRL's agents of torch"):
        on_hub(f"cleanrl:Breakout-v5-{script}-seed1")


@pytest.mark.parametrize(
    ("checkpoint", "form", "env", "network"),
    [
        (f"sb3:ppo/{BREAKOUT}", "sb3", BREAKOUT, "nature"),
        (f"sb3:a2c/{BREAKOUT}@main", "sb3", BREAKOUT, "nature"),
        (f"sb3:ppo_lstm/{BREAKOUT}", "sb3", BREAKOUT, "nature"),
        (f"sb3:dqn/{BREAKOUT}", "sb3", BREAKOUT, "q_network"),
        ("sb3:qrdqn/ALE/Pong-v5", "sb3", "ALE/Pong-v5", "q_network"),
        (f"sb3:sac/{BREAKOUT}", "sb3", BREAKOUT, None),
        (f"cleanrl:{DQN}", "cleanrl", BREAKOUT, "q_network"),
        (f"cleanrl:{BREAKOUT}-c51_atari-seed12", "cleanrl", BREAKOUT, "q_network"),
        (f"cleanrl:{BREAKOUT}-ppo_atari_lstm-seed1", "cleanrl", BREAKOUT, "nature"),
        (f"cleanrl:{BREAKOUT}-qdagger_dqn_atari_impalacnn-seed1", "cleanrl", BREAKOUT, "impala"),
        (f"cleanrl:{BREAKOUT}-rainbow_atari-seed1", "cleanrl", BREAKOUT, None),
    ],
)
def test_short_form_brings_world_and_network(checkpoint: str, form: str, env: str, network: str | None) -> None:
    world = {"env": env, "wrappers": form, "preprocessing": form}
    assert brought(checkpoint) == (world if network is None else {**world, "network": network})
