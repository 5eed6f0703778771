"""Whole forwards: one pass through the whole network for each mask, for a policy of any kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import torch

from searchlight.agents.policy import Memory, Policy, channels_first
from searchlight.saliency.patches import Patches, gathered

# Observations in one forward pass, by device type.
BATCH = {"cpu": 8, "cuda": 512}
# Values of patches in memory at a time. A CPU frees and allocates larger groups page by page.
VALUES = {"cpu": 2**22, "cuda": 2**28}


class Evaluator(Protocol):
    """Interface of the incremental engine and of whole forwards: a policy's outputs under perturbations."""

    def reference(self, observation: np.ndarray) -> Any:
        """Evaluate the unperturbed observation, (height, width, channel) float32; the other methods take the result."""

    def outputs(self, reference: Any, memory: Memory) -> tuple[np.ndarray, np.ndarray]:
        """Return logits (action,) and value () of the unperturbed observation, with a memory of (1, hidden)."""

    def respond(
        self, reference: Any, memory: Memory, patches: Iterable[Patches], count: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the policy's outputs for one observation, under each mask and unperturbed.

        Args:
            reference: result of ``reference`` for the observation.
            memory: arrays of (1, hidden).
            patches: changes that masks make in this observation, or in another observation of the same frame. A mask
                without a patch takes exactly the reference output.
            count: number of masks.

        Returns:
            Logits (mask, action) and value (mask,) under each mask; reference logits (action,) and value (). All are
            float32.
        """


class WholeForwards:
    """Outputs by forward passes of the whole network: for any policy, and the reference for the engine."""

    def __init__(self, policy: Policy, batch: int | None = None) -> None:
        """Take a policy; ``batch`` is the number of observations in one forward pass."""
        self._policy = policy
        self._device = next(iter(policy.parameters())).device if isinstance(policy, torch.nn.Module) else "cpu"
        self._kind = torch.device(self._device).type
        self._batch = batch or BATCH[self._kind]

    def reference(self, observation: np.ndarray) -> np.ndarray:
        """Return the observation itself, because whole forwards prepare nothing."""
        return observation

    def outputs(self, reference: np.ndarray, memory: Memory) -> tuple[np.ndarray, np.ndarray]:
        """Return logits (action,) and value () of the unperturbed observation."""
        logits, value = self._forward(reference[None], memory)
        return logits[0], value[0]

    def respond(
        self, reference: np.ndarray, memory: Memory, patches: Iterable[Patches], count: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the policy's outputs under each mask and unperturbed."""
        reference_logits, reference_value = self.outputs(reference, memory)
        logits, value = np.repeat(reference_logits[None], count, axis=0), np.repeat(reference_value, count)
        for some in gathered(patches, self._batch, VALUES[self._kind]):
            for start in range(0, len(some.masks), self._batch):
                members = np.arange(start, min(start + self._batch, len(some.masks)))
                given = self._forward(some.whole(members), memory)
                logits[some.masks[members]], value[some.masks[members]] = given
        return logits, value, reference_logits, reference_value

    def _forward(self, seen: np.ndarray, memory: Memory) -> tuple[np.ndarray, np.ndarray]:
        """Return logits (n, action) and values (n,) of whole observations (n, height, width, channel)."""
        given = {name: array.to(self._device).expand(len(seen), -1) for name, array in memory.items()}
        logits, value, _ = self._policy.step(channels_first(seen).to(self._device), given)
        return logits.cpu().numpy(), value.cpu().numpy()
