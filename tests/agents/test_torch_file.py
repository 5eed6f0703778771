"""Files of torch: what is allowed beside the weights, and what a refusal tells their owner to type."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.agents import real_agent
from helpers.checkpoints import Fetch, assert_holds, network, torch_bytes
from searchlight.agents.weights import read_weights
from searchlight.errors import SearchlightError
from torch import nn

WRITE = {"zip": torch_bytes, "legacy": partial(torch_bytes, legacy=True)}


@pytest.fixture(params=WRITE)
def write(request: pytest.FixtureRequest) -> Callable[[Any], bytes]:
    return WRITE[request.param]


NUMPY: dict[str, Any] = {
    "float64": np.float64(3.5),
    "float32": np.float32(3.5),
    "int64": np.int64(3),
    "bool": np.bool_(True),
    "array": np.zeros((3, 4)),
    "state of a generator": np.random.RandomState(0).get_state(),
    "objects": np.array([1, "a", None], dtype=object),
    "type": np.dtype("float32"),
}


@pytest.mark.parametrize("value", NUMPY.values(), ids=NUMPY)
def test_numpy_beside_the_weights_is_allowed(fetch: Fetch, write: Callable[[Any], bytes], value: Any) -> None:
    assert_holds(fetch(write({"net": network(), "best": value})), network())


def test_arrays_of_numpy_are_no_weights_and_said_to_be_none(fetch: Fetch) -> None:
    state = {name: tensor.numpy() for name, tensor in network().items()}
    assert "conv1.weight (of numpy, not read)" in fetch.refused(torch_bytes(state))


def test_scalar_of_numpy_1_is_allowed(fetch: Fetch) -> None:
    data = torch_bytes({"net": network(), "best": np.float64(3.5)}, legacy=True)
    assert data.count(b"numpy._core.multiarray\n") == 1
    assert_holds(fetch(data.replace(b"numpy._core.multiarray\n", b"numpy.core.multiarray\n")), network())


def test_objects_of_numpy_are_not_built(fetch: Fetch, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
            return os.mkdir, (str(tmp_path / "made"),)

    line = fetch.refused(torch_bytes({"net": network(), "best": np.array([Evil()], dtype=object)}))
    assert "found a call of posix.mkdir, which no weights need" in line
    assert not (tmp_path / "made").exists()


def test_allowed_names_are_forgotten_after_reading(fetch: Fetch) -> None:
    before = set(torch.serialization.get_safe_globals())
    fetch(torch_bytes({"net": network(), "best": np.float64(3.5)}))
    # torch keeps them as a set, in no order.
    assert set(torch.serialization.get_safe_globals()) == before


def test_storages_of_another_device_are_read() -> None:
    path = real_agent("torch/DQN_PongNoFrameskip-v4_900.pth")
    assert b"cuda:0" in path.read_bytes()
    assert read_weights(path, path.name).tensors["net.9.weight"].shape == (6, 200)


class Settings:
    def __init__(self) -> None:
        self.lr = 1e-4


class Agent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for name, tensor in network().items():
            module, _, kind = name.partition(".")
            if not hasattr(self, module):
                self.add_module(module, nn.Module())
            self.get_submodule(module).register_parameter(kind, nn.Parameter(tensor))


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Run the Python that a line says where the refused file is, and return what that writes."""
    monkeypatch.chdir(tmp_path)
    before = torch.serialization.get_safe_globals()

    def run(line: str) -> Path:
        (command,) = re.findall(r": (import .*)$", line)
        (name,) = re.findall(r"load\('([^']+)'", command)
        (tmp_path / "source" / name).rename(tmp_path / name)
        exec(command, {})  # noqa: S102  the very line that users type
        return tmp_path / "weights.pt"

    yield run
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(before)


