"""Names of what methods compare of a network's answer. ``searchlight.saliency.outputs`` computes it."""

from __future__ import annotations

from typing import Literal

Output = Literal["logits", "log_probabilities", "probabilities", "advantages", "chosen_action"]
# Q-values become probabilities by a temperature alone.
OF_PROBABILITIES: tuple[Output, ...] = ("log_probabilities", "probabilities")
