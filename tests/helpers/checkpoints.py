"""Checkpoints of small networks, in all formats and archives, and how tests fetch them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save as safetensors_bytes
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.networks.greydanus import Architecture, expected_shapes
from searchlight.errors import SearchlightError

from helpers.geometry import architecture as architecture_of
from helpers.project import BUNDLED

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


@dataclass
class Payload:
    """Whoever unpickles this creates a file."""

    marker: Path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self.marker), "w")


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


def archive_of(*names: str) -> bytes:
    """Return an archive whose n-th member holds the n-th network."""
    return zip_bytes({name: torch_bytes(network(seed=seed)) for seed, name in enumerate(names)})


STEPS = ("breakout-v0/strong.20.tar", "breakout-v0/strong.100.tar", "breakout-v0/strong.40.tar")


LOCAL, CENTRAL = b"PK\3\4", b"PK\1\2"


def damaged(compression: int = zipfile.ZIP_STORED, **changes: bytes) -> bytes:
    """Return an archive of one checkpoint with bytes changed at offsets from its data or its directory's entry."""
    data = zip_bytes({"strong.40.tar": torch_bytes(network())}, compression)
    starts = {"data": data.index(LOCAL) + 30 + len("strong.40.tar"), "entry": data.rindex(CENTRAL)}
    offsets = {place: place.split("_") for place in changes}
    return with_bytes(data, {starts[part] + int(at): changes[place] for place, (part, at) in offsets.items()})