BESIDE: dict[str, tuple[Callable[[], Any], str]] = {
    "Namespace": (
        lambda: {"model": network(), "args": argparse.Namespace(lr=1), "step": 3},
        "found argparse.Namespace under 'args' beside the weights",
    ),
    "Namespace in a table": (
        lambda: {"net": network(), "config": {"train": argparse.Namespace(lr=1)}},
        "found argparse.Namespace under 'train' beside",
    ),
    "Namespace among tensors": (lambda: {**network(), "args": argparse.Namespace()}, "found argparse.Namespace under"),
    "settings of their own class": (
        lambda: {"state": {"net": network()}, "args": Settings()},
        f"found {__name__}.Settings under 'args' beside the weights",
    ),
    "path": (lambda: {"net": network(), "folder": Path("runs")}, "found pathlib.PosixPath under 'folder'"),
    "whole model": (Agent, f"found a whole pickled model ({__name__}.Agent)"),
    "whole model in a table": (
        lambda: {"step": 3, "agent": Agent()},
        f"found a whole pickled model ({__name__}.Agent)",
    ),
    "whole model in a list": (lambda: [Agent(), None], f"found a whole pickled model ({__name__}.Agent)"),
}


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize(("content", "said"), BESIDE.values(), ids=BESIDE)
def test_line_says_what_to_type_and_that_works(
    fetch: Fetch,
    write: Callable[[Any], bytes],
    typed: Callable[[str], Path],
    content: Callable[[], Any],
    said: str,
) -> None:
    line = fetch.refused(write(content()))
    assert said in line
    assert "Weights only" not in line
    assert_holds(fetch(str(typed(line))), network())


def test_namespace_is_saved_anew_without_switching_safety_off(fetch: Fetch) -> None:
    line = fetch.refused(torch_bytes({"model": network(), "args": argparse.Namespace(lr=1)}))
    assert "weights_only=True" in line
    assert "weights_only=False" not in line


def test_real_whole_model_is_refused_and_nothing_of_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "model", types.ModuleType("model"))
    path = real_agent("torch/a2c-BreakoutNoFrameskip-v4.pt")
    with pytest.raises(SearchlightError) as refusal:
        read_weights(path, str(path))
    assert "found a whole pickled model (model.Policy), allowed: its weights alone; if you trust it" in str(
        refusal.value
    )
    assert f"torch.load('{path.name}', map_location='cpu', weights_only=False)[0].state_dict()" in str(refusal.value)
    assert refusal.value.__cause__ is None  # a job would print torch's advice to switch safety off


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")
def test_program_is_refused_and_its_weights_can_be_saved(fetch: Fetch, typed: Callable[[str], Path]) -> None:
    buffer = io.BytesIO()
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(Agent()), buffer)
    line = fetch.refused(buffer.getvalue())
    assert "found a TorchScript program, allowed: weights alone" in line
    assert_holds(fetch(str(typed(line))), network())


@pytest.mark.parametrize("legacy", [False, True])
def test_other_protocol_is_named(fetch: Fetch, legacy: bool) -> None:
    buffer = io.BytesIO()
    torch.save(network(), buffer, pickle_protocol=4, _use_new_zipfile_serialization=not legacy)
    assert "found pickle protocol 4, allowed: 2" in fetch.refused(buffer.getvalue())


class Call:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("function", [eval, exec, os.system, getattr, open], ids=lambda function: function.__name__)
@pytest.mark.parametrize("beside", [{}, {"args": argparse.Namespace()}], ids=["alone", "after-a-Namespace"])
def test_hostile_call_gets_no_advice_to_trust_it(
    fetch: Fetch, write: Callable[[Any], bytes], function: Callable[..., Any], beside: dict[str, Any]
) -> None:
    line = fetch.refused(write({**beside, "model": network(), "extra": Call(function, "1")}))
    assert re.search(r"found a call of \w+\.\w+, which no weights need; it may be hostile", line)
    assert "trust" not in line
    assert "torch.load" not in line


def test_names_in_a_hostile_file_are_shown_short_and_escaped(fetch: Fetch) -> None:
    data = torch_bytes({"net": network(), "key" * 1000 + "\x1b[2J": Settings()}, legacy=True)
    line = fetch.refused(data)
    assert len(line) < 1000
