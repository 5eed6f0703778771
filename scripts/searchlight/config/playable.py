"""Largest size and frame rate of videos that hardware can play: H.264 up to level 5.2."""

from searchlight.agents.preprocessings import USUAL_SCREEN
from searchlight.config.views import GAP, STRIP_HEIGHT

MACROBLOCKS_A_FRAME, MACROBLOCKS_A_SECOND = 36_864, 2_073_600
LEVEL = (
    f"hardware plays H.264 up to level 5.2, {MACROBLOCKS_A_FRAME} macroblocks a frame, {MACROBLOCKS_A_SECOND} a second"
)


def macroblocks(zoom: int) -> int:
    """Return the number of 16x16 macroblocks in a frame of the largest video, ``side-by-side``."""
    height, width = USUAL_SCREEN[0] + STRIP_HEIGHT, 2 * USUAL_SCREEN[1] + GAP
    return -(-height * zoom // 16) * -(-width * zoom // 16)


def largest_zoom(fps: float = 0) -> int:
    """Return the largest zoom of videos with ``fps`` frames a second."""
    zoom = 1
    while macroblocks(zoom + 1) <= MACROBLOCKS_A_FRAME and macroblocks(zoom + 1) * fps <= MACROBLOCKS_A_SECOND:
        zoom += 1
    return zoom


def largest_fps(zoom: int) -> float:
    """Return the largest number of frames a second of videos with a zoom."""
    return MACROBLOCKS_A_SECOND / macroblocks(zoom)
