"""Resized by area, then grey: as gymnasium's ``ResizeObservation`` and ``GrayScaleObservation`` up to 0.29."""

from __future__ import annotations

from searchlight.agents.preprocessings._area import Area, AreaArguments


class Arguments(AreaArguments):
    """For agents trained with CleanRL's `dqn_atari.py`, `ppo_atari.py` and the like.

    The whole screen resized to 84x84 by area, then made grey, four pictures a stack. Where the stack begins, the first
    picture stands in place of those before it. `ppo_atari_lstm.py` has `stack: 1`.
    """


def build(screen: tuple[int, int], arguments: Arguments) -> Area:
    """Return the preprocessing for screens of a height and width."""
    return Area(screen, arguments, grey_first=False)
