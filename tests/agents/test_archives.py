"""Checkpoints in zip archives: which member is read, and what is refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

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
from hypothesis import given, settings
from hypothesis import strategies as st
from searchlight.agents import archives
from searchlight.agents.archives import extract_member
from searchlight.agents.policy_file import read_metadata
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
