"""Weights in checkpoint files: every format, and what is refused."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.checkpoints import (
    FORMATS,
    SMALL,
    Fetch,
    Network,
    Payload,
    assert_holds,
    network,
    temporary_fetch,
    torch_bytes,
    zip_bytes,
)
from helpers.project import BUNDLED
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from safetensors.torch import save as safetensors_bytes
from searchlight.agents import torch_file
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.policy_file import load_policy, read_metadata
from searchlight.errors import SearchlightError


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
@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float64], ids=str)
def test_other_precisions_become_float32(fetch: Fetch, write: Callable[[Network], bytes], precision: Any) -> None:
    state = {name: tensor.to(precision) for name, tensor in network().items()}
    assert_holds(fetch(write(state)), state)


def test_entries_that_are_no_tensors_are_left_out(fetch: Fetch) -> None:
    assert_holds(fetch(torch_bytes({**network(), "steps": 40, "notes": "trained long"})), network())


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
def test_truncated_file_is_refused(data: bytes, part: float) -> None:
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
    "zip-on-several-disks": zip_bytes({"a.pt": b"x"})[:-22]
    + b"PK\6\7"
    + bytes(12)
    + b"\2\0\0\0"
    + b"PK\5\6"
    + bytes(18),
    "zip-whose-directory-is-none": b"x" * 300 + b"PK\5\6" + bytes(4) + b"\1\0\1\0" + b"\x2e\0\0\0" * 2 + bytes(2),
}


@pytest.mark.parametrize("data", NO_CHECKPOINTS.values(), ids=NO_CHECKPOINTS)
def test_file_without_a_checkpoint_is_refused(fetch: Fetch, data: bytes) -> None:
    assert fetch.source(data) in fetch.refused(data)


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


def test_malicious_file_runs_code_when_unpickled(tmp_path: Path) -> None:
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
def test_tensor_that_cannot_become_an_array_is_refused(fetch: Fetch, tensor: Callable[[], torch.Tensor]) -> None:
    fetch.refused(torch_bytes({**network(), "critic_linear.bias": tensor()}))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path, number: float) -> None:
    state = {name: torch.from_numpy(array) for name, array in load_file(BUNDLED / "breakout.safetensors").items()}
    state["conv2.bias"][3] = number
    torch.save(state, tmp_path / "agent.pt")
    with pytest.raises(SearchlightError, match=r"not finite in conv2\.bias"):
        fetch_checkpoint(str(tmp_path / "agent.pt"), None, None, BUNDLED, tmp_path / "out" / "policy", print)
    assert list((tmp_path / "out").iterdir()) == []


def test_decompression_bomb_is_refused_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"conv1.weight": torch.zeros(500_000)}, tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "small.pt", "w", zipfile.ZIP_DEFLATED) as small,
    ):
        for name in plain.namelist():
            small.writestr(name, plain.read(name))
    assert (tmp_path / "small.pt").stat().st_size < 100_000
    monkeypatch.setattr(torch_file, "MAX_BYTES", 1_000_000)
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(SearchlightError, match="found over 1000000 bytes, allowed: less"):
        fetch_checkpoint(str(tmp_path / "small.pt"), None, None, BUNDLED, tmp_path / "policy", print)


@pytest.mark.parametrize("legacy", [False, True])
def test_call_that_takes_memory_is_refused_unread(legacy: bool, fetch: Fetch) -> None:
    class Greedy:
        def __reduce__(self) -> Any:
            return bytearray, (2**34,)

    line = fetch.refused(torch_bytes({"state_dict": network(), "more": Greedy()}, legacy=legacy))
    assert "found a call of bytearray" in line
