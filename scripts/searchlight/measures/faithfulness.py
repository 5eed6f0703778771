"""How soon policy and value change when pixels are replaced in the order of the maps, beside maps that say nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from searchlight.config.arguments import PositiveInt, Table
from searchlight.errors import SearchlightError
from searchlight.lazy import numpy as np
from searchlight.measures import Measured, MethodScene, Results, Row, Scene, spread
from searchlight.measures import _bases as bases

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from searchlight.agents.policy import Output
    from searchlight.saliency.recorded import Moment
    from searchlight.saliency.single_maps import Maker, Maps
    from searchlight.store.zarr import Variable

FRAMES = "episode"
# Orders of random pixels for each frame.
RANDOM_ORDERS = 2
# Seeds of a frame's generators, beside its decision. Equal values are in the same order in all maps.
TIES, RANDOM, SHUFFLED = 1, 2, 3
# The self-test of random pixels: frames that it needs, standard errors, and what is 0 anyway.
ENOUGH, ERRORS, LEAST = 16, 5.0, 0.01
# Names of arrays begin so: of the method's maps, of those without their signal, and of what its fill changes.
PARTS = ("", "shuffled_", "hidden_")
MAPS = ("actor", "critic")


class Arguments(Table):
    """How soon policy and value change when pixels are replaced, the most salient first.

    F is the area under the change along deletion less that along insertion (RISE): 0 for random maps, and the larger
    the better. Pixels are replaced by black, by a blur of 3 pixels, and by the background, in all pictures of a stack
    at once, in 20 steps. A method wins on the base that is its own fill, so look at all three. The actor's map is
    judged by the policy, the critic's by the value.

    Beside the methods stand maps that are none: random pixels, the method with its masks' effects shuffled, and what
    the method's fill changes. A method that is no better than the last shows what it can hide, not what matters.

    Its limits: the agent never saw half-replaced frames. By the background few pixels differ, so any map
    that finds them all in the first step has the largest F there is. The change of the value is divided by its mean at
    the base, and so is that of a Q-network's advantages. Numbers of policies and of Q-networks do not compare.
    """

    frames: PositiveInt = Field(64, description="Up to how many of the episode's frames are measured, evenly spread.")


def window(arguments: Arguments) -> int | Literal["episode"]:
    """Return the window of the background that pixels are replaced by."""
    return bases.window()


def of_clip(scene: Scene, arguments: Arguments) -> Measured:
    """Return what no method changes: the bases, the answers to them, and F of random pixels.

    Raises:
        SearchlightError: F of random pixels is not 0, so no F of this agent can be believed.
    """
    from searchlight.measures import _deletion as deletion
    from searchlight.measures._changes import policy_changes
    from searchlight.saliency.recorded import check_recorded
    from searchlight.store.zarr import Variable

    policy, preprocessing = scene.policy, scene.recorded.preprocessing
    time, made, before, curves = spread(scene.frames, arguments.frames), [], [], []
    random: dict[str, list[np.ndarray]] = {layer: [] for layer in MAPS}
    for moment in scene.moments(time):
        made.append(bases.bases_of(moment, preprocessing))
        frame = deletion.Frame.of(policy, moment.prepared.observation, made[-1], moment.memory)
        before.append(frame.before)
        check_recorded((frame.before.outputs[0], frame.before.values[0]), moment.outputs, moment.where)
        generator = np.random.default_rng([RANDOM, moment.decision])
        orders = [deletion.ranks(np.zeros(preprocessing.shape), generator) for _ in range(RANDOM_ORDERS)]
        found = [deletion.along(policy, frame, order) for order in orders]
        random["actor"].append(np.stack([deletion.of_policy(frame, one, policy.output) for one in found]))
        random["critic"].append(np.stack([deletion.of_value(frame, one) for one in found]))
        action = _chosen(scene, moment)
        curves.append(np.mean([deletion.curves(one, policy.output, action) for one in found], axis=0))
    outputs, values = (np.stack(arrays) for arrays in zip(*before, strict=True))
    changes = policy_changes(outputs[:, :1], outputs[:, 1:], policy.output)
    scales = {
        "actor": deletion.scale(changes, outputs),
        "critic": deletion.scale(np.abs(values[:, 1:] - values[:, :1]), values),
    }
    if policy.output.softmax:  # the total variation has a scale of its own, 0 to 1
        scales["actor"] = np.ones(len(bases.BASES))
    notices = _notices(len(time), arguments.frames, scales)
    of_random = {layer: np.stack(random[layer]) / scales[layer] for layer in MAPS}
    check_random(of_random, scene.key)
    variables = {
        "base_observation": Variable(
            ("time", "base", "y", "x", "channel"), np.stack(made), {"long_name": "observation of the base"}
        ),
        "outputs": Variable(
            ("time", "answer", "action"), outputs, {"long_name": f"{policy.output.long_name}: frame, then bases"}
        ),
        "values": Variable(("time", "answer"), values, {"long_name": "value: frame, then bases"}),
        **{f"{layer}_scale": Variable(("base",), scales[layer], {"long_name": "unit of F"}) for layer in MAPS},
        **{layer: _f(layer, "random pixels", of_random[layer].mean(axis=1)) for layer in MAPS},
        **_curves(np.stack(curves), policy.output, "random pixels"),
    }
    return Measured(time, variables, _about(policy.output), notices)


def of_method(scene: MethodScene, arguments: Arguments) -> Measured:
    """Return F of a method's maps, of its maps without their signal, and of what its fill changes."""
    from searchlight.measures import _deletion as deletion
    from searchlight.measures._changes import Answers
    from searchlight.measures._places import on_observation

    maker, store = scene.maker, scene.of_clip
    if maker is None or store is None:
        raise ValueError("needs what makes the maps, and the clip's part")
    time, policy, preprocessing = store.read("time").tolist(), scene.policy, scene.recorded.preprocessing
    outputs, values = store.read("outputs"), store.read("values")
    found: dict[str, list[np.ndarray]] = {f"{part}{layer}": [] for part in PARTS for layer in MAPS}
    curves, constant = [], 0
    for row, moment in enumerate(scene.moments(time)):
        made = store.read("base_observation", slice(row, row + 1))[0]
        frame = deletion.Frame(moment.prepared.observation, made, moment.memory, Answers(outputs[row], values[row]))
        for part, maps, space in _maps_of(scene, maker, moment):
            placed = [on_observation(image, preprocessing, space) for image in maps]
            orders = [deletion.ranks(image, np.random.default_rng([TIES, moment.decision])) for image in placed]
            by_actor = deletion.along(policy, frame, orders[0])
            by_critic = by_actor if maps.critic is maps.actor else deletion.along(policy, frame, orders[1])
            found[f"{part}actor"].append(deletion.of_policy(frame, by_actor, policy.output))
            found[f"{part}critic"].append(deletion.of_value(frame, by_critic))
            if not part:
                constant += sum(map(deletion.is_constant, placed))
                curves.append(deletion.curves(by_actor, policy.output, _chosen(scene, moment)))
    of = {"": scene.method, "shuffled_": maker.without_signal, "hidden_": "what its fill changes"}
    variables = {
        f"{part}{layer}": _f(layer, of[part], np.stack(numbers) / store.read(f"{layer}_scale"))
        for part in PARTS
        for layer in MAPS
        if (numbers := found[f"{part}{layer}"])
    }
    notices = []
    if constant:
        notices.append(f"{constant} of {len(MAPS) * len(time)} maps are constant: their order is by chance")
    variables |= _curves(np.stack(curves), policy.output, "the actor's map")
    return Measured(time, variables, _about(policy.output), notices)


