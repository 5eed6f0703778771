"""How large and how fast a video may be for hardware to play it: H.264 up to level 5.2."""

from searchlight.agents.preprocessings import USUAL_SCREEN
from searchlight.config.views import GAP, STRIP_HEIGHT

MACROBLOCKS_A_FRAME, MACROBLOCKS_A_SECOND = 36_864, 2_073_600


def macroblocks(zoom: int) -> int:
    """Return the macroblocks, of 16x16 pixels, of a frame of the largest video, side by side."""
    height, width = USUAL_SCREEN[0] + STRIP_HEIGHT, 2 * USUAL_SCREEN[1] + GAP
    return -(-height * zoom // 16) * -(-width * zoom // 16)
