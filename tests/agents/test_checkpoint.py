"""From a published checkpoint to safetensors: what is read, what is refused, and that a refusal leaves nothing."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pickle
import socket
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import requests
import torch
from helpers.agents import real_agent
from helpers.geometry import architecture as architecture_of
from helpers.project import BUNDLED
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from safetensors.torch import save as safetensors_bytes
from searchlight.agents import checkpoint
from searchlight.agents.checkpoint import download, extract_member, fetch_checkpoint, load_policy, read_metadata
from searchlight.agents.networks.greydanus import Architecture, expected_shapes, read_architecture
from searchlight.errors import SearchlightError

SMALL = architecture_of("lstm", channels=(1, 2, 3), kernel=3, hidden=5, actions=4)
Network = dict[str, torch.Tensor]


def network(architecture: Architecture = SMALL, seed: int = 0) -> Network:
    """Return the weights of a network; different seeds, different weights."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in expected_shapes(architecture).items()}


def torch_bytes(content: Any, *, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def zip_bytes(members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def with_bytes(data: bytes, changes: Mapping[int, bytes]) -> bytes:
    changed = bytearray(data)
    for offset, new in changes.items():
        changed[offset : offset + len(new)] = new
    return bytes(changed)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Fetch:
    """Fetches a checkpoint into an output folder of its own, and keeps what was said to the user."""

    folder: Path
    notices: list[str] = field(default_factory=list)

    @property
    def output(self) -> Path:
        return self.folder / "output" / "policy.safetensors"

    def source(self, data: bytes, name: str = "weights.tar") -> str:
        path = self.folder / "source" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return str(path)

    def __call__(self, source: str | bytes, member: str | None = None, digest: str | None = None) -> Path:
        name = source if isinstance(source, str) else self.source(source)
        fetch_checkpoint(name, member, digest, BUNDLED, self.output, self.notices.append)
        assert list(self.output.parent.iterdir()) == [self.output]
        return self.output

    def refused(self, source: str | bytes, member: str | None = None, digest: str | None = None) -> str:
        """Return the one line of the refusal, which must leave neither an output nor anything hidden beside it."""
        with pytest.raises(SearchlightError) as refusal:
            self(source, member, digest)
        line = str(refusal.value)
        assert line.isprintable()
        assert list(self.output.parent.iterdir()) == []
        return line


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    return Fetch(tmp_path)


@contextlib.contextmanager
def temporary_fetch() -> Iterator[Fetch]:
    with tempfile.TemporaryDirectory() as folder:
        yield Fetch(Path(folder))


def assert_holds(path: Path, expected: Mapping[str, torch.Tensor]) -> None:
    found = load_file(path)
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], tensor.detach().float().numpy(), err_msg=name)


# The agent that ships with the project


def test_bundled_agent_keeps_its_tensors_and_says_where_they_are_from(fetch: Fetch) -> None:
    source = BUNDLED / "breakout.safetensors"
    path = fetch("bundled:breakout")
    assert_holds(path, {name: torch.from_numpy(array) for name, array in load_file(source).items()})
    assert read_metadata(path) == {
        "source": "bundled:breakout",
        "member": None,
        "sha256": sha256(source.read_bytes()),
        "network": "greydanus",
        "actions": 4,
    }
    assert fetch.notices == []


def test_two_fetches_are_equal_byte_for_byte(fetch: Fetch) -> None:
    assert fetch("bundled:breakout").read_bytes() == fetch("bundled:breakout").read_bytes()


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o027, 0o077])
def test_others_may_read_the_output_as_far_as_the_umask_allows(fetch: Fetch, umask: int) -> None:
    before = os.umask(umask)
    try:
        path = fetch(torch_bytes(network()))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_unknown_bundled_name_is_answered_with_the_known_ones(fetch: Fetch) -> None:
    line = fetch.refused("bundled:breakuot")
    assert "breakuot" in line
    assert "allowed: bundled:breakout" in line


# Formats

