"""Panels of the figure of faithfulness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from searchlight.measures import Results, Row

# Of what is no method.
GREY = "0.55"
LINES: dict[str, Literal["-", "--"]] = {"deletion": "-", "insertion": "--"}


def colours(results: Results) -> dict[str, str]:
    """Return the colour of each method."""
    return {name: f"C{number}" for number, name in enumerate(results.of_methods)}


def draw_curves(axes: Axes, results: Results, base: int) -> None:
    """Draw the chosen action along deletion and insertion, by each method and by random pixels; means over frames.

    Args:
        axes: to draw on.
        results: of the measure.
        base: number of the base.
    """
    drawn = [(store, colours(results)[name]) for name, store in results.of_methods.items()]
    if results.of_clip is not None:
        drawn.insert(0, (results.of_clip, GREY))
    for store, colour in drawn:
        for way, line in LINES.items():
            mean = store.read(way)[:, base].mean(axis=0, dtype=np.float64)
            axes.plot(np.linspace(0, 100, len(mean)), mean, line, color=colour, linewidth=1.5)
    axes.set_xlabel("pixels, most salient first (%)")


def draw_numbers(axes: Axes, rows: Sequence[Row], names: Sequence[str], colour_of: dict[str, str]) -> None:
    """Draw numbers with their intervals as dots, one below the other.

    Args:
        axes: to draw on.
        rows: of the table.
        names: of the rows, from above.
        colour_of: colours by names of methods. Others have a hollow dot, in the colour of the method that they are of.
    """
    axes.axvline(0, color="0.7", linewidth=0.8, zorder=0)
    for row in rows:
        place = names.index(row.of)
        # Of methods, one's name may begin as another's does.
        owners = [
            name for name in colour_of if row.of == name or (not row.is_method and row.of.startswith(f"{name}: "))
        ]
        colour = colour_of[max(owners, key=len)] if owners else GREY
        inside = colour if row.is_method else "white"
        axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.6)
        axes.plot(row.value, place, "o", color=colour, markersize=6, markerfacecolor=inside)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("F of the actor")


def draw_legend(figure: Figure, results: Results) -> None:
    """Draw the meaning of colours and lines below the panels."""
    lines = [Line2D([], [], color=colour, label=name) for name, colour in colours(results).items()]
    lines.append(Line2D([], [], color=GREY, label="random pixels"))
    meant = {"deletion": "deletion: replaced by the base", "insertion": "insertion: put back into the base"}
    lines += [Line2D([], [], color="black", linestyle=LINES[way], label=words) for way, words in meant.items()]
    figure.legend(handles=lines, loc="outside lower center", ncols=min(len(lines), 5))