def table(results: Results, arguments: Arguments) -> list[Row]:
    """Return F of the methods, and then of what is no method, for each layer and base."""
    from searchlight.measures._statistics import Samples

    samples, rows = Samples(results.any.read("time").tolist()), []
    for layer, base, words in _quantities(results):
        of_methods = {name: store.read(layer)[:, base] for name, store in results.of_methods.items()}
        others = {}
        if results.of_clip is not None:
            others["random pixels"] = results.of_clip.read(layer)[:, base]
        for name, store in results.of_methods.items():
            for part in PARTS[1:]:
                if (array := f"{part}{layer}") in store.names():
                    others[f"{name}: {store.about(array)['of']}"] = store.read(array)[:, base]
        first = next(iter(of_methods), "")
        for name, numbers in [*of_methods.items(), *others.items()]:
            is_method, frames = name in of_methods, int(np.isfinite(numbers).sum())
            less = samples.mean(numbers - of_methods[first]) if is_method and name != first else None
            rows.append(samples.mean(numbers).row(name, words, less, frames=frames, is_method=is_method))
    return rows


def draw(figure: Figure, results: Results, rows: list[Row], arguments: Arguments) -> None:
    """Draw the chosen action along deletion and insertion, and F of the actor, for each base."""
    from searchlight.measures import _deletion_figure as panels

    names = list(dict.fromkeys(row.of for row in rows))
    columns = [column for column in _quantities(results) if column.layer == "actor"]
    figure.set_size_inches(10.5, 4.2 + 0.27 * len(names))
    heights = [2.6, 0.3 + 0.27 * len(names)]
    above, below = figure.subplots(2, len(columns), sharex="row", sharey="row", height_ratios=heights)
    for column, over, under in zip(columns, above, below, strict=True):
        over.set_title(f"base: {bases.BASES[column.base]}")
        panels.draw_curves(over, results, column.base)
        of_column = [row for row in rows if row.quantity == column.words]
        panels.draw_numbers(under, of_column, names, panels.colours(results))
    above[0].set_ylabel(results.any.about("deletion")["long_name"])
    panels.draw_legend(figure, results)


