"""Networks of Greydanus et al.: what tells them from others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.checkpoints import SMALL, Fetch, Network, network, torch_bytes
from helpers.geometry import architecture as architecture_of
from helpers.project import BUNDLED
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.networks.greydanus import Architecture, expected_shapes, read_architecture
from searchlight.agents.policy_file import read_metadata
from searchlight.errors import SearchlightError


def without(*names: str) -> Network:
    return {name: tensor for name, tensor in network().items() if name not in names}


def with_shapes(**shapes: tuple[int, ...]) -> Network:
    return network() | {name.replace("__", "."): torch.zeros(shape) for name, shape in shapes.items()}


LSTM = {name for name in expected_shapes(SMALL) if name.startswith("lstm")}


# A network, and what the line must name.
OTHERS: dict[str, tuple[Network, str]] = {
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


def test_checkpoint_that_does_not_fit_the_named_network_is_one_line(tmp_path: Path) -> None:
    checkpoint = tmp_path / "weights.pt"
    checkpoint.write_bytes(torch_bytes({"layer.weight": torch.zeros(2)}))
    with pytest.raises(SearchlightError, match=r"weights\.pt: not the network 'greydanus': found the tensors layer\.w"):
        fetch_checkpoint(str(checkpoint), None, None, BUNDLED, tmp_path / "policy", print, "greydanus")
    checkpoint.write_bytes(torch_bytes(network()))
    fetch_checkpoint(str(checkpoint), None, None, BUNDLED, tmp_path / "policy", print, "greydanus")
    assert read_metadata(tmp_path / "policy")["network"] == "greydanus"


@pytest.mark.parametrize("name", expected_shapes(SMALL))
def test_tensor_without_sides_is_refused_by_name(name: str) -> None:
    with pytest.raises(SearchlightError, match="not a known network"):
        read_architecture(expected_shapes(SMALL) | {name: ()}, "weights.tar")


@pytest.mark.parametrize(
    "architecture", [SMALL, architecture_of("gru", (1, 2, 2, 2, 2, 2, 2, 2), 3, hidden=1, actions=18)]
)
def test_architecture_is_what_its_shapes_say(architecture: Architecture) -> None:
    assert read_architecture(expected_shapes(architecture), "weights.tar") == architecture
