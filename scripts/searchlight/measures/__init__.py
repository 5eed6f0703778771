"""Measures: what says in numbers how far to believe a clip's maps. A registry (``searchlight.registry``).

A measure is taken in up to two parts, so that nothing is computed twice: ``of_clip``, which does not depend on a
method, and ``of_method``, once for each of the clip's methods. Each returns ``Measured``: numbers along ``time``, the
decisions that were measured. All methods together become a table and a figure.

A member has

- ``Arguments``, whose docstring is its description;
- ``FRAMES``: ``clip`` or ``episode``, the frames that it is taken on;
- ``of_clip(scene, arguments)`` or ``of_method(scene, arguments)`` or both: they take a ``Scene`` and a
  ``MethodScene``, and return ``Measured``;
- ``table(results, arguments)``: takes ``Results`` and returns a list of ``Row``;
- ``draw(figure, results, rows, arguments)``: draws on an empty figure of matplotlib.

A member may have

- ``USES_MAPS``, if its ``of_method`` reads the clip's maps. Otherwise it makes maps itself, of any frames;
- ``USES_OBJECTS``, if it needs the objects of the game (``searchlight.measures.games``);
- ``window(arguments)``: decisions that the background of its ``of_clip`` is drawn from.

Members import torch, cv2 and matplotlib inside functions, because the check of a config imports them. Files whose names
begin with an underscore are no members.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from searchlight import registry
from searchlight.errors import SearchlightError

if TYPE_CHECKING:
    from searchlight.agents.policy import Policy
    from searchlight.saliency.recorded import Moment, Recorded
    from searchlight.saliency.single_maps import Maker, Maps
    from searchlight.store.zarr import Reader, Variable

FOLDER = "measures"
# The row of a map that says nothing but how large things are.
UNIFORM = "the same everywhere"
# Consecutive frames that are read together.
RUN = 16


@dataclass(frozen=True)
class Scene:
    """What a measure may use of an episode.

    Attributes:
        episode: its store.
        recorded: its moments; with backgrounds if the member has a ``window``, or the method needs them.
        policy: the network that played it, on the CPU.
        frames: the decisions to choose from, in order: those of the clip, or all of the episode.
        key: the clip in the config, for errors and notices.
    """

    episode: Reader
    recorded: Recorded
    policy: Policy
    frames: range
    key: str

    def moments(self, decisions: Sequence[int]) -> Iterator[Moment]:
        """Yield the moments of some decisions, in order; consecutive ones are read in runs."""
        start = 0
        while start < len(decisions):
            stop = start + 1
            while stop < min(len(decisions), start + RUN) and decisions[stop] == decisions[stop - 1] + 1:
                stop += 1
            yield from self.recorded.moments(range(decisions[start], decisions[stop - 1] + 1))
            start = stop


@dataclass(frozen=True)
class MethodScene(Scene):
    """What a measure may use of a method, too.

    Attributes:
        method: name of the method in the config.
        space: where its maps lie, ``screen`` or ``observation``.
        maps: returns the unscaled maps of a moment: those of the clip for members with ``USES_MAPS``, else made anew.
        maker: makes maps; None for members with ``USES_MAPS``.
        of_clip: what the member's ``of_clip`` gave; None if it has none.
    """

    method: str
    space: str
    maps: Callable[[Moment], Maps]
    maker: Maker | None
    of_clip: Reader | None


@dataclass(frozen=True)
class Measured:
    """Numbers along the frames that were measured.

    Attributes:
        time: the decisions that were measured, in order.
        variables: arrays along ``time`` (and other dimensions), by name. An array along ``time`` alone with the
            attribute ``curve`` is a curve on pages; the attribute's text is its name there. Curves of a measure whose
            names end in the same ``: QUANTITY`` share a chart. NaN: not measured here.
        attributes: of the store.
        notices: one line each, for what a user should know: frames that were left out, a constant map.
    """

    time: Sequence[int]
    variables: Mapping[str, Variable]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    notices: Sequence[str] = ()


@dataclass(frozen=True)
class Results:
    """What a measure gave for a clip.

    Attributes:
        of_clip: store of its ``of_clip``; None if it has none.
        of_methods: stores of its ``of_method``, by the names of the methods, in the clip's order.
    """

    of_clip: Reader | None
    of_methods: Mapping[str, Reader]

    @property
    def any(self) -> Reader:
        """One of the stores, for what all say alike."""
        found = self.of_clip if self.of_clip is not None else next(iter(self.of_methods.values()), None)
        if found is None:
            raise SearchlightError("found no result of a measure, allowed: one or more")
        return found


class Row(NamedTuple):
    """A number of the table.

    Attributes:
        of: what it is of: a method's name, or what is no method, such as ``random pixels``.
        quantity: what was measured, in words; rows of one quantity form a column.
        value: the number; NaN if there is none.
        low, high: its 95 % interval; NaN if there is none.
        less: the number of a method less that of the clip's first method, paired by frames; NaN for others.
        less_low, less_high: its 95 % interval.
        frames: number of frames that it is from.
        is_method: whether ``of`` is a method.
    """

    of: str
    quantity: str
    value: float
    low: float = float("nan")
    high: float = float("nan")
    less: float = float("nan")
    less_low: float = float("nan")
    less_high: float = float("nan")
    frames: int = 0
    is_method: bool = True


def check(spec: Any) -> dict[str, dict[str, Any]]:
    """Return a measure of the config as ``{NAME: {argument: value}}``, complete and in plain types.

    Raises:
        SearchlightError: the measure does not exist, or its arguments are wrong.
    """
    return registry.choose(FOLDER, spec).spec


def told(name: str, attribute: str) -> Any:
    """Return an optional attribute of a member's file, or None: ``FRAMES``, ``USES_MAPS``, ``of_clip``, …."""
    return getattr(registry.load(FOLDER, name), attribute, None)


def window(spec: Any) -> int | Literal["episode"] | None:
    """Return the window of the background that a measure's ``of_clip`` needs, or None."""
    chosen = registry.choose(FOLDER, spec)
    of_member = chosen.get("window")
    return None if of_member is None else of_member(chosen.arguments)


def spread(frames: range, count: int) -> list[int]:
    """Return up to ``count`` of some frames, evenly spread, in order; all if there are fewer."""
    if len(frames) <= count:
        return list(frames)
    last = len(frames) - 1
    return [frames[round(index * last / (count - 1)) if count > 1 else last // 2] for index in range(count)]
