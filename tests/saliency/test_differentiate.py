"""Maps of gradients in stores: they follow from the episode's store alone, block by block."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.checkpoints import torch_bytes
from helpers.files import edit_store
from helpers.project import BUNDLED, ROOT
from safetensors.numpy import save_file
from searchlight.agents import preprocessings
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.policy import channels_first
from searchlight.agents.policy_file import load_policy, read_policy
from searchlight.agents.rollout import play_episode
from searchlight.clips.collect import collect_clip
from searchlight.errors import SearchlightError
from searchlight.saliency import gradients
from searchlight.saliency.background import Backgrounds, write_background
from searchlight.saliency.differentiate import differentiate_block
from searchlight.saliency.gradients import integrated_gradients
from searchlight.store.zarr import load
from torch import nn

STEPS = 24
INTEGRATED = {"integrated_gradients": {"base": "background", "steps": 4, "error": 0.2}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short game of the bundled agent of Pong, whose stack begins with zeros, with its background."""
    folder = tmp_path_factory.mktemp("pong")
    fetch_checkpoint("bundled:pong", None, None, BUNDLED, folder / "policy", print)
    world = {"agent": "pong", "env": "PongNoFrameskip-v4", "wrappers": "sb3", "preprocessing": "sb3"}
    play_episode(folder / "policy", folder / "episode", **world, actions="greedy", seed=0, max_steps=STEPS)
    write_background(folder / "episode", folder / "background", window=200)
    return folder


def differentiate(
    policy: Path, episode: Path, output: Path, spec: dict[str, Any], block: int, size: int, **given: Any
) -> dict[str, np.ndarray]:
    """Return the arrays of one block's maps."""
    settings = {"of": "chosen_action", "block": block, "block_size": size, **given}
    differentiate_block(policy, episode, output, gradient=gradients.check(spec), **settings)
    with load(output) as store:
        return {name: store.read(name) for name in store.names()}


def of_pong(folder: Path, output: Path, spec: dict[str, Any], block: int, size: int, **given: Any) -> dict[str, Any]:
    given["background_path"] = folder / "background" if gradients.window(spec) is not None else None
    return differentiate(folder / "policy", folder / "episode", output, spec, block, size, **given)


@pytest.mark.parametrize(
    "spec", [INTEGRATED, {"smoothgrad": {"samples": 3}}, {"grad_cam": {}}], ids=lambda one: next(iter(one))
)
def test_size_of_blocks_changes_no_bit(folder: Path, tmp_path: Path, spec: dict[str, Any]) -> None:
    whole = of_pong(folder, tmp_path / "whole", spec, 0, STEPS)
    parts = [of_pong(folder, tmp_path / f"{block}", spec, block, 5) for block in range(5)]
    assert whole["actor"].any()
    assert set(whole) == {"actor", "critic", "actor_peak", "critic_peak", "time"}
    for name, array in whole.items():
        np.testing.assert_array_equal(array, np.concatenate([part[name] for part in parts]), err_msg=name)
    assert not len(of_pong(folder, tmp_path / "past", spec, 9, 5)["actor"])


@pytest.mark.parametrize("of", ["chosen_action", "every_action"])
@pytest.mark.parametrize(("base", "time"), [(0, 1), ("background", 20)])
def test_maps_are_restated_from_the_episode_s_store(
    folder: Path, tmp_path: Path, of: str, base: Any, time: int
) -> None:
    """By plain loops over the stack, the actions and the way from the base; at frame 1, two pictures are zeros."""
    spec = {"integrated_gradients": {"base": base, "steps": 8, "error": 1e9}}
    found = of_pong(folder, tmp_path / "maps", spec, time, 1, of=of)
    policy, preprocessing = load_policy(folder / "policy"), preprocessings.build("sb3", (210, 160))
    with load(folder / "episode") as episode, load(folder / "background") as behind:
        frames, begun, outputs = (episode.read(name) for name in ("frame", "stack_begun", "logits"))
        decisions = preprocessing.decisions(time, int(begun[time]))
        usual = [Backgrounds(behind).nearest(one) for one in decisions] if base else [0 * frames[0]] * len(decisions)
    assert len(decisions) == min(4, time + 1)
    seen, start = (
        channels_first(preprocessing.stacked([preprocessing.picture(screen) for screen in screens])[None])
        for screens in ([frames[one] for one in decisions], usual)
    )
    actions = [int(outputs[time].argmax())] if of == "chosen_action" else range(policy.actions)
    expected = {"actor": np.zeros((84, 84)), "critic": np.zeros((84, 84))}
    for action in [*actions, None]:
        mean = torch.zeros_like(seen)
        for step in range(8):
            given = (start + (step + 0.5) / 8 * (seen - start)).requires_grad_()
            logits, value, _ = policy.step(given, {})
            (value[0] if action is None else logits[0, action] - logits.mean()).backward()
            mean += given.grad / 8
        expected["critic" if action is None else "actor"] += (mean * (seen - start)).abs().sum(dim=(0, 1)).numpy()
    for layer, maps in expected.items():
        assert maps.any()
        np.testing.assert_allclose(found[layer][0], maps, rtol=1e-3, atol=1e-5 * maps.max())
        assert found[f"{layer}_peak"][0] == found[layer].max()