FORMATS: dict[str, Callable[[Network], bytes]] = {
    "plain": torch_bytes,
    "legacy": lambda state: torch_bytes(state, legacy=True),
    "prefixed": lambda state: torch_bytes({f"module.{name}": tensor for name, tensor in state.items()}),
    "under-state_dict": lambda state: torch_bytes({"epoch": 3, "state_dict": state}),
    "under-model": lambda state: torch_bytes({"model": state, "optimizer": {"state": {}, "param_groups": []}}),
    "under-model_state_dict": lambda state: torch_bytes({"model_state_dict": state}),
    "under-both-and-prefixed": lambda state: torch_bytes(
        {"model": {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}}
    ),
    "legacy-under-state_dict": lambda state: torch_bytes({"state_dict": state}, legacy=True),
    "parameters": lambda state: torch_bytes({name: torch.nn.Parameter(tensor) for name, tensor in state.items()}),
    "strided": lambda state: torch_bytes(
        {name: torch.stack([tensor, tensor], dim=-1)[..., 0] for name, tensor in state.items()}
    ),
    "safetensors": safetensors_bytes,
    "safetensors-prefixed": lambda state: safetensors_bytes({f"module.{name}": t for name, t in state.items()}),
}


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_every_format_gives_the_weights_that_were_saved(
    fetch: Fetch, write: Callable[[Network], bytes], cell: str
) -> None:
    state = network(replace(SMALL, cell=cell))
    path = fetch(write(state))
    assert_holds(path, state)
    assert read_metadata(path)["network"] == "greydanus"
    assert load_policy(path).architecture.cell == cell


@pytest.mark.parametrize("write", [torch_bytes, safetensors_bytes], ids=["torch", "safetensors"])
@pytest.mark.parametrize("precision", [torch.float16, torch.float64], ids=str)
def test_other_precisions_become_float32(fetch: Fetch, write: Callable[[Network], bytes], precision: Any) -> None:
    state = {name: tensor.to(precision) for name, tensor in network().items()}
    assert_holds(fetch(write(state)), state)


def test_what_is_no_tensor_is_left_out(fetch: Fetch) -> None:
    assert_holds(fetch(torch_bytes({**network(), "steps": 40, "notes": "trained long"})), network())


def test_torch_zip_is_not_mistaken_for_an_archive(fetch: Fetch) -> None:
    data = torch_bytes(network())
    assert zipfile.is_zipfile(io.BytesIO(data))
    assert read_metadata(fetch(data))["member"] is None
    fetch.output.unlink()
    assert "not a zip archive" in fetch.refused(data, member="*.tar")


REAL_AGENTS = {
    "breakout-v4.model.40.tar": "e82d5bc0d87d8e0da3772549b75efa6d486e7b47b8f7a914f0eabfb9441159b0",
    "breakout-v4.model.80.tar": "af6c793df878de5021e95af93028e11107b9840b7c92d81f770574af32f4df77",
}


@pytest.mark.parametrize(("name", "digest"), REAL_AGENTS.items(), ids=REAL_AGENTS)
def test_real_public_agent_is_read(fetch: Fetch, name: str, digest: str) -> None:
    source = real_agent(name)
    path = fetch(str(source), digest=digest)
    assert_holds(path, torch.load(source, weights_only=True))
    expected = {"source": str(source), "member": None, "sha256": digest, "network": "greydanus", "actions": 4}
    assert read_metadata(path) == expected
    assert fetch.notices == []


# The digest


def test_right_digest_passes_in_silence(fetch: Fetch) -> None:
    data = torch_bytes(network())
    assert read_metadata(fetch(data, digest=sha256(data)))["sha256"] == sha256(data)
    assert fetch.notices == []


def test_wrong_digest_is_refused_before_the_file_is_opened(fetch: Fetch) -> None:
    data, other = b"not even a checkpoint", "0" * 64
    line = fetch.refused(data, digest=other)
    assert sha256(data) in line
    assert other in line


def test_absent_digest_is_said_and_recorded(fetch: Fetch) -> None:
    data = torch_bytes(network())
    assert read_metadata(fetch(data))["sha256"] == sha256(data)
    (notice,) = fetch.notices
    assert notice.endswith(f"sha256: {sha256(data)}")
    assert notice.isprintable()


def test_refusal_leaves_an_earlier_output_as_it_was(fetch: Fetch) -> None:
    before = fetch(torch_bytes(network())).read_bytes()
    with pytest.raises(SearchlightError):
        fetch(b"no checkpoint")
    assert fetch.output.read_bytes() == before
    assert list(fetch.output.parent.iterdir()) == [fetch.output]


# Files that are no checkpoint


def test_missing_file_is_refused(fetch: Fetch) -> None:
    path = fetch.folder / "absent.tar"
    assert f"{path}: no such file" in fetch.refused(str(path))


