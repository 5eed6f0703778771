"""The videos that each method of a clip becomes, and how large they are."""

from searchlight.agents.preprocessings import USUAL_SCREEN

LAYERS = ("actor", "critic", "both", "side-by-side")
# In pixels of the screen: the strip above a picture, and what lies between two that stand side by side.
STRIP_HEIGHT, GAP = 8, 4
# What hardware plays: H.264 up to level 5.2.
MACROBLOCKS_A_FRAME, MACROBLOCKS_A_SECOND = 36_864, 2_073_600


def macroblocks(zoom: int) -> int:
    """Return the macroblocks, of 16x16 pixels, of a frame of the largest video, side by side."""
    height, width = USUAL_SCREEN[0] + STRIP_HEIGHT, 2 * USUAL_SCREEN[1] + GAP
    return -(-height * zoom // 16) * -(-width * zoom // 16)
