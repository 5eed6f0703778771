"""Integrated gradients (Sundararajan et al. 2017).

The way from the base to the frame is cut into steps. The network's outputs at both ends of a step say how much it
contributes. The gradient in its middle, times the step, estimates that. Where both differ, the step is halved. So the
contributions sum to the whole difference, also where an output turns sharply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from searchlight.config.allowed import Allowed
from searchlight.config.arguments import PositiveFloat, PositiveInt, Table
from searchlight.config.messages import in_words
from searchlight.saliency import fills
from searchlight.saliency.gradients import Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from searchlight.saliency.explained import Explained

# A step is halved so many times at most.
HALVINGS = 6
# Share of the way's ups and downs that counts as a difference, where the difference itself is smaller.
DETOUR = 0.01
# How much of the error each step is allowed, times the number of steps; the next where the steps' errors sum to more.
SHARES = (2, 0.5, 0.1)
# Steps whose gradients are in memory at a time.
STEPS = 16


def _base(spec: Any) -> Any:
    return in_words(fills.check, spec, "observation")


SIGNED = True


class Arguments(Table):
    """How much each pixel contributes to the difference between the frame and a base picture.

    The mean gradient on the straight way from the base to the frame, times the way. The contributions sum to the
    difference of the output. Take it first of the gradients, with `base: background`: it then shows what moves.

    Its limits: the base is never salient, so with a black base what is black is not, and with `background` what stands
    still is not. Pictures on the way are blends that the agent never saw. It takes 0.2 to 1 s a frame, since the sum is
    made exact; less with a larger `error`.
    """

    base: Annotated[
        dict[str, dict[str, Any]],
        Allowed("a number, `NAME` or `{NAME: {argument: value}}`"),
        BeforeValidator(_base, json_schema_input_type=float | str | dict[str, Any]),
    ] = Field(
        {"background": {"window": 200}},
        description="The base picture, a [fill](#fills) of the observation: `background`, `{blur: 3}`, `0` for black.",
    )
    steps: PositiveInt = Field(16, description="Number of steps on the way, before any is halved.")
    error: PositiveFloat = Field(
        0.01,
        description="How far the sum may be from the difference, as a share of it. If outputs rise and fall on the "
        "way, a hundredth of their total change counts where it is larger.",
    )


def base(arguments: Arguments) -> dict[str, dict[str, Any]]:
    """Return the fill of the base picture."""
    return arguments.base


def words(arguments: Arguments) -> str:
    """Return the method's name on pages."""
    return f"integrated_gradients from {fills.described(arguments.base)['hidden_by']}, error {arguments.error:g}"


def attributions(scene: Scene, arguments: Arguments) -> Tensor:
    """Return the contributions, (number, channel, height, width)."""
    import torch

    explained, base = scene.explained, scene.base()
    way = scene.observation - base

    def at(shares: Tensor) -> Tensor:
        return base + shares[:, None, None, None] * way

    edges = torch.linspace(0, 1, arguments.steps + 1)
    numbers = explained.values(at(edges))
    changes = numbers.diff(dim=0)
    difference = changes.sum(dim=0)
    allowed = arguments.error * torch.maximum(difference.abs(), DETOUR * changes.abs().sum(dim=0))
    # Errors of steps have either sign. Where they sum to too much all the same, each step is allowed less.
    for share in SHARES:
        found = _mean_gradients(explained, at, way, edges, numbers, share / arguments.steps * allowed) * way
        if not ((found.sum(dim=(1, 2, 3)) - difference).abs() > allowed).any():
            break
    return found


def _mean_gradients(
    explained: Explained, at: Callable[[Tensor], Tensor], way: Tensor, edges: Tensor, numbers: Tensor, allowed: Tensor
) -> Tensor:
    """Return the mean gradients on the way, (number, channel, height, width), where each step is nearly right.

    Args:
        explained: the numbers of the frame.
        at: returns the observations at shares of the way.
        way: the frame less its base, (channel, height, width).
        edges: (step + 1,) shares of the way, at which the first steps begin and end.
        numbers: (step + 1, number), the explained numbers there.
        allowed: (number,) error of each step; a step with a larger one is halved.
    """
    import torch

    mean = torch.zeros(len(allowed), *way.shape)
    # Start, end, and the numbers at both, of steps that are left.
    left = [edges[:-1], edges[1:], numbers[:-1], numbers[1:]]
    for halvings in range(HALVINGS + 1):
        uneven = []
        for start, end, before, after in zip(*(part.split(STEPS) for part in left), strict=True):
            gradients, length = explained.gradients(at((start + end) / 2)), end - start
            estimate = torch.einsum("knchw,chw->nk", gradients, way) * length[:, None]
            wrong = ((estimate - (after - before)).abs() > allowed).any(dim=1) & (halvings < HALVINGS)
            mean += torch.einsum("knchw,n->kchw", gradients, length * ~wrong)
            uneven.append([part[wrong] for part in (start, end, before, after)])
        start, end, before, after = (torch.cat(parts) for parts in zip(*uneven, strict=True))
        if not len(start):
            break
        middle = (start + end) / 2
        between = explained.values(at(middle))
        halves = ((start, middle), (middle, end), (before, between), (between, after))
        left = [torch.cat(both) for both in halves]
    return mean
