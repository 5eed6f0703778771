"""The picture of ``interventions``: what the map says of each object, and what moving it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.stats import rankdata

from searchlight.measures import Results, Row
from searchlight.measures._interventions import COMPARED, effects, saliency
from searchlight.measures._regions import listed
from searchlight.measures.games import Box
from searchlight.store.zarr import Reader

# Inches of the frame, of the bars, and of each method; and of two rows.
FRAME, BARS, METHOD, HEIGHT = 2.3, 2.4, 2.6, 5.6
EFFECT = "effect of moving it"
NOTE = "points: an object at a frame, by ranks among all; numbers: their rank correlation, with its 95 % interval"
EFFECT_COLOUR = "#333333"
# Pixels that boxes are drawn around objects.
ROOM = 2
# Of objects; none is a method's.
_OBJECTS = ("#d81b60", "#6a3dd1", "#7cb518", "#8d5524", "#00b4d8", "#7f7f7f")


def draw_interventions(figure: Figure, results: Results, rows: Sequence[Row]) -> None:
    """Draw on an empty figure of matplotlib, whose width follows from the number of methods."""
    store, methods = results.any, results.of_methods
    moved = store.attributes["moved"]
    widths = [FRAME, BARS, *[METHOD] * len(methods)]
    figure.set_size_inches(sum(widths), HEIGHT)
    grid = figure.add_gridspec(2, len(widths), width_ratios=widths)
    colours = {name: _OBJECTS[index % len(_OBJECTS)] for index, name in enumerate(moved)}
    if "example_frame" in store.names():
        _frame(figure.add_subplot(grid[:, 0]), store, colours)
    held = {(row.of, row.quantity): row for row in rows}
    pooled = f"pooled over {listed(moved)}" if len(moved) > 1 else moved[0]
    for place, (layer, kind) in enumerate(COMPARED.items()):
        effect, _ = effects(store, kind)
        of_methods = {name: saliency(one, store, layer) for name, one in methods.items()}
        axes = figure.add_subplot(grid[place, 1])
        _bars(axes, {EFFECT: effect, **of_methods}, moved)
        axes.set_title(f"each object's part, {layer}")
        if place == 0:
            labels = axes.get_legend_handles_labels()
            figure.legend(*labels, loc="outside lower center", ncols=1 + len(methods), title=NOTE)
        for index, (name, values) in enumerate(of_methods.items()):
            axes = figure.add_subplot(grid[place, 2 + index])
            _points(axes, values, effect, colours)
            axes.set_title(_said(name, held[name, f"{layer}'s rank correlation, {pooled}"]))
            axes.set_xlabel(f"{layer}'s saliency on it")
            axes.set_ylabel(f"moving it changes the {kind}" if index == 0 else "")


def _frame(axes: Axes, store: Reader, colours: Mapping[str, str]) -> None:
    """Draw a frame of the game with its objects' boxes and names."""
    screen, boxes = store.read("example_frame"), store.read("example_box")
    height, width = screen.shape[:2]
    axes.imshow(screen, interpolation="nearest", aspect=height / width)
    for (name, colour), places in zip(colours.items(), boxes.tolist(), strict=True):
        for edges in places[1:]:
            _outline(axes, edges, edgecolor=colour, linewidth=0.8, linestyle=(0, (2, 1.5)))
        if places[0][0] < 0:
            continue
        box = _outline(axes, places[0], edgecolor=colour, linewidth=1.8)
        above, right = box.top > height / 8, box.left > width / 2
        axes.annotate(
            name,
            (box.left - 0.5 + box.width * right, box.top - 0.5 + box.height * (not above)),
            (0, 3 if above else -3),
            textcoords="offset points",
            color=colour,
            fontweight="bold",
            ha="right" if right else "left",
            va="bottom" if above else "top",
        )
    axes.set_title(f"decision {store.about('example_box')['decision']}\nwhere objects are moved")
    axes.set_axis_off()


def _outline(axes: Axes, edges: Sequence[int], **style: Any) -> Box:
    """Draw a box with room around it, and return it; a box of -1 is none."""
    box = Box(*edges).grown(ROOM)
    if edges[0] >= 0:
        axes.add_patch(Rectangle((box.left - 0.5, box.top - 0.5), box.width, box.height, fill=False, **style))
    return box


def _bars(axes: Axes, parts: Mapping[str, np.ndarray], moved: Sequence[str]) -> None:
    """Draw for each object its part of all effects, and its part of the saliency on all objects, by each method."""
    height = 0.8 / len(parts)
    for index, (name, values) in enumerate(parts.items()):
        means = np.array([one[np.isfinite(one)].mean() if np.isfinite(one).any() else np.nan for one in values])
        total = np.nansum(means)
        shares = means / total if total > 0 else np.full(len(means), np.nan)
        places = np.arange(len(moved)) + (index - (len(parts) - 1) / 2) * height
        colour = EFFECT_COLOUR if name == EFFECT else f"C{index - 1}"
        label = EFFECT if name == EFFECT else f"saliency by {name}"
        axes.barh(places, np.nan_to_num(shares), 0.9 * height, color=colour, label=label)
        for place, share in zip(places, shares, strict=True):
            said, end = (f"{share:.0%}", share) if np.isfinite(share) else ("none", 0)
            axes.annotate(said, (end, place), (3, 0), textcoords="offset points", va="center", fontsize=7.5)
    axes.set_yticks(np.arange(len(moved)), moved)
    axes.set_ylim(len(moved) - 0.5, -0.5)
    axes.set_xlim(0, 1.15)
    axes.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _points(axes: Axes, values: np.ndarray, effect: np.ndarray, colours: Mapping[str, str]) -> None:
    """Draw a point for each object at each frame, by the ranks of both numbers among all."""
    kept = np.isfinite(values) & np.isfinite(effect)
    ranks = [np.full(values.shape, np.nan) for _ in range(2)]
    for rank, numbers in zip(ranks, (values, effect), strict=True):
        rank[kept] = (rankdata(numbers[kept]) - 0.5) / max(1, kept.sum())
    axes.plot([0, 1], [0, 1], color="#cccccc", linewidth=1, zorder=0)
    size = float(np.clip(2000 / max(1, kept.sum()), 2, 16))
    for (name, colour), x, y in zip(colours.items(), *ranks, strict=True):
        axes.scatter(x, y, size, color=colour, alpha=0.8, linewidths=0, label=name)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xticks([0.02, 0.98], ["least", "most"])
    axes.set_yticks([0.02, 0.98], ["least", "most"])
    axes.tick_params(length=0)
    first, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.set_box_aspect(1)


def _said(method: str, row: Row) -> str:
    """Return a title: a method's rank correlation, with its interval where it has one."""
    said = f"{row.value:.2f}" if np.isfinite(row.value) else "none"
    if np.isfinite(row.low):
        said += f" ({row.low:.2f} to {row.high:.2f})"
    return f"{method}: {said}"
