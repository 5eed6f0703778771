"""How alike a method's maps stay when the network's layers become random, from the heads to the first layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from searchlight.config.arguments import Int, PositiveInt, Table
from searchlight.errors import SearchlightError
from searchlight.lazy import numpy as np
from searchlight.measures import Measured, MethodScene, Results, Row, spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from searchlight.measures._randomised import Stage
    from searchlight.saliency.recorded import Moment
    from searchlight.store.zarr import Reader

FRAMES = "episode"
MAPS = ("actor", "critic")
# What is no method, by the names of arrays; and how it is drawn.
YARDSTICKS = {"random": "without signal", "other": "other frames"}
# Lower end of the figure's axis, unless a similarity lies below it.
LOWEST = -0.35
STYLES: dict[str, Literal[":", "--"]] = {"random": ":", "other": "--"}


class Arguments(Table):
    """How alike a method's maps are to those of networks whose layers are random (Adebayo et al. 2018).

    The heads become random first, then each layer down to the first one. Frames, memory and the explained action stay.
    Maps are compared by the order of their pixels (Spearman), by local structure (SSIM) and by edges (HOG). A map that
    hardly changes shows the picture, not what the network has learnt.

    Beside it stand two yardsticks: the method's maps without their signal, which are the least alike, and its maps of
    other frames. Maps of two frames are much alike, too, so a high rank correlation alone says little.

    Its limits: it says that a method depends on the network, not that its maps are right. A perturbation with a
    background changes only what moves. So its maps are zero at most pixels, by any network. These zeros alone make them
    alike, whatever the maps say where they are not zero. Look at `faithfulness` and `interventions` for these.

    Intervals are over frames, for one draw of the random layers. Another `seed` may move a number by more than its
    interval.
    """

    frames: PositiveInt = Field(16, description="Up to how many of the episode's frames are measured, evenly spread.")
    seed: Int = Field(0, ge=0, description="Seed of the random layers.")


def of_method(scene: MethodScene, arguments: Arguments) -> Measured:
    """Return the similarities of maps, (time, stage), for each kind of similarity, and for actor and critic.

    Raises:
        SearchlightError: the network cannot be made random.
    """
    from searchlight.measures._places import on_observation
    from searchlight.measures._similarity import SIMILARITIES
    from searchlight.saliency.single_maps import Maps
    from searchlight.store.zarr import Variable

    maker, time = scene.maker, spread(scene.frames, arguments.frames)
    if maker is None:
        raise ValueError("needs what makes the maps")
    moments = list(scene.moments(time))

    def placed(maps: Maps) -> Maps:
        return Maps(*(on_observation(image, scene.recorded.preprocessing, scene.space) for image in maps))

    own, random = [], []
    for moment in moments:  # both together, because they share the responses
        own.append(placed(scene.maps(moment)))
        generator = np.random.default_rng([arguments.seed, moment.decision])
        random.append(placed(maker.null_maps(moment, generator)))
    compared = {"random": random, "other": [own[(index + 1) % len(own)] for index in range(len(own))]}
    names = []
    for name, policy in _networks(scene, moments[0], arguments.seed):
        names.append(name)
        made = maker.by(policy)
        compared[name] = [placed(made.maps(moment)) for moment in moments]
    variables = {}
    for kind, similar in SIMILARITIES.items():
        for number, layer in enumerate(MAPS):
            found = {
                name: np.array([similar(one[number], other[number]) for one, other in zip(own, maps, strict=True)])
                for name, maps in compared.items()
            }
            if len(own) == 1:
                found["other"] = np.full(1, np.nan)
            about = {"long_name": f"{kind} of the {layer}", "of": scene.method}
            stages = np.stack([found[name] for name in names], axis=1)
            variables[f"{kind}_{layer}"] = Variable(("time", "stage"), stages, about)
            for name, words in YARDSTICKS.items():
                about = {"long_name": f"{kind} of the {layer}: {words}", "of": f"{scene.method}: {words}"}
                variables[f"{kind}_{layer}_{name}"] = Variable(("time",), found[name], about)
    drawn = [one for name in names for one in compared[name]]
    notices = []
    for whose, many in (("the agent's maps", own), ("the maps of networks with random layers", drawn)):
        if still := sum(not np.ptp(image) for maps in many for image in maps):
            notices.append(f"{still} of {2 * len(many)} of {whose} are constant: they have no similarity")
    if len(time) < arguments.frames:
        notices.append(f"found {len(time)} frames, asked for {arguments.frames}: all of the episode are measured")
    return Measured(time, variables, {"stages": names}, notices)


def _networks(scene: MethodScene, moment: Moment, seed: int) -> Iterator[Stage]:
    """Yield the networks with random layers; what stops it names the clip's key.

    Raises:
        SearchlightError: the network cannot be made random.
    """
    from searchlight.measures._randomised import cascade

    try:
        yield from cascade(scene.policy, moment.prepared.observation, moment.memory, seed)
    except SearchlightError as error:
        raise SearchlightError(f"{scene.key}: measures: randomisation: {error}") from error


def table(results: Results, arguments: Arguments) -> list[Row]:
    """Return the mean similarities of the methods at each stage, and of the yardsticks."""
    from searchlight.measures._similarity import SIMILARITIES
    from searchlight.measures._statistics import Samples

    rows = []
    first = next(iter(results.of_methods), "")
    for layer in MAPS:
        for kind in SIMILARITIES:
            of_methods = {method: store.read(f"{kind}_{layer}") for method, store in results.of_methods.items()}
            for method, store in results.of_methods.items():
                samples = Samples(store.read("time").tolist())
                for stage, name in enumerate(_stages(store)):
                    found = of_methods[method][:, stage]
                    count = int(np.isfinite(found).sum())
                    what = f"{kind} of the {layer}, random down to {name}"
                    less = None if method == first else samples.mean(found - of_methods[first][:, stage])
                    rows.append(samples.mean(found).row(method, what, less, frames=count))
                for yardstick, words in YARDSTICKS.items():
                    found = store.read(f"{kind}_{layer}_{yardstick}")
                    count, what = int(np.isfinite(found).sum()), f"{kind} of the {layer}"
                    mean = samples.mean(found)
                    rows.append(mean.row(f"{method}: {words}", what, frames=count, is_method=False))
    return rows


def draw(figure: Figure, results: Results, rows: list[Row], arguments: Arguments) -> None:
    """Draw the similarities along the cascade, with the yardsticks as dashed and dotted lines."""
    from matplotlib.lines import Line2D

    from searchlight.measures._similarity import SIMILARITIES

    stages, lowest = _stages(results.any), LOWEST
    panels = figure.subplots(len(MAPS), len(SIMILARITIES), sharex=True, sharey=True, squeeze=False)
    for layer, line in zip(MAPS, panels, strict=True):
        for kind, axes in zip(SIMILARITIES, line, strict=True):
            axes.axhline(0, color="0.8", linewidth=0.8)
            for number, (method, store) in enumerate(results.of_methods.items()):
                mean = np.array([_mean(one) for one in store.read(f"{kind}_{layer}").T])
                lowest = min([lowest, *(mean[np.isfinite(mean)] - 0.05)])
                axes.plot(range(len(mean)), mean, "o-", color=f"C{number}", markersize=4, label=method)
                for yardstick, style in STYLES.items():
                    level = _mean(store.read(f"{kind}_{layer}_{yardstick}"))
                    axes.axhline(level, linestyle=style, color=f"C{number}", linewidth=1)
            axes.set_title(f"{layer}: {kind}")
            axes.set_xticks(range(len(stages)), stages, rotation=35, ha="right", rotation_mode="anchor")
    panels[0, 0].set_ylim(lowest, 1.02)
    lines = [Line2D([], [], color=f"C{number}", label=name) for number, name in enumerate(results.of_methods)]
    lines += [Line2D([], [], color="0.4", linestyle=STYLES[name], label=words) for name, words in YARDSTICKS.items()]
    figure.legend(handles=lines, loc="outside lower center", ncols=min(len(lines), 6))
    panels[-1, 1].set_xlabel("random from the heads down to")


def _stages(store: Reader) -> list[str]:
    """Return the names of the stages."""
    found: list[str] = store.attributes["stages"]
    return found


def _mean(numbers: np.ndarray) -> float:
    """Return the mean of the numbers that are there; NaN if there are none."""
    finite = numbers[np.isfinite(numbers)]
    return float(finite.mean()) if len(finite) else float("nan")
