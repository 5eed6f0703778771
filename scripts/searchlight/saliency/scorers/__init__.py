"""Scorers: how what masks do to outputs becomes a map. A registry (``searchlight.registry``).

A member has ``Arguments``, and ``maps(sums, reference, perturbed, arguments)``, which returns the maps of some frames,
(frame, output, cell), or (frame, 1, cell) of all outputs together. It is given ``searchlight.saliency.hidden_sums``
``HiddenSums`` of the masks, reference outputs (frame, output), and perturbed ones (frame, mask, output). Each frame's
map depends on its own outputs alone.

It may have ``CAUTION``, a line for those who use it; it is said with each clip.
"""

from __future__ import annotations

from typing import Any

from searchlight import registry

FOLDER = "saliency/scorers"


def caution(spec: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return ``caution``, what to know of a scorer's maps, as an attribute of stores; empty without one.

    Args:
        spec: of the config, of a member or of a plug-in of xaitk-saliency.
    """
    (name,) = spec
    if registry.file_of(FOLDER, name) is None:
        return {}
    text = registry.choose(FOLDER, spec).get("CAUTION")
    return {} if text is None else {"caution": text}
