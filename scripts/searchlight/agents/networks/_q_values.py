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
        each, categorical = self.values.each, self.values.atoms is not None
        # (batch, action, quantile or atom)
        sizes = (self.actions, each) if categorical else (each, self.actions)
        given = actor.view(-1, *sizes) if categorical else actor.view(-1, *sizes).transpose(1, 2)
        if critic is not None:
            given = given - given.mean(dim=1, keepdim=True) + critic[:, None]
        expected = torch.softmax(given, dim=2) @ self.get_buffer("atoms") if categorical else given.mean(dim=2)
        return expected, expected.amax(dim=1) if categorical or critic is None else critic.mean(dim=1)
