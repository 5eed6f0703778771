"""Scorers: they turn changes of outputs into saliency maps. A registry (``searchlight.registry``).

A member has ``Arguments`` and ``maps(sums, reference, perturbed, arguments)``. ``maps`` returns a map for each output,
(frame, output, cell), or one for all outputs together, (frame, 1, cell). Its inputs are the masks'
``searchlight.saliency.hidden_sums.HiddenSums``, reference outputs (frame, output), and perturbed outputs
(frame, mask, output). Each frame's map depends on that frame's outputs alone.

A member may have

- ``CAUTION``, one line for users of its maps; every clip by this scorer reports it;
- ``OUTPUT``, the only output of the network that it takes (``searchlight.config.outputs``); other members take all;
- ``critic_maps``, in place of ``maps`` for the value; ``OUTPUT`` does not apply to it;
- ``SIGNED``, if its map of one output has a sign: positive where what was hidden raises the output;
- ``TAKES_CHOSEN``, if it explains one of several outputs. ``maps`` then takes ``chosen``, too: (frame,) int64, the
  actions to explain; None for those with the highest reference output;
- ``PERTURBERS``, the names of the only perturbers whose masks it takes.
"""

from __future__ import annotations

from typing import Any

from searchlight import registry

FOLDER = "saliency/scorers"


def told(spec: dict[str, dict[str, Any]], attribute: str) -> Any:
    """Return an optional attribute of a scorer's file, or None; also None for a plug-in of xaitk-saliency.

    Args:
        spec: scorer of the config.
        attribute: ``CAUTION``, ``OUTPUT``, …
    """
    (name,) = spec
    return None if registry.file_of(FOLDER, name) is None else getattr(registry.load(FOLDER, name), attribute, None)


def signed_ones() -> list[str]:
    """Return the names of the scorers whose maps of one output have a sign."""
    return [name for name, member in registry.members(FOLDER).items() if getattr(member, "SIGNED", False)]


def caution(spec: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return a scorer's ``caution`` as an attribute of stores; empty for a scorer without one.

    Args:
        spec: scorer of the config: a member, or a plug-in of xaitk-saliency.
    """
    text = told(spec, "CAUTION")
    return {} if text is None else {"caution": text}
