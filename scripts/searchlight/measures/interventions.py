"""What the agent does when an object of the game is elsewhere, beside what a map says of that object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

from pydantic import Field

from searchlight.config.arguments import Int, PositiveInt, Table
from searchlight.lazy import numpy as np
from searchlight.measures import UNIFORM, Measured, MethodScene, Results, Row, Scene, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from searchlight.measures._statistics import Drawn, Samples
    from searchlight.store.zarr import Reader

FRAMES = "clip"
USES_OBJECTS = True
# Permutations of the shuffled rows.
_SHUFFLES = 200


class Arguments(Table):
    """Whether maps light up the objects that matter: each is moved in the real game, and the policy looks again.

    An emulator is set to the frame, one object is moved by the console's memory, and the frame is drawn anew, in all
    pictures of a stack. The change of policy and value is correlated with the saliency on the object, over frames, and
    over all moved objects and frames together. Pooled numbers are of the sum of the saliency on an object, since the
    whole object is moved, and of the mean of its pixels (Atrey et al., 2020), which takes no account of its size.

    Beside them stands a map that is the same everywhere: by the sum, it knows the objects' sizes. Shuffled frames leave
    what comes from the objects alone, because one matters more than another in all frames.
    """

    frames: PositiveInt = Field(64, description="Up to how many of the clip's frames are measured, evenly spread.")
    margin: Annotated[Int, Field(ge=0)] = Field(
        0, description="Pixels of the screen around an object whose saliency counts too. 0: the object's own pixels."
    )


def of_clip(scene: Scene, arguments: Arguments) -> Measured:
    """Return how far policy and value change when each object is moved, mean over its moves that took.

    Raises:
        SearchlightError: nothing is known of the game's objects, or the replay is not the episode.
    """
    from searchlight.measures._interventions import Interventions

    return Interventions(scene, spread(scene.frames, arguments.frames), arguments.frames).measured()


def of_method(scene: MethodScene, arguments: Arguments) -> Measured:
    """Return the sum of both maps' absolute values on each moved object's region, and the region's area in pixels."""
    from searchlight.measures._regions import Regions, plain
    from searchlight.saliency.maps import MAPS
    from searchlight.store.zarr import Variable

    regions, of_clip = Regions(scene, "interventions"), cast("Reader", scene.of_clip)
    moved = [one for one in regions.objects if one.moves]
    time = of_clip.read("time").tolist()
    words = {**dict.fromkeys(MAPS, "sum of the saliency on the object's pixels"), "area": "number of its pixels"}
    found: dict[str, list[float]] = {f"{plain(one.name)}_{what}": [] for one in moved for what in words}
    for moment in scene.moments(time):
        maps = scene.maps(moment)
        for one in moved:
            region = regions.region(one, moment.decision, arguments.margin, scene.space)
            numbers = {layer: np.abs(image[region], dtype=np.float64).sum() for layer, image in maps._asdict().items()}
            for what, number in {**numbers, "area": region.sum()}.items():
                found[f"{plain(one.name)}_{what}"].append(float(number) if region.any() else np.nan)
    variables = {
        name: Variable(("time",), np.array(numbers), {"long_name": words[name.rpartition("_")[2]]})
        for name, numbers in found.items()
    }
    return Measured(time, variables)


def table(results: Results, arguments: Arguments) -> list[Row]:
    """Return the effects of moving each object, and their rank correlations with the saliency on it."""
    from searchlight.measures._interventions import COMPARED, effects, saliency
    from searchlight.measures._regions import listed
    from searchlight.measures._statistics import Samples

    store = results.any
    moved, samples, rows = store.attributes["moved"], Samples(store.read("time").tolist()), []
    for layer, kind in COMPARED.items():
        found, words = effects(store, kind)
        for name, effect in zip(moved, found, strict=True):
            count = int(np.isfinite(effect).sum())
            rows.append(samples.mean(effect).row(f"moving {name}", words, frames=count, is_method=False))
        sums = {method: saliency(one, store, layer) for method, one in results.of_methods.items()}
        areas = {method: saliency(one, store, "area") for method, one in results.of_methods.items()}
        every = list(range(len(moved)))
        columns = [(f"{layer}'s rank correlation, {name}", [index], sums) for index, name in enumerate(moved)]
        if len(moved) > 1:
            pooled = f"{layer}'s rank correlation, pooled over {listed(moved)}"
            means = {name: sums[name] / areas[name] for name in sums}
            columns += [(pooled, every, sums), (f"{pooled}, by a pixel's mean", every, means)]
            uniform = samples.correlation(next(iter(areas.values())), found)
            rows.append(uniform.row(UNIFORM, pooled, frames=len(found[0]), is_method=False))
        for quantity, part, of_methods in columns:
            effect, first = found[part], cast("np.ndarray | None", None)
            for method, values in of_methods.items():
                given = values[part]
                count = int((np.isfinite(given) & np.isfinite(effect)).any(axis=0).sum())
                less = None if first is None else _less(samples, given, first, effect)
                rows.append(samples.correlation(given, effect).row(method, quantity, less, frames=count))
                rows += _shuffled(method, quantity, given, effect, count)
                first = given if first is None else first
    return rows


def _less(samples: Samples, values: np.ndarray, first: np.ndarray, effect: np.ndarray) -> Drawn:
    """Return a rank correlation less that of the first method, both of what both have, (object, frame) each."""
    both = np.where(np.isfinite(values) & np.isfinite(first), effect, np.nan)
    return samples.correlation(values, both).minus(samples.correlation(first, both))


def _shuffled(method: str, quantity: str, values: np.ndarray, effect: np.ndarray, count: int) -> list[Row]:
    """Return the same number with its frames shuffled, and of several objects all that is pooled: the mean, and 95 %.

    Shuffled frames leave to pooled numbers what comes from the objects alone: that one matters more in all frames.
    """
    from searchlight.measures._statistics import correlation

    random, kept = np.random.default_rng(0), np.isfinite(values) & np.isfinite(effect)
    found: dict[str, list[float]] = {}
    for _ in range(_SHUFFLES):
        within = np.concatenate([random.permutation(one[here]) for one, here in zip(effect, kept, strict=True)])
        found.setdefault(f"{method}, frames shuffled", []).append(correlation(values[kept], within))
        if len(values) > 1:
            everything = correlation(values[kept], random.permutation(effect[kept]))
            found.setdefault(f"{method}, objects and frames shuffled", []).append(everything)
    rows = []
    for of, numbers in found.items():
        low, high = np.percentile(numbers, [2.5, 97.5]).tolist()
        rows.append(Row(of, quantity, float(np.mean(numbers)), low, high, frames=count, is_method=False))
    return rows


def draw(figure: Figure, results: Results, rows: list[Row], arguments: Arguments) -> None:
    """Draw a frame with its objects, what moving them does beside what the maps say, and both for all frames."""
    from searchlight.measures._drawn_interventions import draw_interventions

    draw_interventions(figure, results, rows)
