"""Moves of a game's objects, and what they do to an agent's policy and value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from searchlight.errors import SearchlightError
from searchlight.measures import Measured, Scene
from searchlight.measures._changes import answers, curve, named, policy_changes
from searchlight.measures._regions import Regions, plain
from searchlight.measures._twin import Twin
from searchlight.saliency.recorded import Moment
from searchlight.store.zarr import Reader, Variable

# What the maps of each layer are compared with.
COMPARED = {"actor": "policy", "critic": "value"}


class _Effect(NamedTuple):
    """What moving an object did at a frame.

    Attributes:
        policy, value: how far they changed, mean over the moves that took; NaN if none did.
        took: number of moves that took.
        tried: number of moves that leave the object within its field.
    """

    policy: float
    value: float
    took: int
    tried: int


class Interventions:
    """Moves all objects of a game at some frames of an episode."""

    def __init__(self, scene: Scene, time: Sequence[int], asked: int) -> None:
        """Replay the episode.

        Args:
            scene: with the episode.
            time: decisions that are measured.
            asked: number of decisions that was asked for.

        Raises:
            SearchlightError: nothing is known of the game's objects, or the replay is not the episode.
        """
        self._scene, self._time, self._asked = scene, time, asked
        self._regions = Regions(scene, "interventions")
        self._moved = [one for one in self._regions.objects if one.moves]
        if not self._moved:
            raise SearchlightError(
                f"{scene.key}: measures: interventions: found a game without moves of objects, allowed: one whose file "
                "in measures/games has some"
            )
        about, episode = scene.episode.attributes, scene.episode
        needed = {one for decision in time for one in self._regions.made_of(decision)}
        try:
            self._twin = Twin(
                about["env"],
                about["wrappers"],
                about["seed"],
                episode.read("action"),
                episode.read("ram"),
                needed,
                self._regions.objects,
            )
        except SearchlightError as error:
            raise SearchlightError(f"{scene.key}: measures: interventions: {error}") from error

    def measured(self) -> Measured:
        """Return the effects, and an example of a frame with all boxes."""
        found: dict[str, list[_Effect]] = {one.name: [] for one in self._moved}
        undrawn = unlike = 0
        for moment in self._scene.moments(self._time):
            drawn = all(one in self._twin.drawings for one in moment.decisions)
            usable = drawn and self._repeats(moment)
            undrawn, unlike = undrawn + (not drawn), unlike + (drawn and not usable)
            effects = self._effects(moment) if usable else {}
            for name, of_object in found.items():
                of_object.append(effects.get(name, _Effect(np.nan, np.nan, 0, 0)))
            self._twin.forget(before=moment.decisions[0])
        notices = [
            (len(self._time) < self._asked, f"found {len(self._time)} frames, fewer than the {self._asked} asked for"),
            (undrawn, f"{undrawn} of {len(self._time)} frames are left out: they show the game before its first act"),
            (unlike, f"{unlike} of {len(self._time)} frames are left out: the game does not draw them again alike"),
        ]
        said = [words for holds, words in notices if holds]
        return Measured(
            self._time,
            {**self._variables(found), **self._example(found)},
            {"moved": list(found)},
            [*said, *(line for name, of_object in found.items() for line in _took(name, of_object))],
        )

    def _repeats(self, moment: Moment) -> bool:
        """Return whether the twin draws the screens of a moment as they were recorded, and again."""
        try:
            return all(
                np.array_equal(self._twin.control(one), screen) and self._twin.repeats(one)
                for one, screen in zip(moment.decisions, moment.screens, strict=True)
            )
        except SearchlightError:  # no action draws the frame again
            return False

    def _effects(self, moment: Moment) -> dict[str, _Effect]:
        """Return what moving each object does at a moment, against the twin's own frames."""
        tried: dict[str, int] = {}
        looks: list[tuple[str, np.ndarray]] = []
        for one in self._moved:
            moves = [move for move in one.moves if self._regions.fits(one, moment.decision, move)]
            tried[one.name] = len(moves)
            stacks = (self._twin.stack(moment.decisions, one, move) for move in moves)
            looks += [(one.name, self._observation(screens)) for screens in stacks if screens is not None]
        control = self._observation(np.stack([self._twin.control(one) for one in moment.decisions]))
        policy = self._scene.policy
        found = answers(policy, np.stack([control, *(look for _, look in looks)]), moment.memory)
        changes = policy_changes(found.outputs[0], found.outputs[1:], policy.output)
        values = np.abs(found.values[1:] - found.values[0])
        of = np.array([name for name, _ in looks])
        effects = {}
        for name, count in tried.items():
            took = of == name
            means = [float(one[took].mean()) if took.any() else float("nan") for one in (changes, values)]
            effects[name] = _Effect(means[0], means[1], int(took.sum()), count)
        return effects

    def _observation(self, screens: np.ndarray) -> np.ndarray:
        return self._regions.preprocessing.prepare(screens).observation

    def _variables(self, found: dict[str, list[_Effect]]) -> dict[str, Variable]:
        """Return the effects as arrays."""
        words = {"policy": named(self._scene.policy.output), "value": "change of the value"}
        counts = {"took": "number of moves of {} that took", "tried": "number of moves of {} within its field"}
        variables = {}
        for name, of_object in found.items():
            for kind, quantity in words.items():
                array, about = curve(f"moving {name}: {quantity}", [getattr(one, kind) for one in of_object])
                variables[f"{plain(name)}_{kind}"] = Variable(("time",), array, {**about, "quantity": quantity})
            for kind, text in counts.items():
                array = np.array([getattr(one, kind) for one in of_object], np.int64)
                variables[f"{plain(name)}_{kind}"] = Variable(("time",), array, {"long_name": text.format(name)})
        return variables

    def _example(self, found: dict[str, list[_Effect]]) -> dict[str, Variable]:
        """Return a frame for the picture, and what lies where: nearest the middle where most objects can be moved."""
        if not self._time:
            return {}
        took = np.array([[one.took > 0 for one in of_object] for of_object in found.values()]).sum(axis=0)
        most = np.flatnonzero(took == took.max())
        decision = self._time[int(most[np.abs(most - len(took) // 2).argmin()])]
        screen = self._scene.episode.read("frame", slice(decision, decision + 1))[0]
        most_moves = max(len(one.moves) for one in self._moved)
        boxes = np.full((len(self._moved), 1 + most_moves, 4), -1, np.int64)
        for places, one in zip(boxes, self._moved, strict=True):
            moves = (move for move in one.moves if self._regions.fits(one, decision, move))
            found_boxes = [self._regions.newest(one, decision, move) for move in (None, *moves)]
            for place, box in zip(places, found_boxes, strict=False):
                place[:] = box or -1
        words = f"top, left, height and width in pixels, as it is and after each move, of {', '.join(found)}; -1: none"
        return {
            "example_frame": Variable(("y", "x", "channel"), screen, {"long_name": f"screen at decision {decision}"}),
            "example_box": Variable(("object", "place", "edge"), boxes, {"long_name": words, "decision": decision}),
        }


def effects(store: Reader, kind: str) -> tuple[np.ndarray, str]:
    """Return the effects of moving all objects, (object, frame), on ``policy`` or ``value``, and what they are."""
    names = [f"{plain(name)}_{kind}" for name in store.attributes["moved"]]
    return np.stack([store.read(name) for name in names]), store.about(names[0])["quantity"]


def saliency(of_method: Reader, of_clip: Reader, layer: str) -> np.ndarray:
    """Return the saliency of a method on all moved objects, (object, frame), by ``actor`` or ``critic``."""
    return np.stack([of_method.read(f"{plain(name)}_{layer}") for name in of_clip.attributes["moved"]])


def _took(name: str, found: Sequence[_Effect]) -> list[str]:
    """Return a line about an object's moves, if some did not take or some frames have none."""
    tried, took = sum(one.tried for one in found), sum(one.took for one in found)
    frames = sum(one.took > 0 for one in found)
    if took == tried and frames == len(found):
        return []
    return [f"{name}: {took} of {tried} moves took, in {frames} of {len(found)} frames"]
