"""How much an agent relies on its memory, or on the older pictures of its stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import MinLen
from pydantic import AfterValidator, Field

from searchlight.config.allowed import Allowed
from searchlight.config.arguments import Float, PositiveInt, Table
from searchlight.errors import SearchlightError
from searchlight.lazy import numpy as np
from searchlight.measures import Measured, Results, Row, Scene, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from searchlight.store.zarr import Reader

FRAMES = "clip"
FROZEN = "stack frozen"


def _words(scale: float) -> str:
    return f"memory times {scale:g}"


def _each_once(scales: tuple[float, ...]) -> tuple[float, ...]:
    if len({_words(scale) for scale in scales}) < len(scales):
        raise ValueError(f"found {list(scales)}, allowed: each scale once, to six digits")
    return scales


class Arguments(Table):
    """How much policy and value would change had the memory been scaled, or had every picture been the newest.

    Of recurrent networks, all of the memory as recorded is multiplied by each scale: by 0 it is gone, by 1 it is as it
    was. Of networks that see a stack, all pictures become the newest, so that nothing has moved; pictures that a young
    stack lacks stay black.

    It asks about one decision at a time: with a memory that is changed once, not one that is kept from the agent for
    long.
    """

    scales: Annotated[
        tuple[Annotated[Float, Field(ge=0, le=1000)], ...],
        MinLen(1),
        Allowed("a list of numbers from 0 to 1000, at least one"),
        AfterValidator(_each_once),
    ] = Field((0.0, 0.5), description="What the memory is multiplied by.")
    frames: PositiveInt | None = Field(
        None, description="Up to how many of the clip's frames are measured, evenly spread. Without it: all."
    )


def of_clip(scene: Scene, arguments: Arguments) -> Measured:
    """Return the changes of policy and value, a curve for each kind of change.

    Raises:
        SearchlightError: the agent has neither a memory nor a stack, or does not reproduce its recorded outputs.
    """
    from searchlight.measures._changes import answers, curve, named, policy_changes
    from searchlight.saliency.recorded import check_recorded
    from searchlight.store.zarr import Variable

    asked, output = arguments.frames or len(scene.frames), scene.policy.output
    time = spread(scene.frames, asked)
    stacked = scene.recorded.preprocessing.stack > 1
    if not scene.policy.initial_memory() and not stacked:
        raise SearchlightError(
            f"{scene.key}: measures: found memory for an agent with neither a memory nor a stack of pictures, allowed: "
            "an agent that has one of them"
        )
    found: dict[str, list[tuple[float, float]]] = {}

    def add(name: str, after: Any, before: Any) -> None:
        change = policy_changes(before.outputs[0], after.outputs, output)[0]
        found.setdefault(name, []).append((change, abs(after.values[0] - before.values[0])))

    for moment in scene.moments(time):
        observation = moment.prepared.observation[None]
        before = answers(scene.policy, observation, moment.memory)
        check_recorded((before.outputs[0], before.values[0]), moment.outputs, moment.where)
        if moment.memory:
            for scale in arguments.scales:
                scaled = {name: scale * array for name, array in moment.memory.items()}
                add(_words(scale), answers(scene.policy, observation, scaled), before)
        if stacked:
            channels, pictures = scene.recorded.preprocessing.channels, len(moment.screens)
            frozen = observation.copy()
            frozen[..., -channels * pictures :] = np.tile(observation[..., -channels:], pictures)
            add(FROZEN, answers(scene.policy, frozen, moment.memory), before)
    variables = {}
    for name, pairs in found.items():
        policy, value = zip(*pairs, strict=True)
        plain = name.replace(" ", "_").replace(".", "_")
        for layer, words, numbers in (("policy", named(output), policy), ("value", "change of the value", value)):
            array, about = curve(f"{name}: {words}", numbers)
            variables[f"{plain}_{layer}"] = Variable(("time",), array, {**about, "of": name, "quantity": words})
    notices = [f"found {len(time)} frames, fewer than the {asked} asked for"] if len(time) < asked else []
    return Measured(time, variables, notices=notices)


def table(results: Results, arguments: Arguments) -> list[Row]:
    """Return the mean of each curve."""
    from searchlight.measures._statistics import Samples

    store = results.any
    time = store.read("time").tolist()
    samples, rows = Samples(time), []
    for name in _curves(store, arguments):
        about, mean = store.about(name), samples.mean(store.read(name))
        rows.append(mean.row(about["of"], f"mean {about['quantity']}", frames=len(time), is_method=False))
    return rows


def draw(figure: Figure, results: Results, rows: list[Row], arguments: Arguments) -> None:
    """Draw the curves."""
    store = results.any
    names = _curves(store, arguments)
    quantities = list(dict.fromkeys(store.about(name)["quantity"] for name in names))
    time = store.read("time")
    for axes, quantity in zip(np.atleast_1d(figure.subplots(len(quantities), sharex=True)), quantities, strict=True):
        for name in names:
            about = store.about(name)
            if about["quantity"] == quantity:
                axes.plot(time, store.read(name), label=about["of"], linewidth=1.2)
        axes.set_ylabel(quantity)
        axes.legend(loc="upper right")
    axes.set_xlabel("decision")


def _curves(store: Reader, arguments: Arguments) -> list[str]:
    """Return the names of the curves' arrays in the order of the scales; a store's own order is the alphabet's."""
    order = [*map(_words, arguments.scales), FROZEN]
    found = [name for name in store.names() if "of" in store.about(name)]
    return sorted(found, key=lambda name: order.index(of) if (of := store.about(name)["of"]) in order else len(order))
