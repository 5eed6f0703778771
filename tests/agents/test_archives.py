"""Checkpoints in zip archives: which member is read, and what is refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from helpers.checkpoints import (
    FORMATS,
    STEPS,
    Fetch,
    Network,
    archive_of,
    assert_holds,
    damaged,
    network,
    sha256,
    temporary_fetch,
    torch_bytes,
    with_bytes,
    zip_bytes,
)
from helpers.sb3_zips import in_folder, sb3_bytes, sb3_members
from hypothesis import given, settings
from hypothesis import strategies as st
from searchlight.agents import archives, sb3_zip
from searchlight.agents.archives import extract_member, is_archive
from searchlight.agents.policy_file import read_metadata
from searchlight.agents.weights import Weights, read_weights
from searchlight.errors import SearchlightError


def test_torch_zip_is_not_mistaken_for_an_archive(fetch: Fetch) -> None:
    data = torch_bytes(network())
    assert zipfile.is_zipfile(io.BytesIO(data))
    assert read_metadata(fetch(data))["member"] is None
    fetch.output.unlink()
    assert "not a zip archive" in fetch.refused(data, member="*.tar")


@pytest.mark.parametrize(
    ("names", "member", "chosen"),
    [
        (STEPS, "breakout-v0/strong.40.tar", 2),
        (STEPS, "breakout-v0/*.tar", 1),
        (STEPS, "*.40.tar", 2),
        (STEPS, "*strong.?0.tar", 2),
        (STEPS, None, 1),
        (("agent.pt",), None, 0),
        (("README.md", "breakout-v0/", "breakout-v0/agent.pth", "breakout-v0/log.txt"), None, 2),
        (("untrained.tar", "strong.0.tar"), "*.tar", 1),
        (("strong.9.tar", "strong.010.tar"), "*.tar", 1),
        (("agent[1].tar", "agent1.tar"), "agent[1].tar", 0),
        (("weights",), "weights", 0),
        (("dqn.cleanrl_model",), None, 0),
        (("agent.bin", "notes.txt"), None, 0),
        (("Breakout.dat",), None, 0),
        (("__MACOSX/._agent.pt", "agent.pt", ".DS_Store", "._agent.pt"), None, 1),
        (("a/._strong.40.tar", "a/strong.20.tar", "__MACOSX/a/._strong.20.tar"), "*.tar", 1),
        (("._agent.pt",), "._agent.pt", 0),
        (("DQN_Pong-v4_900k.pth", "DQN_Pong-v4_1M.pth", "DQN_Pong-v4_2000.pth"), None, 1),
        (("run/checkpoint_900/model.pt", "run/checkpoint_1000/model.pt"), None, 1),
        (("run/step-900/policy.pth", "run/step-1000/policy.pth"), None, 1),
        (("policy.optimizer.pth", "policy.pth", "pytorch_variables.pth"), None, 1),
        (("policy.optimizer.pth", "policy.pth", "pytorch_variables.pth"), "*.pth", 1),
        (("policy.optimizer.pth", "policy.pth"), "policy.optimizer.pth", 0),
    ],
)
def test_member_of_an_archive_is_chosen(fetch: Fetch, names: tuple[str, ...], member: str | None, chosen: int) -> None:
    data = archive_of(*names)
    path = fetch(data, member=member)
    assert_holds(path, network(seed=chosen))
    metadata = read_metadata(path)
    assert metadata["member"] == names[chosen]
    assert metadata["sha256"] == sha256(data)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("write", [FORMATS["plain"], FORMATS["legacy"], FORMATS["safetensors"]])
def test_member_is_read_however_it_is_packed(fetch: Fetch, compression: int, write: Callable[[Network], bytes]) -> None:
    assert_holds(fetch(zip_bytes({"agent.pt": write(network())}, compression)), network())


@pytest.mark.parametrize(
    ("names", "member", "said"),
    [
        (STEPS, "pong-v0/*.tar", ("pong-v0/*.tar", *STEPS)),
        (STEPS, "strong.40.tar", ("strong.40.tar", *STEPS)),
        (("README.md",), None, ("no member", "README.md")),
        (tuple(f"log.{number}.txt" for number in range(20)), None, ("log.0.txt", "12 more")),
        (("agent.pt", "agent.pth"), None, ("several", "agent.pt, agent.pth")),
        (("a/strong.20.tar", "b/strong.40.tar"), "*.tar", ("several", "a/strong.20.tar, b/strong.40.tar")),
        (("strong.1.20.tar", "strong.2.20.tar"), "*.tar", ("several", "strong.1.20.tar, strong.2.20.tar")),
        (("strong.7.tar", "strong.07.tar"), "*.tar", ("several", "strong.07.tar, strong.7.tar")),
        (("Pong-v4.zip", "Pong-v5.pt", "Breakout-v0.pt"), None, ("several", "Breakout-v0.pt, Pong-v4.zip, Pong-v5.pt")),
        (("dqn-seed1.pt", "dqn-seed2.pt"), None, ("several", "dqn-seed1.pt, dqn-seed2.pt")),
        (("Pong-v4_1/policy.pth", "Pong-v4_2/policy.pth"), None, ("several", "Pong-v4_1/policy.pth, ")),
        (("__MACOSX/._agent.pt", "notes.txt"), None, ("no member", "allowed: notes.txt")),
        (("Icon\r", "\x1b[2J.txt"), None, (r"Icon\r", r"\x1b[2J.txt")),
    ],
)
def test_archive_members_are_listed_where_none_or_several_fit(
    fetch: Fetch, names: tuple[str, ...], member: str | None, said: tuple[str, ...]
) -> None:
    line = fetch.refused(archive_of(*names), member=member)
    for words in said:
        assert words in line


@pytest.mark.parametrize(
    "name", ["../evil.tar", "/abs.tar", "C:\\x", "a/../../b", "..\\evil.tar", "a\\..\\..\\b", "..", "../a\nb.tar"]
)
@pytest.mark.parametrize("member", ["good.tar", "*evil*", None])
def test_archive_with_a_path_outside_its_folder_is_refused(fetch: Fetch, name: str, member: str | None) -> None:
    line = fetch.refused(archive_of("good.tar", name), member=member)
    assert "'" + name.replace("\n", r"\n") + "'" in line
    assert not list(fetch.folder.parent.rglob("evil*"))


def test_member_that_is_declared_too_large_is_refused(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 1000)
    line = fetch.refused(zip_bytes({"bomb.tar": bytes(1001)}, zipfile.ZIP_DEFLATED))
    assert "bomb.tar" in line
    assert "1000 bytes" in line


DAMAGED = {
    "stored-data": damaged(data_100=b"damage"),
    "deflated-data": damaged(zipfile.ZIP_DEFLATED, data_20=b"damage" * 20),
    "bzip2-data": damaged(zipfile.ZIP_BZIP2, data_20=b"damage" * 20),
    "lzma-data": damaged(zipfile.ZIP_LZMA, data_20=b"damage" * 20),
    "checksum": damaged(entry_16=b"\0\1\2\3"),
    "encrypted": damaged(entry_8=b"\1"),
    "unknown-compression": damaged(entry_10=b"\x63"),
    "newer-version": damaged(entry_6=b"\xc8"),
    "shorter-than-its-data": damaged(entry_24=b"\x10\0\0\0"),
    "name-of-no-encoding": damaged(entry_9=b"\x08", entry_46=b"\xff"),
    "no-entry": damaged(entry_0=b"\0"),
    "offset-past-the-end": damaged(entry_42=b"\xff\xff\xff\0"),
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_damaged_archive_is_refused_by_name(fetch: Fetch, data: bytes) -> None:
    assert fetch.source(data) in fetch.refused(data)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    compression=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA]),
    part=st.floats(0, 1, exclude_max=True),
    from_end=st.booleans(),
    new=st.binary(min_size=1, max_size=8),
)
def test_changed_byte_of_an_archive_is_refused_or_changes_nothing(
    compression: int, part: float, from_end: bool, new: bytes
) -> None:
    data = zip_bytes({"strong.40.tar": torch_bytes(network())}, compression)
    length = min(len(data), 100) if from_end else len(data)  # the directory is at the end
    changed = with_bytes(data, {len(data) - length + int(part * length): new})[: len(data)]
    with temporary_fetch() as fetch:
        try:
            path = fetch(changed)
        except SearchlightError:
            assert list(fetch.output.parent.iterdir()) == []
        else:
            assert_holds(path, network())


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_member_of_a_plain_file_is_refused(fetch: Fetch, write: Callable[[Network], bytes]) -> None:
    line = fetch.refused(write(network()), member="strong.40.tar")
    assert "'strong.40.tar'" in line
    assert "not a zip archive" in line


def test_extracted_member_gets_a_safe_name(tmp_path: Path) -> None:
    archive = tmp_path / "agents.zip"
    archive.write_bytes(archive_of("deep/er/strong.40.tar"))
    folder = tmp_path / "folder"
    folder.mkdir()
    path, name = extract_member(archive, None, folder, "agents.zip")
    assert name == "deep/er/strong.40.tar"
    assert list(folder.rglob("*")) == [path]
    assert path.read_bytes() == torch_bytes(network())


# Agents of stable-baselines3 in archives


def snapshots(*steps: int) -> dict[str, bytes]:
    return {f"logs/rl_model_{step}_steps.zip": sb3_bytes(network(seed=step)) for step in steps}


def extracted(members: Mapping[str, bytes], folder: Path, member: str | None = None) -> tuple[Weights, str]:
    (folder / "agents.zip").write_bytes(zip_bytes(members, zipfile.ZIP_DEFLATED))
    assert is_archive(folder / "agents.zip", member)
    path, name = extract_member(folder / "agents.zip", member, folder, "agents.zip")
    return read_weights(path, name), name


def assert_is(weights: Weights, seed: int) -> None:
    expected = network(seed=seed)
    assert weights.facts["observation"] == [4, 84, 84]
    assert set(weights.tensors) == set(expected)
    for name, tensor in expected.items():
        np.testing.assert_array_equal(weights.tensors[name], tensor.numpy())


def test_zip_of_stable_baselines3_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "agent.zip").write_bytes(sb3_bytes())
    assert not is_archive(tmp_path / "agent.zip")
    assert is_archive(tmp_path / "agent.zip", "policy.pth")


@pytest.mark.parametrize("member", [None, "*_steps.zip", "logs/rl_model_1000_steps.zip"])
def test_snapshot_of_the_highest_step_is_read(tmp_path: Path, member: str | None) -> None:
    members = {**snapshots(900, 1000, 20), "__MACOSX/logs/._rl_model_9000_steps.zip": b"junk"}
    weights, name = extracted(members, tmp_path, member)
    assert name == "logs/rl_model_1000_steps.zip"
    assert_is(weights, 1000)


def test_zips_of_other_content_are_no_checkpoints(tmp_path: Path) -> None:
    members = {**snapshots(40), "logs/train_eval_metrics.zip": zip_bytes({"evaluations.npz": b"x"})}
    assert_is(extracted(members, tmp_path)[0], 40)


@pytest.mark.parametrize("member", [None, "*/policy.pth"])
def test_unpacked_agent_is_read_with_its_data(tmp_path: Path, member: str | None) -> None:
    members = in_folder("ppo-Pong-v4", sb3_members(network(seed=3)))
    weights, name = extracted(members, tmp_path, member)
    assert name == "ppo-Pong-v4/policy.pth"
    assert_is(weights, 3)


def test_data_of_an_unpacked_agent_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sb3_zip, "MAX_DATA", 1000)
    members = in_folder("ppo", sb3_members(data=bytes(1001)))
    with pytest.raises(SearchlightError, match="ppo/data: found over 1000 bytes, allowed: less"):
        extracted(members, tmp_path)


def test_archive_in_an_archive_in_an_archive_is_refused(fetch: Fetch) -> None:
    inner = zip_bytes({"data": b"", "model.zip": sb3_bytes()})
    line = fetch.refused(zip_bytes({"agents.zip": inner}))
    assert "agents.zip: found a zip in a zip; unpack the outer one" in line


def test_error_names_the_member(fetch: Fetch) -> None:
    line = fetch.refused(zip_bytes({"a.pt": torch_bytes({"step": 3})}))
    assert line.startswith(f"{fetch.folder}/source/weights.tar: a.pt: found no weights of layers")
