"""Panels of the figure of faithfulness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from searchlight.measures import Results, Row
from searchlight.measures._statistics import mean_interval

# Of what is no method.
GREY = "0.55"


def draw_curves(axes: Axes, results: Results, base: int) -> None:
    """Draw the chosen action along deletion and insertion, by each method and by random pixels.

    Args:
        axes: to draw on.
        results: of the measure.
        base: number of the base.
    """
    stores = [(name, store, f"C{number}") for number, (name, store) in enumerate(results.of_methods.items())]
    if results.of_clip is not None:
        stores.append(("random pixels", results.of_clip, GREY))
    time = results.any.read("time").tolist()
    for name, store, colour in stores:
        for way, line in (("deletion", "-"), ("insertion", "--")):
            numbers = store.read(way)[:, base].astype(np.float64)
            mean, low, high = zip(*(mean_interval(step, time) for step in numbers.T), strict=True)
            share = np.linspace(0, 100, len(mean))
            axes.plot(share, mean, line, color=colour, linewidth=1.4, label=name if way == "deletion" else None)
            if colour != GREY:
                axes.fill_between(share, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_xlabel("pixels, most salient first (%)")
    if base == 0:
        axes.set_ylabel(results.any.about("deletion")["long_name"].replace(" of", "\nof", 1))


def draw_numbers(axes: Axes, rows: Sequence[Row], names: Sequence[str], methods: Sequence[str]) -> None:
    """Draw numbers with their intervals as dots, one below the other.

    Args:
        axes: to draw on.
        rows: of the table.
        names: of the rows, from above.
        methods: names of the methods. Others have a hollow dot, in the colour of the method that they belong to.
    """
    axes.axvline(0, color="0.7", linewidth=0.8, zorder=0)
    for row in rows:
        place = names.index(row.of)
        owner = next((number for number, name in enumerate(methods) if row.of.startswith(f"{name}: ")), None)
        if row.is_method:
            owner = methods.index(row.of)
        colour = GREY if owner is None else f"C{owner}"
        axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.6)
        axes.plot(
            row.value, place, "o", color=colour, markersize=6, markerfacecolor=colour if row.is_method else "white"
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("F of the actor")
