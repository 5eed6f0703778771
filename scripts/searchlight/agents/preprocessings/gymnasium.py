"""The game's grey, resized by area: as gymnasium's ``AtariPreprocessing``, stacked by ``FrameStackObservation``.

The frame that it is given has each pixel from the one of two raw screens whose grey is larger
(``searchlight.agents.wrappers``). Its grey is therefore the maximum of both screens' greys. The emulator's grey equals
OpenCV's for all colours of all games but AirRaid, which the wrapper refuses.
"""

from __future__ import annotations

from searchlight.agents.preprocessings._area import Area, AreaArguments


class Arguments(AreaArguments):
    """For agents trained with gymnasium's `AtariPreprocessing` and `FrameStackObservation`.

    The whole screen in the emulator's grey, resized to 84x84 by area, four pictures a stack. Where the stack begins,
    the first picture stands in place of those before it, or zeros if the agent had `padding_type="zero"`.
    """


def build(screen: tuple[int, int], arguments: Arguments) -> Area:
    """Return the preprocessing for screens of a height and width."""
    return Area(screen, arguments, grey_first=True)