class _Quantity(NamedTuple):
    """What a column of the table has F of."""

    layer: str
    base: int
    words: str


def _quantities(results: Results) -> list[_Quantity]:
    """Return the table's columns. The words say what the change is of where it is not of probabilities."""
    kinds = {"actor": "" if results.any.attributes["softmax"] else " (advantages)", "critic": ""}
    return [
        _Quantity(layer, number, f"F of the {layer}{kinds[layer]}, {base}")
        for layer in MAPS
        for number, base in enumerate(bases.BASES)
    ]


def _maps_of(scene: MethodScene, maker: Maker, moment: Moment) -> Iterator[tuple[str, Maps, str]]:
    """Yield the maps of a frame that are measured, each with its name in ``PARTS`` and where it lies."""
    from searchlight.saliency.single_maps import Maps

    yield "", scene.maps(moment), scene.space
    yield "shuffled_", maker.null_maps(moment, np.random.default_rng([SHUFFLED, moment.decision])), scene.space
    if (hidden := maker.hidden(moment)) is not None:
        changed = np.abs(moment.prepared.observation - hidden).sum(axis=2)
        yield "hidden_", Maps(changed, changed), "observation"


def _chosen(scene: Scene, moment: Moment) -> int:
    """Return the action that the recorded outputs prefer."""
    return int(moment.outputs[scene.recorded.given].argmax())


def _about(output: Output) -> dict[str, object]:
    """Return the attributes of a store."""
    return {"bases": list(bases.BASES), "softmax": output.softmax}


def _f(layer: str, of: str, numbers: np.ndarray) -> Variable:
    """Return F along the frames as an array."""
    from searchlight.store.zarr import Variable

    return Variable(("time", "base"), numbers, {"long_name": f"F of the {layer}: {of}", "of": of})


def _curves(numbers: np.ndarray, output: Output, by: str) -> dict[str, Variable]:
    """Return the chosen action along both ways, (time, base, 2, step) float32, as two arrays."""
    from searchlight.store.zarr import Variable

    of = f"{'probability' if output.softmax else 'advantage'} of the chosen action"
    return {
        name: Variable(("time", "base", "step"), np.ascontiguousarray(numbers[:, :, way]), {"long_name": of, "by": by})
        for way, name in enumerate(("deletion", "insertion"))
    }


def _notices(found: int, asked: int, scales: dict[str, np.ndarray]) -> list[str]:
    """Return what a user should know of the clip's part."""
    notices = []
    if found < asked:
        notices.append(f"found {found} frames, asked for {asked}: all of the episode are measured")
    if found < ENOUGH:
        notices.append(f"found {found} frames: too few to test that F of random pixels is 0")
    for layer, means in scales.items():
        still = [base for base, mean in zip(bases.BASES, means, strict=True) if np.isnan(mean)]
        if still:
            notices.append(f"the {layer} answers the same when all is replaced by {' or '.join(still)}: no F there")
    return notices


def check_random(found: dict[str, np.ndarray], key: str) -> None:
    """Check that F of random pixels is 0, if there are enough frames to tell.

    Args:
        found: of each layer (frame, order, base).
        key: of the clip in the config, for errors.

    Raises:
        SearchlightError: it is not.
    """
    from searchlight.measures._deletion import beyond_chance

    for layer, numbers in found.items():
        if len(numbers) < ENOUGH:
            continue
        for base in np.flatnonzero(beyond_chance(numbers.mean(axis=1), ERRORS, LEAST)):
            raise SearchlightError(
                f"{key}: measures: faithfulness: found an F of {numbers[..., base].mean():.3g} of random pixels "
                f"({layer}, {bases.BASES[base]}), allowed: 0 within {ERRORS:g} standard errors or {LEAST:g}; the "
                "network's answers do not follow from what it is shown"
            )
