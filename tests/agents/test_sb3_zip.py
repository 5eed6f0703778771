"""Zips of stable-baselines3: what is read of them, and what is refused; nothing in them is executed."""

from __future__ import annotations

import base64
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.agents import real_agent
from helpers.checkpoints import Payload, network, torch_bytes, zip_bytes
from helpers.sb3 import new_agent, user_extractor
from helpers.sb3_zips import Images, sb3_bytes, sb3_members
from searchlight.agents import sb3_zip
from searchlight.agents.weights import Weights, read_weights
from searchlight.errors import SearchlightError


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], Weights]:
    def read_bytes(data: bytes) -> Weights:
        path = tmp_path / "agent.zip"
        path.write_bytes(data)
        return read_weights(path, "agent.zip")

    return read_bytes


def refused(read: Callable[[bytes], Weights], data: bytes) -> str:
    with pytest.raises(SearchlightError, match=r"^agent\.zip: ") as refusal:
        read(data)
    line = str(refusal.value)
    assert line.isprintable()
    assert len(line) < 500
    return line


IMAGES = {"library": "stable-baselines3", "normalize_images": True, "observation": [4, 84, 84]}


@pytest.mark.parametrize(
    ("name", "algorithm", "tensors"),
    [
        ("a2c-BreakoutNoFrameskip-v4.zip", "actor_critic", 28),
        ("ppo-PongNoFrameskip-v4.zip", "actor_critic", 28),
        ("dqn-PongNoFrameskip-v4.zip", "dqn", 20),
    ],
)
def test_real_zip_is_read(name: str, algorithm: str, tensors: int, tmp_path: Path) -> None:
    path = real_agent(f"sb3/{name}")
    weights = read_weights(path, name)
    assert weights.facts == {**IMAGES, "algorithm": algorithm}
    with zipfile.ZipFile(path) as file:
        file.extract("policy.pth", tmp_path)
    expected = torch.load(tmp_path / "policy.pth", weights_only=True)
    assert len(expected) == tensors
    assert list(weights.tensors) == sorted(expected)
    for tensor, array in weights.tensors.items():
        np.testing.assert_array_equal(array, expected[tensor].numpy())


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a2c-Acrobot-v1.zip", r"a Box of shape \[6\] \(ActorCriticPolicy\)"),
        ("dqn-CartPole-v1.zip", r"a Box of shape \[4\] \(DQNPolicy\)"),
        ("qrdqn-CartPole-v1.zip", r"a Box of shape \[4\] \(QRDQNPolicy\)"),
    ],
)
def test_real_old_zip_without_images_is_refused_by_what_it_observes(name: str, found: str) -> None:
    with pytest.raises(SearchlightError, match=rf"observes {found}, allowed: one that sees images"):
        read_weights(real_agent(f"sb3-old/{name}"), name)


def own_policy() -> type:
    from stable_baselines3.common.policies import ActorCriticCnnPolicy

    return type("OwnPolicy", (ActorCriticCnnPolicy,), {"__module__": "my_agents"})


def saved(algorithm: str, policy: str, env: Images | None = None, **settings: Any) -> Callable[[Path], None]:
    """Return what saves an untrained agent of a library's algorithm."""

    def save(path: Path) -> None:
        import sb3_contrib
        import stable_baselines3

        kind = getattr(stable_baselines3, algorithm, None) or getattr(sb3_contrib, algorithm)
        small = {"buffer_size": 1} if "DQN" in algorithm else {}
        chosen = own_policy() if policy == "own" else policy
        kind(chosen, env or Images(), policy_kwargs=settings, device="cpu", **small).save(path)

    return save


UNSCALED = {"normalize_images": False, "features_extractor_kwargs": {"normalized_image": True}}
WRITTEN: dict[str, tuple[Callable[[Path], None], dict[str, Any]]] = {
    "PPO": (saved("PPO", "CnnPolicy"), {"algorithm": "actor_critic"}),
    "net_arch": (
        saved("A2C", "CnnPolicy", net_arch=[64], activation_fn=torch.nn.ReLU),
        {"algorithm": "actor_critic", "activation": "relu"},
    ),
    "extractor of the user's own": (
        lambda path: new_agent("PPO", features_extractor_class=user_extractor()).save(path),
        {"algorithm": "actor_critic", "extractor": user_extractor().__name__},
    ),
    "policy of the user's own": (saved("PPO", "own"), {"algorithm": "actor_critic"}),
    "0..255": (saved("PPO", "CnnPolicy", **UNSCALED), {"algorithm": "actor_critic", "normalize_images": False}),
    "floats": (
        saved("PPO", "CnnPolicy", Images(dtype=np.float32, high=1), **UNSCALED),
        {"algorithm": "actor_critic", "normalize_images": True},
    ),
    "screens": (
        saved("PPO", "CnnPolicy", Images((210, 160, 3))),
        {"algorithm": "actor_critic", "observation": [3, 210, 160]},
    ),
    "DQN": (saved("DQN", "CnnPolicy"), {"algorithm": "dqn"}),
    "QRDQN": (saved("QRDQN", "CnnPolicy"), {"algorithm": "qrdqn", "quantiles": 200}),
    "QRDQN of 50": (saved("QRDQN", "CnnPolicy", n_quantiles=50), {"algorithm": "qrdqn", "quantiles": 50}),
    "RecurrentPPO": (saved("RecurrentPPO", "CnnLstmPolicy"), {"algorithm": "recurrent"}),
}