def test_folder_is_refused(fetch: Fetch) -> None:
    assert "no such file" in fetch.refused(str(fetch.folder))


WHOLE = {
    "torch": torch_bytes(network()),
    "legacy": torch_bytes(network(), legacy=True),
    "safetensors": safetensors_bytes(network()),
    "archive": zip_bytes({"strong.40.tar": torch_bytes(network())}),
}


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(part=st.floats(0, 1, exclude_max=True))
@example(part=0.0)
@example(part=1.0)
def test_file_that_is_cut_off_anywhere_is_refused(data: bytes, part: float) -> None:
    with temporary_fetch() as fetch:
        fetch.refused(data[: min(int(part * len(data)), len(data) - 1)])


def tar_bytes() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return buffer.getvalue()


NO_CHECKPOINTS = {
    "empty": b"",
    "one-byte": b"\x80",
    "text": b"hello world\nand a second line\n",
    "page": b"<!DOCTYPE html>\n<html><title>Sign in</title></html>\n",
    "settings": json.dumps({"agents": {"breakout": 1}}, indent=1).encode(),
    "brace-where-safetensors-have-it": b"12345678{\n",
    "pickled-list": pickle.dumps([1, 2], protocol=2),
    "saved-list": torch_bytes([1, 2]),
    "saved-tensor": torch_bytes(torch.zeros(3)),
    "saved-module": torch_bytes(torch.nn.Linear(2, 2)),
    "tape-archive": tar_bytes(),
    "empty-zip": zip_bytes({}),
    "zip-whose-directory-lies-outside": b"PK\5\6" + bytes(4) + b"\1\0\1\0" + b"\xff\0\0\0" * 2 + bytes(2),
    "zip-whose-directory-is-none": b"x" * 300 + b"PK\5\6" + bytes(4) + b"\1\0\1\0" + b"\x2e\0\0\0" * 2 + bytes(2),
}


@pytest.mark.parametrize("data", NO_CHECKPOINTS.values(), ids=NO_CHECKPOINTS)
def test_file_that_is_no_checkpoint_is_refused(fetch: Fetch, data: bytes) -> None:
    assert fetch.source(data) in fetch.refused(data)


@dataclass
class Payload:
    """Whoever unpickles this creates a file."""

    marker: Path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self.marker), "w")


MALICIOUS: dict[str, Callable[[Payload], bytes]] = {
    "pickle-protocol-2": lambda payload: pickle.dumps(payload, protocol=2),
    "pickle-protocol-4": lambda payload: pickle.dumps({"conv1.weight": payload}, protocol=4),
    "torch": lambda payload: torch_bytes({**network(), "extra": payload}),
    "legacy": lambda payload: torch_bytes({**network(), "extra": payload}, legacy=True),
    "archived": lambda payload: zip_bytes({"strong.40.tar": torch_bytes({**network(), "extra": payload})}),
}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol 4")
@pytest.mark.parametrize("write", MALICIOUS.values(), ids=MALICIOUS)
def test_code_in_a_checkpoint_is_never_run(fetch: Fetch, write: Callable[[Payload], bytes]) -> None:
    marker = fetch.folder / "marker"
    fetch.refused(write(Payload(marker)))
    assert not marker.exists()


def test_that_code_would_run_if_it_were_unpickled(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "marker"), protocol=2)).close()
    assert (tmp_path / "marker").exists()


def nested_in_itself() -> dict[str, Any]:
    content: dict[str, Any] = {}
    content["model"] = content
    return content


@pytest.mark.parametrize("legacy", [False, True])
def test_checkpoint_nested_in_itself_is_refused(fetch: Fetch, legacy: bool) -> None:
    fetch.refused(torch_bytes(nested_in_itself(), legacy=legacy))


UNUSABLE_TENSORS: dict[str, Callable[[], torch.Tensor]] = {
    "sparse": lambda: torch.eye(3).to_sparse(),
    "without-data": lambda: torch.empty(3, device="meta"),
    "endless": lambda: torch.zeros(1).expand(2**44),
    "endless-in-half-precision": lambda: torch.zeros(1, dtype=torch.float16).expand(2**44),
}


