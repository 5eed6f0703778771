"""Pictures of a clip's videos: the game, with the saliency of the actor and the critic drawn on it.

There are two styles. ``spotlight`` dims the screen except where a map is bright. Around bright areas, it adds a glow in
the colour of the actor or the critic. ``notebook`` adds a colour to the screen, with saturation (in the XAITK notebook,
bright pixels overflow to dark ones). Signed maps have two colours, for what raises and what lowers the output.

Every pixel of the screen becomes a square of ``zoom`` pixels. A strip above shows the step, score, value and action.
For each map, it shows the largest saliency of the frame, as a share of the largest in the clip.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from typing import cast

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from searchlight.config.views import GAP, STRIP_HEIGHT

# Spotlight: brightness of the dimmed screen, fraction of colour removed from it, width of the glow's blur in pixels.
DIMMED, GREYED, GLOW = 0.4, 0.7, 7
_DARK = DIMMED * (np.full((3, 3), GREYED / 3, np.float32) + (1 - GREYED) * np.eye(3, dtype=np.float32))
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
class Style:
    """Appearance of videos: ``video`` of the config."""

    style: str
    gamma: float
    zoom: int
    opacity: float
    actor: str
    critic: str
    highlight: str = ""  # colour of the notebook style
    raises: str = ""  # colours of signed maps
    lowers: str = ""


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


def on_screen(
    saliency: np.ndarray,
    screen: tuple[int, int],
    seen: tuple[int, int, int, int],
    gain: float = 1,
    gamma: float = 1,
) -> np.ndarray:
    """Return a map in 0..1 on the screen's pixels, as videos show it.

    Args:
        saliency: map of the screen's shape, or of the observation's shape. The latter is enlarged smoothly to the part
            that the agent sees.
        screen: height and width of the screen.
        seen: top, bottom, left and right of the part of the screen that the agent sees.
        gain: factor of the map.
        gamma: exponent of the map after it is clipped to 0..1.

    Returns:
        (height, width) float32 in 0..1.
    """
    if saliency.shape != screen:
        whole = np.zeros(screen, np.float32)
        top, bottom, left, right = seen
        size = (right - left, bottom - top)
        whole[top:bottom, left:right] = cv2.resize(saliency, size, interpolation=cv2.INTER_LINEAR)
        saliency = whole
    return np.clip(saliency * np.float32(gain), 0, 1) ** gamma


def highlight(frame: np.ndarray, saliency: np.ndarray, colour: str, opacity: float) -> np.ndarray:
    """Add a colour to a frame in proportion to a map, with saturation.

    Args:
        frame: (height, width, 3) uint8.
        saliency: (height, width) in 0..1.
        colour: ``#rrggbb``.
        opacity: fraction of the colour that is added where the map is 1.
    """
    return cv2.add(frame, cv2.merge([(saliency * level).astype(np.uint8) for level in opacity * _rgb(colour)]))


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float32)


@dataclass(frozen=True)
class Light:
    """A map as the spotlight uses it; all arrays are uint8 for speed.

    Attributes:
        lit: (height, width), opacity of the undimmed screen.
        glow: (height, width), opacity of the glow.
        colours: (height, width, 3), colour of the glow, times its opacity.
    """

    lit: np.ndarray
    glow: np.ndarray
    colours: np.ndarray


def light(frame: np.ndarray, saliency: np.ndarray, colour: str, opacity: float) -> Light:
    """Return a map as a light on a frame.

    The glow is the map and a halo around it. It fades where both the map and the frame are bright, so that salient
    objects stay visible. Salient black areas, such as an empty place, glow.

    Args:
        frame: (height, width, 3) uint8.
        saliency: (height, width) float32 in 0..1.
        colour: ``#rrggbb`` of the glow.
        opacity: opacity of the glow.
    """
    lit = cv2.convertScaleAbs(saliency, alpha=255)
    # Two box blurs approximate a Gaussian blur in a tenth of its time.
    spread = cv2.blur(cv2.blur(lit, (GLOW, GLOW)), (GLOW, GLOW))
    bright = cv2.multiply(lit, reduce(cv2.max, cv2.split(frame)), scale=1 / 255)
    glow = cv2.multiply(cv2.max(lit, spread), 255 - bright, scale=opacity / 255)
    return Light(lit, glow, cv2.merge([cv2.convertScaleAbs(glow, alpha=level / 255) for level in _rgb(colour)]))


def spotlight(frame: np.ndarray, lights: Sequence[Light]) -> np.ndarray:
    """Return a frame (height, width, 3) uint8, dimmed outside of the lights, with their glow added.

    The colours of glows that overlap add up.
    """
    lit, glow = (reduce(cv2.max, layers) for layers in zip(*((one.lit, one.glow) for one in lights), strict=True))
    bright = cv2.multiply(lit, 255 - glow, scale=1 / 255)
    shown = cv2.add(_times(frame, bright), _times(cv2.transform(frame, _DARK), 255 - glow - bright))
    return cv2.add(shown, reduce(cv2.add, (one.colours for one in lights)))


def _times(picture: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return a picture times weights, (height, width) uint8, where 255 stands for 1."""
    return cv2.multiply(picture, cv2.merge([weights] * 3), scale=1 / 255)