@pytest.mark.parametrize(("save", "facts"), WRITTEN.values(), ids=WRITTEN)
def test_facts_of_zips_that_the_libraries_write(
    save: Callable[[Path], None], facts: dict[str, Any], tmp_path: Path
) -> None:
    save(tmp_path / "agent.zip")
    weights = read_weights(tmp_path / "agent.zip", "agent.zip")
    assert weights.facts == {**IMAGES, **facts}
    assert any(name.endswith("cnn.0.weight") for name in weights.tensors)


@pytest.mark.parametrize("shape", ["[4, 84, 84]", "(4, 84, 84)", [4, 84, 84]])
@pytest.mark.parametrize("key", ["shape", "_shape"])
def test_shape_of_an_old_gym_is_text(read: Callable[[bytes], Weights], key: str, shape: Any) -> None:
    space = {":type:": "<class 'gym.spaces.box.Box'>", "dtype": "uint8", key: shape}
    assert read(sb3_bytes(observation_space=space)).facts["observation"] == [4, 84, 84]


def test_old_zip_with_tensors_beside_the_policy_is_read(read: Callable[[bytes], Weights]) -> None:
    weights = read(zip_bytes({**sb3_members(), "tensors.pth": torch_bytes({"log_std": torch.zeros(3, 3)})}))
    assert set(weights.tensors) == set(network())


def test_nothing_said_gives_no_facts(read: Callable[[bytes], Weights]) -> None:
    assert read(sb3_bytes(data=b"{}")).facts == {"library": "stable-baselines3"}


def test_unpacked_folder_is_read_with_the_data_beside_it(tmp_path: Path) -> None:
    for name, content in sb3_members().items():
        (tmp_path / name).write_bytes(content)
    assert read_weights(tmp_path / "policy.pth", "policy.pth").facts["observation"] == [4, 84, 84]
    (tmp_path / "data").unlink()
    assert read_weights(tmp_path / "policy.pth", "policy.pth").facts == {}


def test_hostile_serialized_object_is_never_decoded(
    read: Callable[[bytes], Weights], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "marker"
    hostile = {":type:": "<class 'dict'>", ":serialized:": base64.b64encode(pickle.dumps(Payload(marker))).decode()}
    monkeypatch.setattr(base64, "b64decode", None)
    weights = read(sb3_bytes(policy_kwargs={**hostile, "activation_fn": "<class 'x.ELU'>"}, lr_schedule=hostile))
    assert weights.facts["activation"] == "elu"
    assert not marker.exists()


HOSTILE: dict[str, tuple[bytes, str]] = {
    "deep": (b"[" * 100_000 + b"]" * 100_000, "data: cannot be read as JSON"),
    "no JSON": (b"\x80\x04", "data: cannot be read as JSON"),
    "cut off": (b'{"policy_class": ', "data: cannot be read as JSON"),
    "huge number": (b'{"n_envs": ' + b"9" * 100_000 + b"}", "data: cannot be read as JSON"),
    "vector": (json.dumps({"observation_space": {"_shape": [128], "dtype": "uint8"}}).encode(), "of shape [128]"),
    "no shape": (json.dumps({"observation_space": {":type:": "<class 'a.Dict'>"}}).encode(), "observes a Dict ("),
    "unprintable name": (json.dumps({"observation_space": {":type:": "\x1b[2J\n" * 99}}).encode(), r"a \x1b[2J\n"),
    "shape of another type": (json.dumps({"observation_space": {"_shape": {"a": [1]}}}).encode(), "observes a "),
}


@pytest.mark.parametrize(("data", "said"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_data_is_refused_in_one_line(read: Callable[[bytes], Weights], data: bytes, said: str) -> None:
    assert said in refused(read, sb3_bytes(data=data))


@pytest.mark.parametrize(
    "data",
    [b"[]", b"null", b'{"policy_kwargs": 3, "policy_class": [], "observation_space": {}, "a": 1e999}', b'{"a": NaN}'],
)
def test_data_of_other_types_says_nothing(read: Callable[[bytes], Weights], data: bytes) -> None:
    assert set(read(sb3_bytes(data=data)).facts) == {"library"}


@pytest.mark.parametrize(("name", "limit"), [("policy.pth", "MAX_BYTES"), ("data", "MAX_DATA")])
def test_member_that_is_too_large_is_refused_before_reading(
    read: Callable[[bytes], Weights], monkeypatch: pytest.MonkeyPatch, name: str, limit: str
) -> None:
    monkeypatch.setattr(sb3_zip, limit, 100_000)
    bomb = zip_bytes({**sb3_members(), name: bytes(100_001)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    assert f"{name}: found over 100000 bytes, allowed: less" in refused(read, bomb)


def test_code_in_the_policy_is_never_run(read: Callable[[bytes], Weights], tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    members = {**sb3_members(), "policy.pth": torch_bytes({**network(), "extra": Payload(marker)})}
    assert "found a call of io.open" in refused(read, zip_bytes(members))
    assert not marker.exists()


def test_name_in_a_damaged_zip_is_shown_short(read: Callable[[bytes], Weights]) -> None:
    data = bytearray(sb3_bytes())
    at = data.index(b"policy.pth")  # in the header before the data: no longer the name of the directory
    data[at - 4 : at - 2] = (5000).to_bytes(2, "little")
    assert "cannot be read as a zip: File name in directory" in refused(read, bytes(data))


def test_damaged_zip_is_refused(read: Callable[[bytes], Weights]) -> None:
    data = bytearray(sb3_bytes())
    data[data.index(b"observation_space")] ^= 1  # the checksum of `data` no longer fits
    assert "cannot be read as a zip" in refused(read, bytes(data))
