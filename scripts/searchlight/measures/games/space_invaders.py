"""Space Invaders."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from searchlight.measures.games import Box, GameObject, moves

_FIELD = Box(30, 0, 165, 160)
_ROWS = range(18, 24)  # bytes of the rows of aliens, from below; a bit is an alien


def _aliens(ram: Sequence[int]) -> Box | None:
    """Return the box around all aliens that are left."""
    columns = 0
    for byte in _ROWS:
        columns |= ram[byte]
    if not columns & 63:
        return None
    rows = [row for row, byte in enumerate(reversed(_ROWS)) if ram[byte] & 63]
    empty = 6 - (columns & 63).bit_length()
    first, last = 0, 5 - empty - _lowest(columns & 63)
    top, left = 31 + 2 * ram[16] + 18 * rows[0], ram[26] - 1 + 16 * first
    return Box(top, left, 18 * (rows[-1] - rows[0]) + 10, 16 * (last - first) + 8)


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def _player(ram: Sequence[int]) -> Box:
    return Box(185, ram[28] - 1, 10, 7)


def _shield(index: int) -> Callable[[Sequence[int]], Box | None]:
    def place(ram: Sequence[int]) -> Box | None:
        rows = [row for row, byte in enumerate(ram[43 + 9 * index : 52 + 9 * index]) if byte]
        return Box(157 + 2 * rows[0], 42 + 32 * index, 2 * (rows[-1] - rows[0] + 1), 8) if rows else None

    return place


OBJECTS = (
    GameObject("aliens", _aliens, _FIELD, moves(right=(-10, 10), x=26)),
    GameObject("player", _player, Box(185, 0, 10, 160), moves(right=(-30, 30), x=28), slack=1),
    *(GameObject(f"shield {index + 1}", _shield(index), _FIELD) for index in range(3)),
)