@pytest.mark.parametrize("tensor", UNUSABLE_TENSORS.values(), ids=UNUSABLE_TENSORS)
def test_tensor_that_cannot_be_had_as_an_array_is_refused(fetch: Fetch, tensor: Callable[[], torch.Tensor]) -> None:
    fetch.refused(torch_bytes({**network(), "critic_linear.bias": tensor()}))


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float8_e4m3fn], ids=str)
def test_safetensors_of_a_type_that_numpy_lacks_are_refused(fetch: Fetch, precision: torch.dtype) -> None:
    state = {name: tensor.to(precision) for name, tensor in network().items()}
    assert "cannot be read as safetensors" in fetch.refused(safetensors_bytes(state))


# Networks of another architecture


def without(*names: str) -> Network:
    return {name: tensor for name, tensor in network().items() if name not in names}


def with_shapes(**shapes: tuple[int, ...]) -> Network:
    return network() | {name.replace("__", "."): torch.zeros(shape) for name, shape in shapes.items()}


LSTM = {name for name in expected_shapes(SMALL) if name.startswith("lstm")}

# A network, and what the line must name.
OTHERS: dict[str, tuple[Network, str]] = {
    "no-tensors": ({}, "found the tensors none"),
    "resnet": (
        {"layer1.0.conv1.weight": torch.zeros(4, 4, 3, 3), "bn1.num_batches_tracked": torch.tensor(7)},
        "found the tensors bn1.num_batches_tracked, layer1.0.conv1.weight",
    ),
    "feed-forward": (without(*LSTM), "found the tensors actor_linear.bias, actor_linear.weight, conv1.bias"),
    "both-cells": (network() | network(replace(SMALL, cell="gru")), "lstm and gru"),
    "no-convolutions": (without("conv1.weight", "conv1.bias"), "found the tensors actor_linear.bias"),
    "flat-convolution": (with_shapes(conv1__weight=(2, 9)), "found the tensors actor_linear.bias"),
    "wrong-convolution": (with_shapes(conv2__weight=(3, 7, 3, 3)), "conv2.weight of shape [3, 7, 3, 3]"),
    "oblong-convolution": (with_shapes(conv1__weight=(2, 1, 3, 5)), "3x5"),
    "no-convolution-bias": (without("conv2.bias"), "found no conv2.bias"),
    "no-critic": (without("critic_linear.weight", "critic_linear.bias"), "found no critic_linear.weight"),
    "no-actor": (without("actor_linear.weight", "actor_linear.bias"), "found no actor_linear.weight"),
    "two-values": (with_shapes(critic_linear__weight=(2, 5)), "critic_linear.weight of shape [2, 5]"),
    "odd-gates": (with_shapes(lstm__weight_ih=(21, 1200)), "lstm.weight_ih of shape [21, 1200]"),
    "extra-tensors": (with_shapes(bn1__weight=(2,), value2__bias=(1,)), "found also bn1.weight, value2.bias"),
    "gap-in-the-convolutions": (with_shapes(conv4__weight=(3, 3, 3, 3)), "found also conv4.weight"),
    "5x5-kernels": (network(replace(SMALL, kernel=5)), "5x5"),
    "5x5-kernels-on-padding-of-2": (with_shapes(conv1__weight=(2, 1, 5, 5), conv2__weight=(3, 2, 5, 5)), "5x5"),
    "4-input-channels": (network(replace(SMALL, channels=(4, 2, 3))), "4 input channels"),
    "no-actions": (network(replace(SMALL, actions=0)), "actor_linear.bias of shape [0]"),
    "no-memory": (network(replace(SMALL, hidden=0)), "actor_linear.weight of shape [4, 0]"),
    "unprintable-name": (with_shapes(**{"bn1\n\x1b[2J": (2,)}), r"found also bn1\n\x1b[2J"),
}


@pytest.mark.parametrize(("state", "found"), OTHERS.values(), ids=OTHERS)
def test_network_of_another_architecture_is_refused_by_what_was_found(fetch: Fetch, state: Network, found: str) -> None:
    line = fetch.refused(torch_bytes(state))
    assert "not a known network" in line
    assert found in line


@pytest.mark.parametrize("name", expected_shapes(SMALL))
def test_tensor_without_sides_is_refused_by_name(name: str) -> None:
    with pytest.raises(SearchlightError, match="not a known network"):
        read_architecture(expected_shapes(SMALL) | {name: ()}, "weights.tar")


