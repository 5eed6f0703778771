"""Episodes: what is recorded can be computed and played again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
import zarr
from helpers.agents import STEPS, real_agent
from helpers.files import edit_store
from helpers.geometry import preprocessing
from helpers.project import BUNDLED, ROOT
from helpers.worlds import make_world
from searchlight.agents import preprocessings, rollout
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.environment import make_environment
from searchlight.agents.policy import Output, channels_first
from searchlight.agents.policy_file import load_policy
from searchlight.agents.preprocessing import Preprocessing
from searchlight.agents.rollout import play_episode
from searchlight.errors import SearchlightError
from searchlight.saliency.perturb import perturb_block
from searchlight.saliency.score import score_block
from searchlight.store.zarr import load

SETTINGS = {"agent": "breakout", "env": "Breakout-v0", "preprocessing": "cv2", "actions": "greedy", "seed": 1}
PERTURBATION: dict[str, Any] = {
    "space": "screen",
    "stack": "all",
    "perturber": {"SlidingWindow": {"window_size": [30, 30], "stride": [40, 40]}},
    "fill": 0,
    "memory_lag": 0,
}


def perturb(policy_path: Path, episode_path: Path, output: Path, block: int = 0, block_size: int = 16) -> None:
    perturb_block(policy_path, episode_path, output, perturbation=PERTURBATION, block=block, block_size=block_size)


def test_episode_store_has_the_documented_arrays_and_attributes(episode_path: Path) -> None:
    expected = {
        "frame": ((STEPS, 210, 160, 3), np.uint8),
        "ram": ((STEPS, 128), np.uint8),
        "action": ((STEPS,), np.int64),
        "reward": ((STEPS,), np.float64),
        "lives": ((STEPS,), np.int64),
        "logits": ((STEPS, 4), np.float32),
        "probability": ((STEPS, 4), np.float32),
        "value": ((STEPS,), np.float32),
        "memory_h": ((STEPS, 256), np.float32),
        "memory_c": ((STEPS, 256), np.float32),
    }
    with load(episode_path) as episode:
        for name, (shape, dtype) in expected.items():
            array = episode.read(name)
            assert (array.shape, array.dtype) == (shape, dtype), name
            assert episode.dimensions(name)[0] == "time"
        about = episode.attributes
    assert about["action_meanings"] == ["NOOP", "FIRE", "RIGHT", "LEFT"]
    assert about["environment_settings"]["repeat_action_probability"] == 0.25
    assert about["output"] == "logits"
    assert about["ended"] == "max_steps"
    assert len(about["checkpoint"]["sha256"]) == 64
    assert set(about["versions"]) == {"searchlight", "ale-py", "gymnasium", "opencv-python-headless", "torch"}


def test_arrays_are_chunked_by_16_frames_and_carry_checksums(episode_path: Path) -> None:
    group = zarr.open_group(zarr.storage.ZipStore(episode_path, mode="r"), mode="r")
    assert group["frame"].chunks == (16, 210, 160, 3)
    for _, array in group.arrays():
        codecs = [type(codec).__name__ for codec in array.metadata.codecs]
        assert codecs[-1] == "Crc32cCodec"
        assert "ZstdCodec" in codecs


def test_xarray_opens_the_store_without_a_warning(episode_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    dataset = xr.open_zarr(f"zip::{episode_path}")
    assert dataset.sizes["time"] == STEPS
    assert float(dataset.probability.sum("action_index").mean()) == pytest.approx(1)
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


@torch.inference_mode()
def test_recorded_outputs_can_be_recomputed_from_the_store(policy_path: Path, episode_path: Path) -> None:
    policy = load_policy(policy_path)
    with load(episode_path) as episode:
        assert not episode.read("memory_h", slice(0, 1)).any()
        for time in range(0, STEPS, 7):
            row = slice(time, time + 1)
            observation = preprocessing("cv2").picture(episode.read("frame", row)[0])[None]
            memory = {name: torch.from_numpy(episode.read(f"memory_{name}", row)) for name in ("h", "c")}
            logits, value, after = policy.step(channels_first(observation), memory)
            np.testing.assert_allclose(logits.numpy(), episode.read("logits", row), rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(value.numpy(), episode.read("value", row), rtol=1e-4, atol=1e-4)
            assert episode.read("action", row)[0] == int(logits.argmax())
            if time + 1 < STEPS:
                following = episode.read("memory_h", slice(time + 1, time + 2))
                np.testing.assert_allclose(after["h"].numpy(), following, atol=1e-5)


@pytest.mark.parametrize("actions", ["greedy", "sampled"])
@pytest.mark.parametrize("env", ["Breakout-v0", "BreakoutNoFrameskip-v4", "ALE/Breakout-v5"])
def test_replayed_actions_give_the_same_frames(policy_path: Path, tmp_path: Path, env: str, actions: str) -> None:
    path = tmp_path / "episode.zarr.zip"
    play_episode(policy_path, path, **{**SETTINGS, "env": env, "actions": actions}, max_steps=60)
    with load(path) as episode:
        frames, ram, taken = episode.read("frame"), episode.read("ram"), episode.read("action")
        rewards, seed = episode.read("reward"), episode.attributes["seed"]
    environment = make_environment(env)
    frame, _ = environment.reset(seed=seed)
    for time, action in enumerate(taken):
        np.testing.assert_array_equal(frame, frames[time])
        np.testing.assert_array_equal(environment.unwrapped.ale.getRAM(), ram[time])
        frame, reward, *_ = environment.step(int(action))
        assert reward == rewards[time]
    environment.close()


@pytest.mark.parametrize("wrappers", ["sb3", "gymnasium"])
def test_replayed_actions_in_a_library_s_world_give_the_same_frames(
    policy_path: Path, tmp_path: Path, wrappers: str
) -> None:
    path, env = tmp_path / "episode.zarr.zip", {"id": "ALE/Breakout-v5", "frameskip": 1}
    settings = {**SETTINGS, "env": env, "wrappers": wrappers, "actions": "sampled"}
    outcome = play_episode(policy_path, path, **settings, max_steps=150)
    with load(path) as episode:
        recorded = {name: episode.read(name) for name in ("frame", "ram", "ram_before", "lives")}
        taken, rewards, seed = episode.read("action"), episode.read("reward"), episode.attributes["seed"]
    world = make_world(wrappers, env)
    step, total = world.reset(seed), 0.0
    for time, action in enumerate(taken):
        for name, values in recorded.items():
            np.testing.assert_array_equal(getattr(step, name), values[time], err_msg=name)
        step = world.step(int(action))
        total += step.reward
        assert step.reward == rewards[time]
    assert total == outcome.score


def test_playing_twice_gives_the_same_bytes(policy_path: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        play_episode(policy_path, tmp_path / name, **{**SETTINGS, "actions": "sampled"}, max_steps=40)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_another_seed_is_another_game(policy_path: Path, episode_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.zarr.zip"
    play_episode(policy_path, path, **{**SETTINGS, "seed": 2}, max_steps=STEPS)
    with load(path) as other, load(episode_path) as episode:
        assert not np.array_equal(other.read("frame"), episode.read("frame"))


def test_end_of_the_game_ends_the_episode(tmp_path: Path) -> None:
    # Blind choices lose all lives soon.
    blind = load_policy_state(BUNDLED / "breakout.safetensors")
    blind |= {"actor_linear.weight": torch.zeros(4, 256), "actor_linear.bias": torch.zeros(4)}
    torch.save(blind, tmp_path / "blind.pt")
    fetch_checkpoint(str(tmp_path / "blind.pt"), None, None, BUNDLED, tmp_path / "policy", print)
    outcome = play_episode(tmp_path / "policy", tmp_path / "e", **{**SETTINGS, "actions": "sampled"}, max_steps=100_000)
    assert outcome.ended == "terminated"
    with load(tmp_path / "e") as episode:
        assert episode.shape("frame")[0] == outcome.steps
        assert episode.attributes["total_reward"] == episode.read("reward").sum() == outcome.score


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("logits", lambda data: data.__setitem__((20, 1), data[20, 1] + 0.01)),
        ("value", lambda data: data.__setitem__(20, data[20] + 0.01)),
        ("memory_h", lambda data: data.__setitem__(20, 0)),
        ("frame", lambda data: data.__setitem__((20, slice(90, 120)), 255)),
        ("logits", lambda data: data.__setitem__((20, 1), np.nan)),
    ],
    ids=["logits", "value", "memory", "frame", "nan"],
)
def test_changed_episode_is_an_error_that_names_the_frame(
    policy_path: Path, episode_path: Path, tmp_path: Path, name: str, change: Any
) -> None:
    changed = edit_store(episode_path, tmp_path / "changed.zarr.zip", name, change)
    output = tmp_path / "out" / "1.zarr.zip"
    with pytest.raises(SearchlightError, match=r"frame 20: recorded (logits|value) differ"):
        perturb(policy_path, changed, output, block=1)
    assert list(output.parent.iterdir()) == []


def test_episode_of_another_checkpoint_is_an_error(episode_path: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = load_policy_state(BUNDLED / "breakout.safetensors")
    torch.save({name: tensor + 0.01 for name, tensor in original.items()}, tmp_path / "other.pt")
    fetch_checkpoint(str(tmp_path / "other.pt"), None, None, BUNDLED, tmp_path / "other.safetensors", print)
    with pytest.raises(SearchlightError, match="played by the checkpoint"):
        perturb(tmp_path / "other.safetensors", episode_path, tmp_path / "out.zarr.zip")


def load_policy_state(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def test_block_past_the_end_is_empty(policy_path: Path, episode_path: Path, tmp_path: Path) -> None:
    perturb(policy_path, episode_path, tmp_path / "responses.zarr.zip", block=20)
    score_block(tmp_path / "responses.zarr.zip", tmp_path / "maps.zarr.zip", scorer={"SquaredDifference": {}})
    for name, array in (("responses", "logits"), ("maps", "actor")):
        with load(tmp_path / f"{name}.zarr.zip") as store:
            assert store.shape(array)[0] == len(store.read(array)) == len(store.read("time")) == 0


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text"])
def test_damaged_store_is_an_error_that_names_the_file(
    policy_path: Path, episode_path: Path, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "damaged.zarr.zip"
    shutil.copy(episode_path, path)
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        place = content.index(b"frame/c/0/0/0/0") + 500
        content[place] ^= 0xFF
    elif damage == "empty":
        content = bytearray()
    else:
        content = bytearray(b"not a store")
    path.write_bytes(content)
    with pytest.raises(SearchlightError, match=r"damaged\.zarr\.zip: damaged"):
        perturb(policy_path, path, tmp_path / "out.zarr.zip")
    assert not (tmp_path / "out.zarr.zip").exists()


@pytest.mark.parametrize(
    ("env", "text"),
    [
        ("Breakot-v0", "env: found 'Breakot-v0'"),
        ("ALE/Nothing-v5", "env: found 'ALE/Nothing-v5'"),
        ("CartPole-v1", "allowed: an Atari"),
        ("Pong-v4", "network has 4 actions, but env 'Pong-v4' has 6: NOOP, FIRE"),
        (
            "BreakoutDeterministic-v4",
            "env: found 'BreakoutDeterministic-v4', which ale-py no longer has, allowed: {id: ",
        ),
    ],
)
def test_unsuitable_environment_is_one_line(policy_path: Path, tmp_path: Path, env: str, text: str) -> None:
    with pytest.raises(SearchlightError) as caught:
        play_episode(policy_path, tmp_path / "e" / "x.zarr.zip", **{**SETTINGS, "env": env}, max_steps=5)
    assert text in str(caught.value)
    assert not (tmp_path / "e" / "x.zarr.zip").exists()


class Listed:
    """A network without memory, which always prefers one action and keeps what it saw."""

    output = Output("q_values", "Q-values", softmax=False)

    def __init__(self, actions: int = 4, preferred: int = 1) -> None:
        self.actions, self.preferred = actions, preferred
        self.seen: list[np.ndarray] = []

    def initial_memory(self) -> dict[str, torch.Tensor]:
        return {}

    def step(self, observation: torch.Tensor, memory: Any) -> tuple[torch.Tensor, torch.Tensor, Any]:
        self.seen.append(observation[0].numpy().copy())
        values = torch.zeros(1, self.actions)
        values[0, self.preferred] = 1
        return values, values.amax(1), memory


def play_listed(
    monkeypatch: pytest.MonkeyPatch, path: Path, policy: Listed, prepared: Preprocessing, **settings: Any
) -> None:
    """Let a network of these tests play, by a preprocessing that no config names."""
    monkeypatch.setattr(rollout, "load_policy", lambda *_: policy)
    monkeypatch.setattr(rollout, "read_metadata", lambda _: {})
    monkeypatch.setattr(preprocessings, "build", lambda *_: prepared)
    play_episode("", path, **{**SETTINGS, **settings})


@pytest.mark.parametrize("padding", ["first", "zeros"])
@pytest.mark.parametrize("wrappers", ["none", "sb3"])
def test_stacks_can_be_made_again_from_the_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, padding: Any, wrappers: str
) -> None:
    prepared, policy = preprocessing("cv2"), Listed()
    prepared.stack, prepared.padding = 3, padding
    settings = {"env": "BreakoutNoFrameskip-v4", "wrappers": wrappers, "max_steps": 200, "actions": {"epsilon": 0.5}}
    play_listed(monkeypatch, tmp_path / "episode", policy, prepared, **settings)
    with load(tmp_path / "episode") as episode:
        frames, begun, lives = (episode.read(name) for name in ("frame", "stack_begun", "lives"))
        assert ("ram_before" in episode.names()) == (wrappers == "sb3")
    pictures = [prepared.picture(frame) for frame in frames]
    first = 1  # the first observation is that of the check before the game
    for time, seen in enumerate(policy.seen[first:]):
        expected = prepared.stacked([pictures[one] for one in prepared.decisions(time, begun[time])])
        np.testing.assert_array_equal(seen, expected.transpose(2, 0, 1))
    lost = [0, *(np.flatnonzero(np.diff(lives) < 0) + 1)]
    assert np.unique(begun).tolist() == (lost if wrappers == "sb3" else [0])
    assert wrappers == "none" or len(lost) > 1


def test_lost_life_begins_memory_anew_where_it_ends_an_episode(policy_path: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "env": "BreakoutNoFrameskip-v4", "actions": "sampled", "max_steps": 500}
    for wrappers in ("sb3", {"sb3": {"terminal_on_life_loss": False}}):
        play_episode(policy_path, tmp_path / "episode", **settings, wrappers=wrappers)
        with load(tmp_path / "episode") as episode:
            assert episode.attributes["wrappers"] == wrappers
            assert "stack_begun" not in episode.names()
            lives, memory = episode.read("lives"), episode.read("memory_h")
        lost = np.flatnonzero(np.diff(lives) < 0) + 1
        assert len(lost)
        empty = np.flatnonzero(~memory.any(axis=1))
        assert empty.tolist() == ([0, *lost] if wrappers == "sb3" else [0])


def test_chance_of_random_actions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken = {}
    for epsilon in (0, 0.4, 1):
        settings = {"env": "ALE/Breakout-v5", "actions": {"epsilon": epsilon}, "max_steps": 300}
        play_listed(monkeypatch, tmp_path / "episode", Listed(preferred=3), preprocessing("cv2"), **settings)
        with load(tmp_path / "episode") as episode:
            taken[epsilon] = np.bincount(episode.read("action"), minlength=4) / episode.shape("action")[0]
            assert episode.attributes["actions"] == {"epsilon": epsilon}
    assert taken[0].tolist() == [0, 0, 0, 1]
    np.testing.assert_allclose(taken[0.4], [0.1, 0.1, 0.1, 0.7], atol=0.1)
    np.testing.assert_allclose(taken[1], [0.25] * 4, atol=0.1)


def test_actions_are_not_sampled_from_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SearchlightError, match=r"actions: found 'sampled', allowed: greedy or \{epsilon: …\}"):
        play_listed(monkeypatch, tmp_path / "e", Listed(), preprocessing("cv2"), actions="sampled", max_steps=5)


def test_outputs_that_are_no_numbers_end_the_game(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Lost(Listed):
        def step(self, observation: torch.Tensor, memory: Any) -> tuple[torch.Tensor, torch.Tensor, Any]:
            values, value, memory = super().step(observation, memory)
            return values, value / (len(self.seen) < 4), memory

    line = "^agents.breakout: at decision 2 the network gives q_values and a value that are not all finite$"
    with pytest.raises(SearchlightError, match=line):
        play_listed(monkeypatch, tmp_path / "e", Lost(), preprocessing("cv2"), max_steps=5)
    assert not (tmp_path / "e").exists()


def test_all_actions_name_the_environment_that_has_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = {"env": {"id": "ALE/Breakout-v5", "frameskip": 3}, "max_steps": 5}
    allowed = r"allowed: env: \{id: ALE/Breakout-v5, frameskip: 3, full_action_space: true\}"
    with pytest.raises(SearchlightError, match=allowed):
        play_listed(monkeypatch, tmp_path / "e", Listed(18), preprocessing("cv2"), **settings)
    settings["env"]["full_action_space"] = True
    play_listed(monkeypatch, tmp_path / "e", Listed(18), preprocessing("cv2"), **settings)


def test_wrong_preprocessing_names_those_that_fit(policy_path: Path) -> None:
    wrong = preprocessing("cv2")
    wrong.stack = 4
    with pytest.raises(SearchlightError) as caught:
        rollout.check_preprocessing(load_policy(policy_path), wrong, "agents.mine")
    start = "agents.mine: the checkpoint's network does not take the 4 x 80 x 80 observations of its preprocessing, "
    assert str(caught.value).startswith(f"{start}allowed: preprocessing: cv2 (1 x 80 x 80) or imresize (1 x 80 x 80)")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "bound"), [("breakout-v4.model.40.tar", 50), ("breakout-v4.model.80.tar", 200)])
def test_real_agents_play_as_well_as_they_are_known_to(tmp_path: Path, name: str, bound: int) -> None:
    fetch_checkpoint(str(real_agent(name)), None, None, BUNDLED, tmp_path / "agent", print)
    settings = {**SETTINGS, "preprocessing": "imresize", "seed": 0}
    assert play_episode(tmp_path / "agent", tmp_path / "episode", **settings, max_steps=5000).score > bound


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_masks(policy_path: Path, episode_path: Path, tmp_path: Path) -> None:
    """Masks of 0.2 GB if they were all in memory."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc to read a process's peak memory from")
    paths = [str(path) for path in (policy_path, episode_path, tmp_path / "out.zarr.zip")]
    body = (
        "from pathlib import Path; from searchlight.job import job\n"
        f"with job('perturb', {str(tmp_path / 'log')!r}):\n"
        "    from searchlight.saliency.perturb import perturb_block\n"
        "    for count in (300, 1500):\n"
        "        grid = {'RISEGrid': {'n': count, 's': 8, 'p1': 0.5, 'seed': 0}}\n"
        "        perturbation = {'space': 'screen', 'stack': 'all', 'perturber': grid, 'fill': 0, 'memory_lag': 0}\n"
        f"        perturb_block(*{paths!r}, perturbation=perturbation, block=9, block_size=1)\n"
        # VmHWM counts this process alone; getrusage includes pytest's memory at the fork.
        "        print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", body], cwd=ROOT / "scripts", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    few, many = (int(line) * 1024 for line in (tmp_path / "log").read_text().splitlines())
    assert many < 600e6
    assert many - few < 60e6


@pytest.mark.parametrize(
    ("env", "wrappers", "cautioned"),
    [("PongNoFrameskip-v4", "none", True), ("PongNoFrameskip-v4", "sb3", False), ("Pong-v4", "none", False)],
)
def test_stacks_of_every_frame_are_pointed_out(env: str, wrappers: str, cautioned: bool, tmp_path: Path) -> None:
    fetch_checkpoint("bundled:pong", None, None, BUNDLED, tmp_path / "policy", print)
    settings = {**SETTINGS, "env": env, "wrappers": wrappers, "preprocessing": "sb3"}
    played = play_episode(tmp_path / "policy", tmp_path / "episode", **settings, max_steps=3)
    assert (played.caution is not None) == cautioned
