"""How much of a map lies on each object of the game."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from searchlight.config.arguments import Int, Table
from searchlight.lazy import numpy as np
from searchlight.measures import UNIFORM, Measured, MethodScene, Results, Row, Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


FRAMES = "clip"
USES_OBJECTS = True
USES_MAPS = True
# What is measured of each map and object, by the word in the table.
_KINDS = ("share", "density", "hits")


class Arguments(Table):
    """Share of the saliency on each object of the game, share per area, and how often the largest value lies there.

    What lies where is read from the console's memory. An object's region is where it lies in any raw frame that the
    observation is made of: both of a maximum, and those of all pictures of a stack.
    """

    margin: Annotated[Int, Field(ge=0)] = Field(
        4, description="Pixels of the screen around an object that count as its own: about the radius of a patch."
    )


def of_clip(scene: Scene, arguments: Arguments) -> Measured:
    """Return the box of each object in the newest raw frame, whether the agent sees it, and its share of the area.

    Raises:
        SearchlightError: nothing is known of the game's objects.
    """
    from searchlight.measures._regions import ALL, Regions, plain
    from searchlight.store.zarr import Variable

    regions = Regions(scene, "objects")
    areas: dict[str, list[float]] = {name: [] for name in [*(one.name for one in regions.objects), ALL]}
    boxes: dict[str, list[tuple[int, ...]]] = {one.name: [] for one in regions.objects}
    for decision in scene.frames:
        for name, region in regions.regions(decision, arguments.margin, "screen").items():
            areas[name].append(float(regions.seen(region, "screen").mean()))
        for one in regions.objects:
            boxes[one.name].append(regions.newest(one, decision) or (-1, -1, -1, -1))
    variables, notices = {}, []
    for name, found in areas.items():
        area = np.array(found)
        about = {"of": name, "long_name": f"share of the seen screen within {arguments.margin} pixels of {name}"}
        variables[f"{plain(name)}_area"] = Variable(("time",), area, about)
        about = {"of": name, "long_name": f"whether the agent sees {name}"}
        variables[f"{plain(name)}_present"] = Variable(("time",), (area > 0).astype(np.int8), about)
        if name != ALL:
            words = f"top, left, height and width of {name} in the newest raw frame, in pixels; -1: not seen"
            data = np.array(boxes[name], np.int64).reshape(-1, 4)
            variables[f"{plain(name)}_box"] = Variable(("time", "edge"), data, {"of": name, "long_name": words})
        if absent := int((area == 0).sum()):
            notices.append(f"{name}: not seen in {absent} of {len(area)} frames, which are left out for it")
    return Measured(list(scene.frames), variables, {"objects": list(areas)}, notices)


def of_method(scene: MethodScene, arguments: Arguments) -> Measured:
    """Return the shares of both maps on each object, and whether their largest value lies there."""
    from searchlight.measures._changes import curve
    from searchlight.measures._regions import Regions, hit, plain, share
    from searchlight.saliency.maps import MAPS
    from searchlight.store.zarr import Variable

    regions, space = Regions(scene, "objects"), scene.space
    found: dict[tuple[str, str], list[float]] = {}
    zero = dict.fromkeys(MAPS, 0)
    for moment in scene.moments(scene.frames):
        images = {
            layer: regions.seen(np.abs(image), space) for layer, image in zip(MAPS, scene.maps(moment), strict=True)
        }
        for layer, image in images.items():
            zero[layer] += not image.any()
        for name, region in regions.regions(moment.decision, arguments.margin, space).items():
            seen = regions.seen(region, space)
            found.setdefault((name, "area"), []).append(float(seen.mean()))
            for layer, image in images.items():
                found.setdefault((name, f"{layer}_share"), []).append(share(image, seen))
                found.setdefault((name, f"{layer}_hit"), []).append(hit(image, seen))
    variables = {}
    for (name, kind), numbers in found.items():
        layer, _, what = kind.rpartition("_")
        words = f"{layer}'s {what} on {name}" if layer else f"share of the map's {space} that {name} takes"
        array, about = curve(words, numbers)
        if kind != "actor_share":
            del about["curve"]
        variables[f"{plain(name)}_{kind}"] = Variable(("time",), array, {**about, "of": name})
    count = len(scene.frames)
    notices = [
        f"the {layer}'s map is zero in {number} of {count} frames, which are left out"
        for layer, number in zero.items()
        if number
    ]
    return Measured(list(scene.frames), variables, notices=notices)


def table(results: Results, arguments: Arguments) -> list[Row]:
    """Return the means of shares, densities and hits, and what they are for a map that is the same everywhere."""
    from searchlight.measures._regions import plain
    from searchlight.measures._statistics import Samples
    from searchlight.saliency.maps import MAPS

    store = results.any
    samples, rows = Samples(store.read("time").tolist()), []
    for layer in MAPS:
        for name in store.attributes["objects"]:
            area = _seen_area(store.read(f"{plain(name)}_area"))
            for kind in _KINDS:
                quantity = f"{layer}'s {kind} on {name}"
                first: np.ndarray | None = None
                for method, of_method in results.of_methods.items():
                    numbers = of_method.read(f"{plain(name)}_{layer}_{'hit' if kind == 'hits' else 'share'}")
                    if kind == "density":
                        numbers = numbers / _seen_area(of_method.read(f"{plain(name)}_area"))
                    less = None if first is None else samples.mean(numbers - first)
                    count = int(np.isfinite(numbers).sum())
                    rows.append(samples.mean(numbers).row(method, quantity, less, frames=count))
                    first = numbers if first is None else first
                # By chance, the largest value lies on an object as often as the object is large.
                numbers = area / area if kind == "density" else area
                count = int(np.isfinite(numbers).sum())
                rows.append(samples.mean(numbers).row(UNIFORM, quantity, frames=count, is_method=False))
    return rows


def draw(figure: Figure, results: Results, rows: list[Row], arguments: Arguments) -> None:
    """Draw the shares of both maps on each object, beside those of a map that is the same everywhere."""
    from searchlight.saliency.maps import MAPS

    names = results.any.attributes["objects"]
    panels = figure.subplots(1, len(MAPS), sharex=True, sharey=True)
    for axes, layer in zip(panels, MAPS, strict=True):
        _bars(axes, layer, names, rows, list(results.of_methods))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def _bars(axes: Axes, layer: str, names: list[str], rows: list[Row], methods: list[str]) -> None:
    """Draw a group of bars for each object, one for each method."""
    held = {(row.of, row.quantity): row for row in rows}
    groups = [*methods, UNIFORM]
    height = 0.8 / len(groups)
    for index, of in enumerate(groups):
        found = [held[of, f"{layer}'s share on {name}"] for name in names]
        places = np.arange(len(names)) + (index - (len(groups) - 1) / 2) * height
        values = np.array([row.value for row in found])
        reach = np.abs(np.array([[row.value - row.low, row.high - row.value] for row in found]).T)
        colour = "#b8b8b8" if of == UNIFORM else f"C{index}"
        axes.barh(places, values, 0.9 * height, color=colour, label=of)
        axes.errorbar(values, places, xerr=reach, fmt="none", ecolor="#333333", elinewidth=0.8, capsize=1.5)
        for place, value, right in zip(places, values, values + reach[1], strict=True):
            if np.isfinite(value):
                end = right if np.isfinite(right) else value
                axes.annotate(
                    f"{value:.0%}", (end, place), (3, 0), textcoords="offset points", va="center", fontsize=7.5
                )
    axes.set_yticks(np.arange(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 1.1)
    axes.set_xticks(np.arange(0, 1.01, 0.25), ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.set_title(f"{layer}: share of the saliency on each object")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _seen_area(area: np.ndarray) -> np.ndarray:
    """Return shares of the area, with NaN where an object is not seen."""
    return np.where(area > 0, area, np.nan)
