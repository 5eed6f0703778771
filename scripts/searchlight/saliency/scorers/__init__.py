"""Scorers: they turn changes of outputs into saliency maps. A registry (``searchlight.registry``).

A member has ``Arguments`` and ``maps(sums, reference, perturbed, arguments)``. ``maps`` returns a map for each output,
(frame, output, cell), or one for all outputs together, (frame, 1, cell). Its inputs are the masks'
``searchlight.saliency.hidden_sums.HiddenSums``, reference outputs (frame, output), and perturbed outputs
(frame, mask, output). Each frame's map depends on that frame's outputs alone.

A member may have ``CAUTION``, one line for users of its maps; every clip by this scorer reports it.
"""

from __future__ import annotations

from typing import Any

from searchlight import registry

FOLDER = "saliency/scorers"


def caution(spec: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return a scorer's ``caution`` as an attribute of stores; empty for a scorer without one.

    Args:
        spec: scorer of the config: a member, or a plug-in of xaitk-saliency.
    """
    (name,) = spec
    if registry.file_of(FOLDER, name) is None:
        return {}
    text = registry.choose(FOLDER, spec).get("CAUTION")
    return {} if text is None else {"caution": text}