@pytest.mark.parametrize(
    "architecture", [SMALL, architecture_of("gru", (1, 2, 2, 2, 2, 2, 2, 2), 3, hidden=1, actions=18)]
)
def test_architecture_is_what_its_shapes_say(architecture: Architecture) -> None:
    assert read_architecture(expected_shapes(architecture), "weights.tar") == architecture


# Zip archives


def archive_of(*names: str) -> bytes:
    """Return an archive whose n-th member holds the n-th network."""
    return zip_bytes({name: torch_bytes(network(seed=seed)) for seed, name in enumerate(names)})


STEPS = ("breakout-v0/strong.20.tar", "breakout-v0/strong.100.tar", "breakout-v0/strong.40.tar")


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
def test_members_none_or_several_of_which_fit_are_listed(
    fetch: Fetch, names: tuple[str, ...], member: str | None, said: tuple[str, ...]
) -> None:
    line = fetch.refused(archive_of(*names), member=member)
    for words in said:
        assert words in line


@pytest.mark.parametrize(
    "name", ["../evil.tar", "/abs.tar", "C:\\x", "a/../../b", "..\\evil.tar", "a\\..\\..\\b", "..", "../a\nb.tar"]
)
@pytest.mark.parametrize("member", ["good.tar", "*evil*", None])
def test_archive_with_a_name_that_leaves_its_folder_is_refused_whole(
    fetch: Fetch, name: str, member: str | None
) -> None:
    line = fetch.refused(archive_of("good.tar", name), member=member)
    assert "'" + name.replace("\n", r"\n") + "'" in line
    assert not list(fetch.folder.parent.rglob("evil*"))


def test_member_that_is_declared_too_large_is_refused(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "MAX_BYTES", 1000)
    line = fetch.refused(zip_bytes({"bomb.tar": bytes(1001)}, zipfile.ZIP_DEFLATED))
    assert "bomb.tar" in line
    assert "1000 bytes" in line


LOCAL, CENTRAL = b"PK\3\4", b"PK\1\2"


def damaged(compression: int = zipfile.ZIP_STORED, **changes: bytes) -> bytes:
    """Return an archive of one checkpoint with bytes changed at offsets from its data or its directory's entry."""
    data = zip_bytes({"strong.40.tar": torch_bytes(network())}, compression)
    starts = {"data": data.index(LOCAL) + 30 + len("strong.40.tar"), "entry": data.rindex(CENTRAL)}
    offsets = {place: place.split("_") for place in changes}
    return with_bytes(data, {starts[part] + int(at): changes[place] for place, (part, at) in offsets.items()})


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
def test_changed_bytes_of_an_archive_are_refused_or_do_not_matter(
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
def test_member_asked_of_what_is_no_archive_is_refused(fetch: Fetch, write: Callable[[Network], bytes]) -> None:
    line = fetch.refused(write(network()), member="strong.40.tar")
    assert "'strong.40.tar'" in line
    assert "not a zip archive" in line


def test_copy_of_a_member_has_a_name_of_our_own(tmp_path: Path) -> None:
    archive = tmp_path / "agents.zip"
    archive.write_bytes(archive_of("deep/er/strong.40.tar"))
    folder = tmp_path / "folder"
    folder.mkdir()
    path, name = extract_member(archive, None, folder, "agents.zip")
    assert name == "deep/er/strong.40.tar"
    assert list(folder.rglob("*")) == [path]
    assert path.read_bytes() == torch_bytes(network())


# Downloads


@dataclass
class Answer:
    """What a server says to one request; with ``missing`` bytes it promises more than it sends."""

    body: bytes = b""
    status: int = 200
    missing: int = 0


class Site(ThreadingHTTPServer):
    """A server on this machine that gives its answers in turn, and the last of them from then on."""

    daemon_threads = True

    def __init__(self, *answers: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.asked = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/breakout.tar"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        answer = self.server.answers[min(self.server.asked, len(self.server.answers) - 1)]
        self.server.asked += 1
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.body) + answer.missing))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name of the base class
        pass