def test_memory_is_as_recorded(policy_path: Path, episode_path: Path, tmp_path: Path) -> None:
    found = differentiate(policy_path, episode_path, tmp_path / "maps", {"gradient": {}}, 10, 4)
    policy, preprocessing = load_policy(policy_path), preprocessings.build("cv2", (210, 160))
    with load(episode_path) as episode:
        for row, time in enumerate(range(40, 44)):
            memory = {
                name: torch.from_numpy(episode.read(f"memory_{name}", slice(time, time + 1))) for name in ("h", "c")
            }
            screen = episode.read("frame", slice(time, time + 1))[0]
            seen = channels_first(preprocessing.picture(screen)[None]).clone().requires_grad_()
            policy.step(seen, memory)[1][0].backward()
            np.testing.assert_allclose(found["critic"][row], seen.grad[0, 0].abs(), rtol=1e-3, atol=1e-6)
    assert found["time"].tolist() == [40, 41, 42, 43]


@pytest.mark.parametrize("base", [0, {"blur": 3}, "background"], ids=str)
def test_contributions_of_a_real_agent_sum_to_the_difference(
    policy_path: Path, episode_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: Any
) -> None:
    attributions, errors = integrated_gradients.attributions, []

    def watched(scene: gradients.Scene, arguments: Any) -> torch.Tensor:
        found = attributions(scene, arguments)
        before, after = scene.explained.values(torch.stack([scene.base(), scene.observation]))
        errors.append((found.sum(dim=(1, 2, 3)) / (after - before) - 1).abs())
        return found

    monkeypatch.setattr(integrated_gradients, "attributions", watched)
    write_background(episode_path, tmp_path / "background", window=200)
    spec = {"integrated_gradients": {"base": base}}
    given = {} if gradients.window(spec) is None else {"background_path": tmp_path / "background"}
    differentiate(policy_path, episode_path, tmp_path / "maps", spec, 50, 2, **given)
    assert len(errors) == 2
    assert torch.stack(errors).max() < 0.01


@pytest.mark.parametrize("spec", [INTEGRATED, {"gradient_x_input": {}}], ids=lambda one: next(iter(one)))
def test_signed_maps_sum_to_the_contributions_of_the_channels(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any]
) -> None:
    (name,), found = spec, []
    module = importlib.import_module(f"searchlight.saliency.gradients.{name}")
    attributions = module.attributions

    def watched(scene: gradients.Scene, arguments: Any) -> torch.Tensor:
        found.append(attributions(scene, arguments))
        return found[-1]

    monkeypatch.setattr(module, "attributions", watched)
    maps = of_pong(folder, tmp_path / "signed", spec, 1, 12, signed=True)
    summed = np.stack([one.sum(dim=1).numpy() for one in found])
    np.testing.assert_array_equal(maps["actor"], summed[:, 0])
    np.testing.assert_array_equal(maps["critic"], summed[:, 1])
    for layer in ("actor", "critic"):
        assert (maps[layer] < 0).any()
        assert (maps[layer] > 0).any()
        np.testing.assert_array_equal(maps[f"{layer}_peak"], np.abs(maps[layer]).max(axis=(1, 2)))
    unsigned = of_pong(folder, tmp_path / "unsigned", spec, 1, 12)
    assert (np.abs(maps["actor"]) <= unsigned["actor"] + 1e-6).all()


def test_store_says_what_its_maps_are(folder: Path, tmp_path: Path) -> None:
    of_pong(folder, tmp_path / "maps", INTEGRATED, 0, 1, of="every_action")
    with load(tmp_path / "maps") as store:
        about = store.attributes
    assert about["made_by"] == (
        "integrated_gradients from background 200, error 0.2, of the advantages of all actions and of the value"
    )
    assert (about["space"], about["of"], about["gradient"]) == (
        "observation",
        "every_action",
        gradients.check(INTEGRATED),
    )
    assert (about["compared"], about["signed"]) == ("advantages of all actions", False)
    assert not {"perturbation", "hidden_by", "scorer", "coverage"} & set(about)


