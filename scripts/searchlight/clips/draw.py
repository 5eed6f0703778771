"""Pictures of a clip's videos: the game, with the saliency of the actor and the critic drawn on it.

There are two styles. ``spotlight`` dims the screen except where a map is bright. Around bright areas, it adds a glow in
the colour of the actor or the critic. ``notebook`` adds a colour to the screen, with saturation (in the XAITK notebook,
bright pixels overflow to dark ones). Signed maps have two colours, for what raises and what lowers the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np

from searchlight.config.views import GAP

# Spotlight: brightness of the dimmed screen, fraction of colour removed from it, width of the glow's blur in pixels.
DIMMED, GREYED, GLOW = 0.4, 0.7, 7
_DARK = DIMMED * (np.full((3, 3), GREYED / 3, np.float32) + (1 - GREYED) * np.eye(3, dtype=np.float32))


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
