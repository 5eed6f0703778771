"""How tests of networks build a policy from weights, and weights of many shapes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from searchlight.agents import networks, preprocessings
from searchlight.agents.policy import Policy
from searchlight.agents.weights import read_weights
from torch import Tensor, nn

SB3 = {"library": "stable-baselines3"}


def arrays(module: nn.Module | Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Return weights as ``read_weights`` gives them."""
    state = module.state_dict() if isinstance(module, nn.Module) else module
    return {name: state[name].detach().float().numpy() for name in sorted(state)}


def policy_of(
    tensors: Mapping[str, np.ndarray],
    facts: Mapping[str, Any] | None = None,
    named: networks.Spec | None = None,
    network: str | None = None,
) -> Any:
    """Return the policy that has these weights, by the path that a checkpoint takes.

    Args:
        tensors: weights by name.
        facts: what the file says beside them.
        named: network of the config.
        network: name of the network that must be found.
    """
    spec = networks.find({name: array.shape for name, array in tensors.items()}, facts or {}, "weights.pt", named)
    assert network is None or network == (spec if isinstance(spec, str) else next(iter(spec)))
    policy: Policy = networks.build(spec, tensors, "weights.pt")
    return policy


def policy_in(path: Path, network: str, named: networks.Spec | None = None) -> Any:
    """Return the policy in a checkpoint's file, which must hold a network of this name."""
    return policy_of(*read_weights(path, path.name), named, network)


def close(found: Tensor, expected: Tensor) -> None:
    """Check that values are equal to 1e-5 of their scale."""
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * max(1.0, float(expected.abs().max())))


def filled(module: nn.Module, seed: int = 0) -> nn.Module:
    """Return a module with random weights and biases of a size that keeps the values of its layers."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        with torch.no_grad():
            parameter.normal_(generator=generator).mul_(1 / np.sqrt(max(1, parameter[0].numel())))
    return module.eval().requires_grad_(False)


def new_nature(preprocessing: Any, screen: tuple[int, ...], actions: int) -> dict[str, np.ndarray]:
    """Return random weights of a small network for the observations of a preprocessing, by CleanRL's names."""
    given = preprocessings.build(preprocessing, (screen[0], screen[1]))
    channels = given.channels * given.stack
    convolutions = [nn.Conv2d(channels, 8, 8, 4), nn.Conv2d(8, 8, 4, 2), nn.Conv2d(8, 8, 3, 1)]
    seen = torch.zeros(1, channels, *given.shape)
    for convolution in convolutions:
        seen = convolution(seen)
    trunk: dict[str, nn.Module] = dict(zip(("0", "2", "4"), convolutions, strict=True))
    trunk["7"] = nn.Linear(seen.numel(), 32)
    parts = {"network": nn.ModuleDict(trunk), "actor": nn.Linear(32, actions), "critic": nn.Linear(32, 1)}
    return arrays(filled(nn.ModuleDict(parts)))
