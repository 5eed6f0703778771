"""Fills: the values that replace hidden pixels. A registry (``searchlight.registry``).

A member has ``Arguments``; ``FORM``, the form that a config writes; and ``image(scene, arguments)``. ``image`` returns
the fill of a ``Scene``: an image of its size and type, or one level or colour. A member may have

- ``SHORT``: types of the values that stand for this fill in a config, such as numbers;
- ``refusal(arguments, space)``: the reason why a space does not allow the fill, or None if it does;
- ``window(arguments)``: decisions that the background is drawn from (``searchlight.saliency.background``);
- ``words(arguments)``: the fill's name on pages, if its name and its arguments are unclear;
- ``UNCHANGED``: the reason why masks may change nothing, if ``words`` does not explain it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

from searchlight import registry
from searchlight.agents.preprocessing import PreparedFrame, Preprocessing
from searchlight.errors import SearchlightError
from searchlight.lazy import numpy as np

FOLDER = "saliency/fills"


@dataclass(frozen=True)
class Scene:
    """Images that a fill may use.

    Attributes:
        image: the image to perturb: the screen, (H, W, 3) uint8, or a channel of the observation, (height, width)
            float32.
        seen: the part of the image that the agent sees.
        background: returns the background, an image like ``image``; only for fills with a ``window``.
    """

    image: np.ndarray
    seen: np.ndarray
    background: Callable[[], np.ndarray]


def check(spec: Any, space: str | None = None) -> dict[str, dict[str, Any]]:
    """Return a fill of the config as ``{NAME: {argument: value}}``, complete and in plain types.

    Args:
        spec: fill as the config states it.
        space: ``screen`` or ``observation``; None if it is unknown.

    Raises:
        SearchlightError: the fill does not exist, its arguments are wrong, or the space does not allow it.
    """
    try:
        chosen = _choose(spec)
    except SearchlightError as error:
        forms = [member.FORM for member in registry.members(FOLDER).values()]
        raise SearchlightError(
            f"found {spec!r}, allowed: {', '.join(forms[:-1])}, or {forms[-1]}; one of them, an overlay takes out the "
            "other by null"
        ) from error
    refusal = chosen.get("refusal")
    if refusal is not None and space is not None and (line := refusal(chosen.arguments, space)) is not None:
        raise SearchlightError(line)
    return chosen.spec


def build(spec: Any) -> Callable[[Scene], np.ndarray]:
    """Return a function that makes the fill's image for a scene."""
    chosen = _choose(spec)
    return lambda scene: chosen.module.image(scene, chosen.arguments)


def of_observation(
    fill: Callable[[Scene], np.ndarray],
    image: np.ndarray,
    frame: PreparedFrame,
    channels: int,
    backgrounds: np.ndarray | None,
) -> np.ndarray:
    """Return the fill of an observation's pictures, channel by channel.

    Args:
        fill: as ``build`` returns it.
        image: (height, width, channel) float32, the pictures, oldest first.
        frame: their frame, prepared.
        channels: number of channels of a picture.
        backgrounds: (picture, H, W, 3) uint8, the background of each picture's screen; only for fills with a window.

    Returns:
        (height, width, channel) float32, or one level for each channel, (channel,).
    """
    given = cast("np.ndarray", backgrounds)  # only fills with a window use it
    layers = [image[:, :, channel] for channel in range(image.shape[2])]
    filled = [
        fill(Scene(layer, layer, partial(_channel_of, frame, given, *divmod(channel, channels))))
        for channel, layer in enumerate(layers)
    ]
    return np.stack(filled, axis=-1)


def filled(
    fill: Callable[[Scene], np.ndarray],
    frame: PreparedFrame,
    preprocessing: Preprocessing,
    pictures: int,
    backgrounds: np.ndarray | None,
) -> np.ndarray:
    """Return an observation with all of its pictures replaced by their fills; zeros in place of missing ones stay.

    Args:
        fill: as ``build`` returns it.
        frame: the frame, prepared.
        preprocessing: that prepared it.
        pictures: number of pictures that the frame has; a young stack has fewer than others.
        backgrounds: as ``of_observation`` takes them.

    Returns:
        (height, width, channel) float32.
    """
    found = frame.observation.copy()
    present = found[:, :, preprocessing.channels * (preprocessing.stack - pictures) :]
    present[...] = of_observation(fill, present, frame, preprocessing.channels, backgrounds)
    return found


def _channel_of(frame: PreparedFrame, backgrounds: np.ndarray, number: int, channel: int) -> np.ndarray:
    """Return a channel of a picture's background, as the agent observes it."""
    return frame.observe_other(backgrounds[number])[:, :, channel]


def window(spec: Any) -> int | Literal["episode"] | None:
    """Return the window of a fill's background: decisions around a frame, ``episode``, or None without a background."""
    chosen = _choose(spec)
    of_member = chosen.get("window")
    return None if of_member is None else of_member(chosen.arguments)


def described(spec: Any) -> dict[str, str]:
    """Return a fill's description, and the reason why masks may change nothing, as attributes of stores."""
    chosen = _choose(spec)
    values = [f"{value:g}" if isinstance(value, float) else str(value) for _, value in chosen.arguments]
    words = chosen.get("words", lambda _: " ".join([chosen.name, *values]))(chosen.arguments)
    return {"hidden_by": words, "unchanged_because": chosen.get("UNCHANGED", words)}


def _choose(spec: Any) -> registry.Chosen:
    """Return the fill that a specification names, in full or in short form."""
    for name in () if isinstance(spec, (str, dict)) else registry.names(FOLDER):
        if isinstance(spec, getattr(registry.load(FOLDER, name), "SHORT", ())):
            return registry.choose(FOLDER, {name: spec})
    return registry.choose(FOLDER, spec)
