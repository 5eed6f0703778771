"""Stores of the measure `memory` with made-up numbers, as a run leaves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from searchlight.store.zarr import Variable

from helpers.files import save

TIME = (100, 103, 106, 109)


def save_measured(path: Path, curves: Mapping[str, Sequence[float]], time: Sequence[int] = TIME, **about: Any) -> Path:
    """Write the store of a measure, with a curve for each of some names; return its path.

    Args:
        path: of the store.
        curves: numbers along ``time`` by the name of the curve, ``OF: QUANTITY``.
        time: the decisions that were measured.
        about: more attributes of the store, such as ``method``.
    """
    variables = {"time": Variable(("time",), np.array(time, np.int64))}
    for index, (name, numbers) in enumerate(curves.items()):
        of, _, quantity = name.rpartition(": ")
        attributes = {"curve": name, "of": of, "quantity": quantity}
        variables[f"curve_{index}"] = Variable(("time",), np.array(numbers, np.float64), attributes)
    save(path, variables, {"measure": "memory", "agent": "breakout", "seed": 1, **about})
    return path
