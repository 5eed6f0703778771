"""Numbers that gradients explain: an action's advantage and the value, as a network gives them for an observation.

A gradient is taken of the advantage, the output less the mean over actions. A level that all outputs share changes no
policy, but it would change the gradient of an output alone. The memory is as recorded, and is not differentiated.

The network's weights have no gradients, so each pass computes those of the observation alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from searchlight.agents.networks._layers import ACTIVATIONS
from searchlight.agents.policy import Memory, Policy, is_factored
from searchlight.errors import SearchlightError, one_line

# Observations in one pass: a fixed number, because results depend on it by rounding.
BATCH = 16


class Explained:
    """The explained numbers of one frame: the advantage of the chosen action or of each, and last the value."""

    def __init__(self, policy: Policy, memory: Memory, actions: Sequence[int], padding: int = 0) -> None:
        """Choose what to explain.

        Args:
            policy: the network, on the CPU.
            memory: arrays of (1, hidden), as recorded.
            actions: the actions whose advantages are explained.
            padding: number of oldest channels that hold no picture; their gradients are zeros.
        """
        self._policy, self._memory, self._actions, self._padding = policy, memory, list(actions), padding

    def outputs(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Return the network's outputs (action,) and value () for an observation (channel, height, width)."""
        with torch.no_grad():
            outputs, value, _ = self._policy.step(observation[None], self._memory)
        return outputs[0], value[0]

    def __call__(self, observations: Tensor) -> Tensor:
        """Return the explained numbers (n, number) of observations (n, channel, height, width)."""
        memory = {name: array.expand(len(observations), -1) for name, array in self._memory.items()}
        outputs, value, _ = self._policy.step(observations, memory)
        self._check_differentiable(observations, outputs, value)
        return self._numbers(outputs, value)

    def values(self, observations: Tensor) -> Tensor:
        """Return the explained numbers as a call does, without gradients, some observations at a time."""
        with torch.no_grad():
            return torch.cat([self(some) for some in observations.split(BATCH)])

    def gradients(self, observations: Tensor) -> Tensor:
        """Return the gradients (number, n, channel, height, width) of observations (n, channel, height, width).

        Raises:
            SearchlightError: the network is not differentiable.
        """
        found = [_gradients(self, some) for some in observations.split(BATCH)]
        gradients = torch.cat(found, dim=1)
        gradients[:, :, : self._padding] = 0
        return gradients

    def last_features(self, observation: Tensor) -> tuple[Tensor, Tensor, Sequence[nn.Conv2d]]:
        """Return what the last convolution gives after its activation, and its gradients.

        Args:
            observation: (channel, height, width).

        Returns:
            Features (1, feature, row, column); gradients (number, feature, row, column); and all convolutions.

        Raises:
            SearchlightError: it is not known which convolutions the network has.
        """
        policy = self._policy
        if not is_factored(policy):
            raise SearchlightError(
                "found a network whose last convolution is not known, allowed: another gradient, or a network in parts "
                "(Factored in searchlight.agents.policy)"
            )
        seen = observation[None]
        for convolution in policy.convolutions:
            seen = ACTIVATIONS[policy.activation](convolution(seen))

        def numbers(features: Tensor) -> Tensor:
            product = nn.functional.linear(features.flatten(1), *policy.product)
            outputs, value, _ = policy.decide(product, self._memory)
            return self._numbers(outputs, value)

        return seen, _gradients(numbers, seen)[:, 0], policy.convolutions

    def _numbers(self, outputs: Tensor, value: Tensor) -> Tensor:
        advantages = outputs - outputs.mean(dim=1, keepdim=True)
        return torch.cat([advantages[:, self._actions], value[:, None]], dim=1)

    def _check_differentiable(self, observations: Tensor, outputs: Tensor, value: Tensor) -> None:
        """Refuse a network whose outputs torch does not follow back to the observation.

        A value without gradient is right where no observation changes it, as for a network without critic.
        """
        if not torch.is_grad_enabled() or (outputs.requires_grad and value.requires_grad):
            return
        other = self.outputs(1 - observations[0])[1]
        if not outputs.requires_grad or not torch.equal(value, other.expand_as(value)):
            which = "a value" if outputs.requires_grad else "outputs"
            raise _not_differentiable(f"{which} without a gradient")


def _gradients(function: Callable[[Tensor], Tensor], given: Tensor) -> Tensor:
    """Return the gradients (number, n, …) of a function's numbers (n, number), each by its own of the given (n, …)."""
    given = given.detach().requires_grad_()
    numbers = function(given)
    try:
        found = [torch.autograd.grad(one.sum(), given, retain_graph=True)[0] for one in numbers.unbind(dim=1)]
    except RuntimeError as error:
        raise _not_differentiable(one_line(error)) from error
    gradients = torch.stack(found)
    if not torch.isfinite(gradients).all():
        raise SearchlightError("found a gradient that is no finite number, allowed: finite gradients at every frame")
    return gradients


def _not_differentiable(why: str) -> SearchlightError:
    return SearchlightError(f"found {why}, allowed: operations of torch with gradients (no numpy, detach or no_grad)")