def draw_layers(frame: np.ndarray, actor: np.ndarray, critic: np.ndarray, style: Style) -> dict[str, np.ndarray]:
    """Return a picture of each of ``LAYERS``, before enlargement.

    Args:
        frame: (height, width, 3) uint8.
        actor: map of the actor on the screen, (height, width) in 0..1.
        critic: map of the critic, likewise.
        style: colours and opacity.
    """
    if style.style == "notebook":
        layers = {
            "actor": highlight(frame, actor, style.highlight, style.opacity),
            "critic": highlight(frame, critic, style.highlight, style.opacity),
            "both": highlight(highlight(frame, actor, style.actor, style.opacity), critic, style.critic, style.opacity),
        }
    else:
        lights = {
            "actor": light(frame, actor, style.actor, style.opacity),
            "critic": light(frame, critic, style.critic, style.opacity),
        }
        layers = {layer: spotlight(frame, [one]) for layer, one in lights.items()}
        layers["both"] = spotlight(frame, [*lights.values()])
    return _with_side_by_side(layers)


def draw_signed_layers(
    frame: np.ndarray,
    actor: tuple[np.ndarray, np.ndarray],
    critic: tuple[np.ndarray, np.ndarray],
    style: Style,
) -> dict[str, np.ndarray]:
    """Return a picture of each of ``LAYERS``, as ``draw_layers`` does, for signed maps.

    The actor's and the critic's own pictures have a colour for each sign. The picture of both has the colours of the
    actor and the critic, and leaves the signs out, because four colours in one picture cannot be read.

    Args:
        frame: (height, width, 3) uint8.
        actor: what raises and what lowers the actor's output, maps on the screen, (height, width) in 0..1 each.
        critic: what raises and what lowers the value, likewise.
        style: colours and opacity.
    """
    both = draw_layers(frame, np.maximum(*actor), np.maximum(*critic), style)["both"]
    actor_picture, critic_picture = (_in_two_colours(frame, *maps, style) for maps in (actor, critic))
    return _with_side_by_side({"actor": actor_picture, "critic": critic_picture, "both": both})


def _in_two_colours(frame: np.ndarray, raising: np.ndarray, lowering: np.ndarray, style: Style) -> np.ndarray:
    maps = (raising, style.raises), (lowering, style.lowers)
    if style.style == "spotlight":
        return spotlight(frame, [light(frame, saliency, colour, style.opacity) for saliency, colour in maps])
    for saliency, colour in maps:
        frame = highlight(frame, saliency, colour, style.opacity)
    return frame


def _with_side_by_side(layers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return pictures with that of the actor beside the critic."""
    gap = np.zeros((len(layers["actor"]), GAP, 3), np.uint8)
    return {**layers, "side-by-side": np.concatenate([layers["actor"], gap, layers["critic"]], axis=1)}


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
