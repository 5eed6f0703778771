"""Zips as stable-baselines3 writes them, around small weights, and an environment of images to save real ones from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from helpers.checkpoints import Network, network, torch_bytes, zip_bytes

BOX = "<class 'gymnasium.spaces.box.Box'>"
# What `data` says about an agent of images, where new versions of the library wrote it.
ATARI = {
    "policy_class": {
        ":type:": "<class 'abc.ABCMeta'>",
        ":serialized:": "gAWVPgAAAAAAAACMIXN0",
        "__module__": "stable_baselines3.common.policies",
        "__init__": "<function ActorCriticCnnPolicy.__init__ at 0x7f98abb4b560>",
    },
    "observation_space": {":type:": BOX, ":serialized:": "gAWV", "dtype": "uint8", "_shape": [4, 84, 84]},
    "policy_kwargs": {},
}


def sb3_members(state: Network | None = None, data: bytes | None = None, **changes: Any) -> dict[str, bytes]:
    """Return the members of a zip; ``changes`` replace entries of its ``data``."""
    return {
        "data": json.dumps({**ATARI, **changes}).encode() if data is None else data,
        "pytorch_variables.pth": torch_bytes({}),
        "policy.pth": torch_bytes(network() if state is None else state),
        "policy.optimizer.pth": torch_bytes({"state": {}, "param_groups": []}),
        "_stable_baselines3_version": b"2.9.2",
    }


def sb3_bytes(state: Network | None = None, data: bytes | None = None, **changes: Any) -> bytes:
    return zip_bytes(sb3_members(state, data, **changes))


def in_folder(folder: str, members: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in members.items()}


class Images(gymnasium.Env[np.ndarray, np.int64]):
    """An environment of images, which no test plays."""

    def __init__(self, shape: tuple[int, ...] = (4, 84, 84), dtype: Any = np.uint8, high: float = 255) -> None:
        self.observation_space = gymnasium.spaces.Box(0, high, shape, dtype)
        self.action_space = gymnasium.spaces.Discrete(4)
