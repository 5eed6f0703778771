"""Grey, then resized by area: as stable-baselines3's ``WarpFrame``, stacked as its ``VecFrameStack`` does."""

from __future__ import annotations

from searchlight.agents.preprocessings._area import Area, AreaArguments
from searchlight.agents.preprocessings._stack import Padding


class Arguments(AreaArguments):
    """For agents trained with stable-baselines3 or its zoo (`AtariWrapper`, then `VecFrameStack`).

    The whole screen in grey, resized to 84x84 by area, four pictures a stack. Where the stack begins, at a game's start
    and after each lost life, the pictures before are black.
    """

    padding: Padding = "zeros"


def build(screen: tuple[int, int], arguments: Arguments) -> Area:
    """Return the preprocessing for screens of a height and width."""
    return Area(screen, arguments, grey_first=True)