Serve = Callable[..., Site]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start servers; between attempts nobody waits, and no proxy is asked."""
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with contextlib.ExitStack() as stack:

        def start(*answers: Answer) -> Site:
            site = stack.enter_context(Site(*answers))
            Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            stack.callback(site.shutdown)
            return site

        yield start


def test_download_is_whole(serve: Serve, tmp_path: Path) -> None:
    body = bytes(range(256)) * 500
    assert download(serve(Answer(body)).address, tmp_path).read_bytes() == body


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_checkpoint_is_fetched_from_an_address(fetch: Fetch, serve: Serve, write: Callable[[Network], bytes]) -> None:
    data = write(network())
    site = serve(Answer(data))
    path = fetch(site.address, digest=sha256(data))
    assert_holds(path, network())
    assert read_metadata(path)["source"] == site.address
    assert site.asked == 1
    assert fetch.notices == []


def test_member_is_fetched_from_an_archive_at_an_address(fetch: Fetch, serve: Serve) -> None:
    site = serve(Answer(archive_of(*STEPS)))
    path = fetch(site.address, member="breakout-v0/*.tar")
    assert_holds(path, network(seed=1))
    assert read_metadata(path)["member"] == STEPS[1]
    assert site.address in fetch.notices[0]


@pytest.mark.parametrize(
    "answer", [Answer(status=503), Answer(torch_bytes(network())[:500], missing=100)], ids=["unavailable", "cut-off"]
)
def test_download_that_fails_once_is_tried_again(fetch: Fetch, serve: Serve, answer: Answer) -> None:
    site = serve(answer, Answer(torch_bytes(network())))
    assert_holds(fetch(site.address), network())
    assert site.asked == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(b"<html>not here</html>", status=404), "404"),
        (Answer(status=500), "500"),
        (Answer(torch_bytes(network()), missing=1), "download failed"),
        (Answer(torch_bytes(network())[:500], missing=100_000), "download failed"),
        (Answer(missing=100), "download failed"),
    ],
    ids=["not-found", "server-error", "one-byte-short", "cut-off", "nothing-sent"],
)
def test_download_that_keeps_failing_is_refused_after_four_attempts(
    fetch: Fetch, serve: Serve, answer: Answer, said: str
) -> None:
    site = serve(answer)
    line = fetch.refused(site.address)
    assert site.address in line
    assert said in line
    assert site.asked == 4


def test_server_that_is_not_there_is_said(fetch: Fetch, serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/breakout.tar"
    assert f"{address}: download failed" in fetch.refused(address)


@pytest.mark.parametrize(
    "body",
    [archive_of("../evil.tar"), archive_of("a.pt", "b.pt"), archive_of("README.md"), DAMAGED["checksum"], b"text"],
    ids=["leaving-its-folder", "several", "none", "damaged", "text"],
)
def test_refusal_of_a_download_names_its_address(fetch: Fetch, serve: Serve, body: bytes) -> None:
    site = serve(Answer(body))
    assert site.address in fetch.refused(site.address)


def test_download_of_another_digest_is_refused(fetch: Fetch, serve: Serve) -> None:
    data = torch_bytes(network())
    assert sha256(data) in fetch.refused(serve(Answer(data)).address, digest="0" * 64)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path, number: float) -> None:
    state = {name: torch.from_numpy(array) for name, array in load_file(BUNDLED / "breakout.safetensors").items()}
    state["conv2.bias"][3] = number
    torch.save(state, tmp_path / "agent.pt")
    with pytest.raises(SearchlightError, match=r"not finite in conv2\.bias"):
        fetch_checkpoint(str(tmp_path / "agent.pt"), None, None, BUNDLED, tmp_path / "out" / "policy", print)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_torch_file_that_swells_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"conv1.weight": torch.zeros(500_000)}, tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "small.pt", "w", zipfile.ZIP_DEFLATED) as small,
    ):
        for name in plain.namelist():
            small.writestr(name, plain.read(name))
    assert (tmp_path / "small.pt").stat().st_size < 100_000
    monkeypatch.setattr(checkpoint, "MAX_BYTES", 1_000_000)
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(SearchlightError, match="found over 1000000 bytes, allowed: less"):
        fetch_checkpoint(str(tmp_path / "small.pt"), None, None, BUNDLED, tmp_path / "policy", print)


def test_a_redirect_from_https_to_http_is_refused() -> None:
    response = requests.Response()
    response.status_code, response.url = 302, "https://example.org/agent.tar"
    response.headers["Location"] = "http://example.org/agent.tar"
    with pytest.raises(ValueError, match="found a redirect to http://"):
        checkpoint._refuse_response(response)
    response.headers["Location"] = "https://example.org/other.tar"
    checkpoint._refuse_response(response)
