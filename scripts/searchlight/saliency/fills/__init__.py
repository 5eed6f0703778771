"""Fills: what hidden pixels are replaced by. A registry (``searchlight.registry``).

A member has ``Arguments``; ``FORM``, how a config says it, in words; and ``image(scene, arguments)``, which returns the
fill of a ``Scene``: an image of its size and type, or one level or colour. It may have

- ``SHORT``: the types of the values that are short for it, such as numbers;
- ``refusal(arguments, space)``: why it does not go with a space, in words, or None where it does;
- ``window(arguments)``: what the background that it uses is drawn from (``searchlight.saliency.background``);
- ``words(arguments)``: what pages call it, where its name and its arguments say too little;
- ``UNCHANGED``: why masks may change nothing, where that needs more words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from searchlight import registry
from searchlight.errors import SearchlightError
from searchlight.lazy import numpy as np

FOLDER = "saliency/fills"


@dataclass(frozen=True)
class Scene:
    """What a fill may look at.

    Attributes:
        image: what is perturbed: the screen, (H, W, 3) uint8, or the observation, (height, width) float32.
        seen: the part of it that the agent sees.
        background: returns what is usually there, an image like ``image``; for fills with a ``window`` alone.
    """

    image: np.ndarray
    seen: np.ndarray
    background: Callable[[], np.ndarray]


def check(spec: Any, space: str | None = None) -> dict[str, dict[str, Any]]:
    """Return a fill of the config as ``{NAME: {argument: value}}``, complete and in plain types.

    Args:
        spec: what the config says.
        space: ``screen`` or ``observation``; None where it is not known.

    Raises:
        SearchlightError: there is no such fill, its arguments are wrong, or it does not go with the space.
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
    """Return the function that makes a fill of the config for a scene."""
    chosen = _choose(spec)
    return lambda scene: chosen.module.image(scene, chosen.arguments)


def window(spec: Any) -> int | Literal["episode"] | None:
    """Return what a fill's background is drawn from: decisions around a frame, or ``episode``; None without one."""
    chosen = _choose(spec)
    of_member = chosen.get("window")
    return None if of_member is None else of_member(chosen.arguments)


def described(spec: Any) -> dict[str, str]:
    """Return, as attributes of stores, what people call a fill, and why masks may change nothing by it."""
    chosen = _choose(spec)
    values = [f"{value:g}" if isinstance(value, float) else str(value) for _, value in chosen.arguments]
    words = chosen.get("words", lambda _: " ".join([chosen.name, *values]))(chosen.arguments)
    return {"hidden_by": words, "unchanged_because": chosen.get("UNCHANGED", words)}


def _choose(spec: Any) -> registry.Chosen:
    """Return the fill that a specification names, or that it is short for."""
    for name in () if isinstance(spec, (str, dict)) else registry.names(FOLDER):
        if isinstance(spec, getattr(registry.load(FOLDER, name), "SHORT", ())):
            return registry.choose(FOLDER, {name: spec})
    return registry.choose(FOLDER, spec)
