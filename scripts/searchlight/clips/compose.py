"""Whole pictures of videos: a drawn panel, enlarged, under a strip of text.

Every pixel of the screen becomes a square of ``zoom`` pixels. The strip shows the step, score, value and action. For
each map, it shows the largest saliency of the frame, as a share of the largest in the clip.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import cast

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from searchlight.config.views import STRIP_HEIGHT

SMALLEST_FONT = 9
TEXT, BACKGROUND, QUIET = 220, 36, 145  # luma
_NEUTRAL = 128
_YUV = np.array(
    [
        [0.1826, 0.6142, 0.0620, 16],
        [-0.1006, -0.3386, 0.4392, _NEUTRAL],
        [0.4392, -0.3989, -0.0403, _NEUTRAL],
    ],
    np.float32,
)


@dataclass(frozen=True)
class Caption:
    """Values that the strip above a frame shows."""

    step: int
    score: float
    action: str
    value: float

    def parts(self) -> list[str]:
        """Return the texts from left to right."""
        return [f"step {self.step}", f"score {self.score:g}", f"value {self.value:.2f}", self.action]


def compose(panel: np.ndarray, caption: Caption, labels: Sequence[str], zoom: int) -> np.ndarray:
    """Return a whole picture: the strip, and under it the enlarged panel.

    Args:
        panel: (height, width, 3) uint8.
        caption: values on the left of the strip.
        labels: one text for each equal part of the panel; the strip shows it on the right of that part.
        zoom: side of the square that each pixel becomes, in pixels.

    Returns:
        The planes of a yuv420p picture, as PyAV takes them: (height * 3 / 2, width) uint8. Here height is
        (the panel's height + STRIP_HEIGHT) * zoom.
    """
    height, width = panel.shape[0] * zoom, panel.shape[1] * zoom
    strip_height = STRIP_HEIGHT * zoom
    luma, *chroma = _to_yuv(panel)
    picture = np.empty(((height + strip_height) * 3 // 2, width), np.uint8)
    picture[:strip_height] = _strip(width, strip_height, caption, labels)
    _enlarge(luma, zoom, picture[strip_height : strip_height + height])
    planes = picture[height + strip_height :].reshape(2, (height + strip_height) // 2, width // 2)
    planes[:, : strip_height // 2] = _NEUTRAL
    for plane, values in zip(planes[:, strip_height // 2 :], chroma, strict=True):
        # Chroma has half the resolution; with an odd zoom, squares do not align, so every second pixel is taken.
        if zoom % 2 == 0:
            _enlarge(values, zoom // 2, plane)
        else:
            whole = np.empty((height, width), np.uint8)
            _enlarge(values, zoom, whole)
            plane[...] = whole[::2, ::2]
    return picture


def _enlarge(plane: np.ndarray, zoom: int, target: np.ndarray) -> None:
    """Fill ``target``, a contiguous array, with a square of ``zoom`` pixels a side for each pixel of a plane."""
    wide = cv2.merge([plane] * zoom).reshape(len(plane), 1, -1)
    target.reshape(len(plane), zoom, -1)[...] = wide


def _to_yuv(panel: np.ndarray) -> Sequence[np.ndarray]:
    """Return the planes Y, Cb, Cr of an RGB picture: BT.709, limited range."""
    return cv2.split(cv2.transform(panel, _YUV))


def _strip(width: int, height: int, caption: Caption, labels: Sequence[str]) -> np.ndarray:
    strip = np.full((height, width), BACKGROUND, np.uint8)
    part = width // len(labels)
    margin = max(2, height // 4)
    font_size = max(SMALLEST_FONT, int(height * 0.62))
    free = []
    for index, label in enumerate(labels):
        glyphs = _glyphs(label, font_size, QUIET)
        # Every share has room for three digits, so that texts keep their places in all frames.
        widest = _glyphs(re.sub(r"<?\d+(?= %)", "100", label), font_size, QUIET)
        free.append(part * (index + 1) - margin - widest.shape[1])
        _paste(strip, glyphs, free[-1] if free[-1] >= index * part else index * part)
    left = margin
    for text in caption.parts():
        glyphs = _glyphs(text, font_size, TEXT)
        if left + glyphs.shape[1] > free[0] - margin:
            break  # small pictures show the first texts alone
        _paste(strip, glyphs, left)
        # Columns are as wide as their longest usual text, so that texts keep their places in all frames.
        left += max(glyphs.shape[1], int(font_size * 4.6)) + margin
    return strip


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return cast("ImageFont.FreeTypeFont", ImageFont.load_default(size))  # Pillow's wheels include FreeType


@lru_cache(maxsize=4096)
def _glyphs(text: str, size: int, luma: int) -> np.ndarray:
    """Return a text as luma, from cached words and digits, because most texts differ by a digit."""
    return np.hstack([_drawn(part, size, luma) for part in re.findall(r"\d|\D+", text)])


@cache
def _drawn(text: str, size: int, luma: int) -> np.ndarray:
    font = _font(size)
    ascent, descent = font.getmetrics()
    image = Image.new("L", (round(font.getlength(text)), ascent + descent), BACKGROUND)
    ImageDraw.Draw(image).text((0, 0), text, font=font, fill=luma)
    return np.asarray(image)


def _paste(strip: np.ndarray, glyphs: np.ndarray, left: int) -> None:
    top = (strip.shape[0] - glyphs.shape[0]) // 2
    cut = max(0, -top)
    top = max(0, top)
    height = min(glyphs.shape[0] - cut, strip.shape[0] - top)
    width = min(glyphs.shape[1], strip.shape[1] - left)
    strip[top : top + height, left : left + width] = glyphs[cut : cut + height, :width]
