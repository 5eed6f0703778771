"""Which of several files is the checkpoint, by their names."""

from __future__ import annotations

import pytest
from searchlight.agents.snapshots import highest_step, only_checkpoint, step_of
from searchlight.errors import SearchlightError

HOME = "BreakoutNoFrameskip-v4_1"
STEPS = [f"rl_model_{steps}_steps.zip" for steps in (200_000, 1_000_000, 80_000)]
ZOO = ["BreakoutNoFrameskip-v4/config.yml", "evaluations.npz", "0.monitor.csv", "train_eval_metrics.zip"]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ([*ZOO, "BreakoutNoFrameskip-v4.zip", "best_model.zip", *STEPS], "BreakoutNoFrameskip-v4.zip"),
        ([*ZOO, "BreakoutNoFrameskip-v4_1.zip", "best_model.zip"], "BreakoutNoFrameskip-v4_1.zip"),
        ([*ZOO, "best_model.zip", *STEPS], "best_model.zip"),
        ([*ZOO, *STEPS], "rl_model_1000000_steps.zip"),
        (["dqn_atari.cleanrl_model", "events.out"], "dqn_atari.cleanrl_model"),
        (["a2c-Pong.zip", "policy.pth"], "a2c-Pong.zip"),
        (["policy.pth", "policy.optimizer.pth", "pytorch_variables.pth", "data"], "policy.pth"),
        (["model.safetensors", "config.json"], "model.safetensors"),
        (["model_9.pt", "model_10.pt"], "model_10.pt"),
        (["README.md", "checkpoints/model.pt"], "checkpoints/model.pt"),
        (["model.pt", "old/policy.pth"], "model.pt"),
        (["._a.zip", "__MACOSX/._model.pt", "a/model.pt"], "a/model.pt"),
    ],
)
def test_checkpoint_of_a_folder_is_chosen_by_name(names: list[str], chosen: str) -> None:
    for order in (names, names[::-1]):
        assert only_checkpoint(order, HOME, "folder") == chosen


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "folder, allowed: none, it is empty"),
        (["README.md", "train_eval_metrics.zip"], "folder, allowed: README.md, train_eval_metrics.zip"),
        (["dqn.pt", "c51.pt"], "folder: several fit, name one of: c51.pt, dqn.pt"),
        (["a/model.pt", "b/model.pt"], "folder: several fit, name one of: a/model.pt, b/model.pt"),
        (["model_7.pt", "model_07.pt"], "folder: several fit, name one of: model_07.pt, model_7.pt"),
    ],
)
def test_folder_with_no_or_several_checkpoints_lists_them(names: list[str], said: str) -> None:
    with pytest.raises(SearchlightError) as refusal:
        only_checkpoint(names, HOME, "folder")
    assert str(refusal.value) == said


def test_name_of_the_folder_is_no_pattern() -> None:
    assert only_checkpoint(["[ab].zip", "a.zip"], "[ab]", "folder") == "[ab].zip"


def test_highest_step_is_the_last_number_of_the_name() -> None:
    assert highest_step(STEPS, "pattern", []) == "rl_model_1000000_steps.zip"
    assert highest_step(["seed9/a.pt"], "pattern", []) == "seed9/a.pt"
    with pytest.raises(SearchlightError, match=r"^pattern: several fit, name one of: a2c-P-v4\.zip, dqn-P-v4\.zip$"):
        highest_step(["dqn-P-v4.zip", "a2c-P-v4.zip"], "pattern", [])
    with pytest.raises(SearchlightError, match=r"^pattern, allowed: b\.pt$"):
        highest_step([], "pattern", ["b.pt"])


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("rl_model_1000_steps.zip", 1000),
        ("strong.40.tar", 40),
        ("PongNoFrameskip-v4.zip", -1),
        ("PongNoFrameskip-v4-dqn_atari-seed1.cleanrl_model", -1),
        ("Double-Duel-DQN_EnduroNoFrameskip-v4_900k.pth", 900_000),
        ("model_2M.pt", 2_000_000),
        ("model_2more.pt", 2),
        ("best_model.zip", -1),
        ("a2c-PongNoFrameskip-v4.zip", -1),
        ("baby-a3c_20.tar", 20),
        ("c51_atari.cleanrl_model", -1),
    ],
)
def test_step_is_read_from_a_name(name: str, step: int) -> None:
    assert step_of(name) == step
