"""Recurrent cells as functions: what follows the products of the input and of the memory with their weights.

The gates are in torch's order. A cell's memory is ``h`` and ``c`` of an LSTM, and ``h`` of a GRU.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def lstm(product: Tensor, recurrent: Tensor, memory: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the memory after a step of an LSTM.

    Args:
        product: (batch, 4 * hidden), the input times its weights, bias included.
        recurrent: (batch, 4 * hidden), or (1, 4 * hidden) for all, ``h`` times its weights, bias included.
        memory: arrays of (batch, hidden), or of (1, hidden) for all.
    """
    entered, kept, written, shown = (product + recurrent).chunk(4, dim=1)
    cell = torch.sigmoid(kept) * memory["c"] + torch.sigmoid(entered) * torch.tanh(written)
    return {"h": torch.sigmoid(shown) * torch.tanh(cell), "c": cell}


def gru(product: Tensor, recurrent: Tensor, memory: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the memory after a step of a GRU; arguments as for ``lstm``, with 3 gates."""
    (reset, kept, new), (reset_before, kept_before, new_before) = product.chunk(3, dim=1), recurrent.chunk(3, dim=1)
    proposed = torch.tanh(new + torch.sigmoid(reset + reset_before) * new_before)
    share = torch.sigmoid(kept + kept_before)
    return {"h": (memory["h"] - proposed) * share + proposed}


STEPS = {"lstm": lstm, "gru": gru}