def test_changed_episode_is_one_line(folder: Path, tmp_path: Path) -> None:
    changed = edit_store(folder / "episode", tmp_path / "changed", "frame", lambda frames: frames[8].fill(90))
    with pytest.raises(SearchlightError, match="frame 10: recorded logits differ from the policy's"):
        differentiate(folder / "policy", changed, tmp_path / "maps", {"gradient": {}}, 1, 10)


def test_network_that_grad_cam_cannot_look_into_is_one_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("searchlight.saliency.explained.is_factored", lambda _: False)
    with pytest.raises(
        SearchlightError, match=r"frame 0: grad_cam: found a network whose last convolution is not known"
    ):
        of_pong(folder, tmp_path / "maps", {"grad_cam": {}}, 0, 1)
    assert not (tmp_path / "maps").exists()


def test_own_network_of_the_docs_is_explained_and_one_by_numpy_is_one_line(tmp_path: Path) -> None:
    module = tmp_path / "mine.py"
    text = (ROOT / "docs" / "own_network.py").read_text(encoding="utf-8")
    module.write_text(text, encoding="utf-8")
    spec = {"module": str(module), "class": "MyNetwork", "arguments": {"actions": 4, "width": 8}}
    torch.manual_seed(0)
    known = {"see": nn.Linear(4 * 84 * 84, 8), "remember": nn.GRUCell(8, 8)}
    known |= {"actor": nn.Linear(8, 4), "critic": nn.Linear(8, 1)}
    (tmp_path / "weights.pt").write_bytes(torch_bytes(nn.ModuleDict(known).state_dict()))
    fetch_checkpoint(str(tmp_path / "weights.pt"), None, None, BUNDLED, tmp_path / "policy", print, spec)
    world = {"agent": "own", "env": "BreakoutNoFrameskip-v4", "wrappers": "sb3", "preprocessing": "sb3", "seed": 1}
    play_episode(tmp_path / "policy", tmp_path / "episode", **world, actions="greedy", max_steps=3, network=spec)
    given = (tmp_path / "policy", tmp_path / "episode", tmp_path / "maps", {"gradient": {}}, 0, 3)
    found = differentiate(*given, network=spec)
    assert found["actor"].any(axis=(1, 2)).all()
    assert found["critic"].any(axis=(1, 2)).all()
    module.write_text(text.replace("observation.flatten(1)", "torch.from_numpy(observation.flatten(1).numpy())"))
    assert module.read_text() != text
    with pytest.raises(SearchlightError, match=r"mine\.py, line \d+: MyNetwork\.step: RuntimeError: Can't call numpy"):
        differentiate(*given, network=spec)


def test_clip_of_a_blind_network_gets_a_notice(policy_path: Path, tmp_path: Path) -> None:
    """Its gradient is zero everywhere, so its maps are zeros, and never NaN."""
    tensors, _ = read_policy(policy_path)
    save_file({**tensors, "conv1.weight": np.zeros_like(tensors["conv1.weight"])}, tmp_path / "blind.safetensors")
    fetch_checkpoint(str(tmp_path / "blind.safetensors"), None, None, BUNDLED, tmp_path / "policy", print)
    world = {"agent": "blind", "env": "Breakout-v0", "preprocessing": "cv2", "actions": "greedy", "seed": 1}
    play_episode(tmp_path / "policy", tmp_path / "episode", **world, max_steps=3)
    differentiate(tmp_path / "policy", tmp_path / "episode", tmp_path / "maps", {"smoothgrad": {"samples": 2}}, 0, 3)
    said: list[str] = []
    clip = {"clip": "demo", "frames": (0, 2), "method": "smooth", "scale": "frame", "notice": said.append}
    collect_clip(tmp_path / "episode", [tmp_path / "maps"], tmp_path / "clip", **clip)
    assert said == [
        f"clips.demo, method smooth: the gradient of the {layer} is zero in all of its frames: all maps of the {layer} "
        "are zero"
        for layer in ("actor", "critic")
    ]
    with load(tmp_path / "clip") as store:
        assert "effective_masks" not in store.names()
        assert store.dimensions("actor") == ("time", "observation_y", "observation_x")
        assert not store.read("actor").any()
        assert store.attributes["made_by"].startswith(
            "smoothgrad, sigma 0.1, samples 2, seed 0, of the advantage of the"
        )
