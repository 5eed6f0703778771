"""Integrated gradients (Sundararajan et al. 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from searchlight.config.allowed import Allowed
from searchlight.config.arguments import PositiveInt, Table
from searchlight.config.messages import in_words
from searchlight.saliency import fills
from searchlight.saliency.gradients import Scene

if TYPE_CHECKING:
    from torch import Tensor


def _base(spec: Any) -> Any:
    return in_words(fills.check, spec, "observation")


class Arguments(Table):
    """How much each pixel contributes to the difference between the frame and a base picture.

    The mean gradient on the straight way from the base to the frame, times the way. The contributions sum to the
    difference of the output. Take it first of the gradients, with `base: background`: it then shows what moves.

    Its limits: the base is never salient, so with a black base what is black is not, and with `background` what stands
    still is not. Pictures on the way are blends that the agent never saw. With few steps, the sum is not exact.
    """

    base: Annotated[
        dict[str, dict[str, Any]],
        Allowed("a number, `NAME` or `{NAME: {argument: value}}`"),
        BeforeValidator(_base, json_schema_input_type=float | str | dict[str, Any]),
    ] = Field(
        {"background": {"window": 200}},
        description="The base picture, a [fill](#fills) of the observation: `background`, `{blur: 3}`, `0` for black.",
    )
    steps: PositiveInt = Field(64, description="Number of pictures on the way.")


def base(arguments: Arguments) -> dict[str, dict[str, Any]]:
    """Return the fill of the base picture."""
    return arguments.base


def words(arguments: Arguments) -> str:
    """Return the method's name on pages."""
    return f"integrated_gradients from {fills.described(arguments.base)['hidden_by']}, steps {arguments.steps}"


def attributions(scene: Scene, arguments: Arguments) -> Tensor:
    """Return the contributions, (number, channel, height, width)."""
    import torch

    # The midpoint rule: the error falls with the square of the number of steps.
    shares = (torch.arange(arguments.steps) + 0.5) / arguments.steps
    base = scene.base()
    way = scene.observation - base
    return scene.explained.gradients(base + shares[:, None, None, None] * way).mean(dim=1) * way
