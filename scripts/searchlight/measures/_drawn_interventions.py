"""The picture of ``interventions``: what the map says of each object, and what moving it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import rankdata

from searchlight.measures import Results, Row
from searchlight.measures._interventions import LAYERS, effects, saliency
from searchlight.measures._regions import listed
from searchlight.measures.games import Box
from searchlight.store.zarr import Reader

# Inches of the frame, of the bars, and of each method; and of two rows.
FRAME, BARS, METHOD, HEIGHT = 2.3, 2.5, 2.4, 5.4
EFFECT = "moving it"
EFFECT_COLOUR = "#333333"
# Pixels that boxes are drawn around objects.
ROOM = 2
# Blue and amber are those of maps; objects have others.
_OBJECTS = ("C2", "C5", "C3", "C4", "C0", "C1", "#7f7f7f", "#bcbd22", "#8c564b", "#17becf")


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
    for place, (layer, kind) in enumerate(LAYERS.items()):
        effect, _ = effects(store, kind)
        of_methods = {name: saliency(one, store, layer) for name, one in methods.items()}
        _bars(figure.add_subplot(grid[place, 1]), layer, kind, {EFFECT: effect, **of_methods}, moved)
        for index, (name, values) in enumerate(of_methods.items()):
            axes = figure.add_subplot(grid[place, 2 + index])
            _points(axes, values, effect, colours)
            axes.set_title(_said(name, held[name, f"{layer}'s rank correlation, {pooled}"]), parse_math=False)
            axes.set_xlabel(f"{layer}'s saliency on it (rank)")
            axes.set_ylabel(f"effect on the {kind} (rank)" if index == 0 else "")


def _frame(axes: Axes, store: Reader, colours: Mapping[str, str]) -> None:
    """Draw a frame of the game with its objects' boxes and names."""
    screen, boxes = store.read("example_frame"), store.read("example_box")
    height, width = screen.shape[:2]
    axes.imshow(screen, interpolation="nearest", aspect=height / width)
    for (name, colour), edges in zip(colours.items(), boxes.tolist(), strict=True):
        if edges[0] < 0:
            continue
        box = Box(*edges).grown(ROOM)
        x, y = box.left - 0.5, box.top - 0.5
        outline = [(x, y), (x + box.width, y), (x + box.width, y + box.height), (x, y + box.height)]
        axes.fill(*zip(*outline, strict=True), fill=False, edgecolor=colour, linewidth=1.6)
        above = box.top > height / 8
        right = box.left > width / 2
        axes.annotate(
            name,
            (x + box.width * right, y if above else y + box.height),
            (0, 3 if above else -3),
            textcoords="offset points",
            color=colour,
            fontweight="bold",
            ha="right" if right else "left",
            va="bottom" if above else "top",
        )
    axes.set_title(f"decision {store.about('example_box')['decision']}")
    axes.set_axis_off()


def _bars(axes: Axes, layer: str, kind: str, parts: Mapping[str, np.ndarray], moved: Sequence[str]) -> None:
    """Draw for each object its part of all effects, and its part of the saliency on all objects, by each method."""
    height = 0.8 / len(parts)
    for index, (name, values) in enumerate(parts.items()):
        means = np.array([one[np.isfinite(one)].mean() if np.isfinite(one).any() else np.nan for one in values])
        total = np.nansum(means)
        shares = means / total if total > 0 else np.full(len(means), np.nan)
        places = np.arange(len(moved)) + (index - (len(parts) - 1) / 2) * height
        colour = EFFECT_COLOUR if name == EFFECT else f"C{index - 1}"
        label = f"effect on the {kind}" if name == EFFECT else f"saliency by {name}".replace("$", r"\$")
        axes.barh(places, shares, 0.9 * height, color=colour, label=label)
        for place, share in zip(places, shares, strict=True):
            said = f"{share:.0%}" if np.isfinite(share) else "none"
            axes.annotate(
                said,
                (share if np.isfinite(share) else 0, place),
                (3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5,
            )
    axes.set_yticks(np.arange(len(moved)), moved)
    axes.set_ylim(len(moved) - 0.5, -0.5)
    axes.set_xlim(0, 1.15)
    axes.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axes.tick_params(axis="y", length=0)
    axes.set_title(f"{layer}: parts of all objects")
    axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.12), fontsize=7.5, handlelength=1)


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
    axes.set_xticks([0, 1], ["lowest", "highest"])
    axes.set_yticks([0, 1], ["lowest", "highest"], rotation=90, va="center")
    axes.set_box_aspect(1)


def _said(method: str, row: Row) -> str:
    if not np.isfinite(row.value):
        return f"{method}: no correlation"
    return f"{method}: {row.value:.2f} ({row.low:.2f} to {row.high:.2f})"
