"""Q-networks in torch: from what their heads give to a value for each action."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from searchlight.agents.networks._convolutional import Architecture
from searchlight.agents.networks._layers import LayeredPolicy
from searchlight.agents.networks.q_network import Values
from searchlight.agents.policy import Q_VALUES


class QNetwork(LayeredPolicy):
    """A network whose outputs are Q-values; its value is its value head's where it has one, else the largest Q-value.

    A dueling network's Q is V + A - mean(A) (Wang et al. 2016). Quantiles are sb3-contrib's, (quantile, action), and
    count by their mean (Dabney et al. 2018). Categorical ones are CleanRL's, (action, atom), and count by the atoms'
    expected value (Bellemare et al. 2017); their dueling head gives scores of atoms, not a value.
    """

    output = Q_VALUES

    def __init__(self, architecture: Architecture, values: Values, tensors: Mapping[str, np.ndarray]) -> None:
        super().__init__(architecture, tensors)
        self.values, self.actions = values, values.actions
        atoms = np.zeros(1, np.float32) if values.atoms is None else tensors[values.atoms]
        self.register_buffer("atoms", torch.from_numpy(atoms))

    def answer(self, actor: Tensor, critic: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return Q-values (batch, action) and values (batch,)."""
        kind, each = self.values.kind, self.values.each
        # (batch, action, quantile or atom)
        if kind == "quantiles":
            given = actor.view(-1, each, self.actions).transpose(1, 2)
        else:
            given = actor.view(-1, self.actions, each)
        if critic is not None:
            given = given - given.mean(dim=1, keepdim=True) + critic[:, None]
        if kind == "categorical":
            expected = torch.softmax(given, dim=2) @ self.get_buffer("atoms")
        else:
            expected = given.mean(dim=2)
        has_value = critic is not None and kind != "categorical"
        return expected, critic.mean(dim=1) if has_value and critic is not None else expected.amax(dim=1)
