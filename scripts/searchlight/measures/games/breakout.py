"""Breakout: the ball exact in 98 % of frames, the paddle in 96 %, the hull of the bricks in all.

The ball is compared where nothing else touches it. The paddle is not exact where the ball meets it. Moves of the ball
take in 93 % (among bricks it may not be seen), those of the paddle in all.
"""

from __future__ import annotations

from collections.abc import Sequence

from searchlight.measures.games import Box, GameObject, moves

# Six rows of bricks from below: of each group of bytes, the bits that are drawn and where. A bit is 4 columns.
_BRICKS = tuple(
    (group, bit, left)
    for group, bits, first, step in (
        (0, range(6), 128, 4),
        (6, range(8), 124, -4),
        (12, range(4, 8), 64, 4),
        (18, range(8), 48, 4),
        (24, range(8), 44, -4),
        (30, range(6, 8), -16, 4),
    )
    for bit in bits
    for left in (first + step * bit,)
)


def _ball(ram: Sequence[int]) -> Box | None:
    if ram[101] == 0:
        return None
    # Among the bricks and above them, the ball is drawn a row higher; on the border, it is a row longer.
    top = ram[101] + 9
    return Box(top - (top < 94), ram[99] - 49, 4 + (90 <= top < 94), 2)


def _paddle(ram: Sequence[int]) -> Box:
    return Box(189, ram[72] - 47, 4, 2 * ram[108])  # shorter once the ball has met the ceiling


def _bricks(ram: Sequence[int]) -> Box | None:
    """Return the box around all bricks that are left."""
    left = [(87 - 6 * row, column) for row in range(6) for group, bit, column in _BRICKS if ram[group + row] >> bit & 1]
    if not left:
        return None
    rows, columns = zip(*left, strict=True)
    return Box(min(rows), min(columns), max(rows) + 6 - min(rows), max(columns) + 4 - min(columns))


OBJECTS = (
    GameObject(
        "ball", _ball, Box(32, 8, 163, 144), moves(right=(-30, 30), down=(-30, 20), both=(-20, 20), x=99, y=101)
    ),
    # The game takes the mean of this byte and of where the joystick is.
    GameObject("paddle", _paddle, Box(189, 8, 4, 144), moves(right=(-30, 30), x=72), gain=2),
    GameObject("bricks", _bricks, Box(57, 8, 36, 144)),
)
