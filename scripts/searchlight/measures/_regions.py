"""Where the objects of a game lie in what an agent sees, by the console's memory at the frames of an episode.

An observation is made of several raw frames: both of a maximum, and those of all pictures of a stack. An object's
region is where it lies in any of them, as far as the agent sees it: on the screen, or on the observation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from searchlight.agents.preprocessing import Preprocessing
from searchlight.errors import SearchlightError
from searchlight.measures import Scene
from searchlight.measures.games import Box, GameObject, Move, objects_of

# All objects together, as one more object.
ALL = "all objects"


class Regions:
    """Regions of a game's objects in an agent's observations.

    Attributes:
        objects: of the game.
        preprocessing: the agent's.
    """

    def __init__(self, scene: Scene, measure: str) -> None:
        """Read what is needed of an episode.

        Args:
            scene: with the episode.
            measure: name of the measure that needs the objects, for errors.

        Raises:
            SearchlightError: nothing is known of the game's objects.
        """
        try:
            self.objects = objects_of(game_of_episode(scene.episode.attributes))
        except SearchlightError as error:
            raise SearchlightError(f"{scene.key}: measures: {measure}: {error}") from error
        episode, self.preprocessing = scene.episode, scene.recorded.preprocessing
        # Of a maximum of two raw frames, an episode holds the memory at both.
        self._rams = [episode.read(name) for name in ("ram_before", "ram") if name in episode.names()]
        self._begun = episode.read("stack_begun") if self.preprocessing.stack > 1 else None
        top, bottom, left, right = self.preprocessing.seen
        self._seen = Box(top, left, bottom - top, right - left)
        self._boxes: dict[tuple[str, int], list[Box]] = {}

    def made_of(self, decision: int) -> list[int]:
        """Return the decisions whose screens an observation is made of, oldest first."""
        return self.preprocessing.decisions(decision, decision if self._begun is None else int(self._begun[decision]))

    def newest(self, of: GameObject, decision: int, move: Move | None = None) -> Box | None:
        """Return the box of an object, or its box after a move, in the newest raw frame of a decision.

        Returns:
            The part of the box that the agent sees, or None.
        """
        ram = self._rams[-1][decision]
        box = of.box(ram) if move is None else of.moved(ram, move)
        return None if box is None else box.within(self._seen)

    def fits(self, of: GameObject, decision: int, move: Move) -> bool:
        """Return whether an object, moved in all pictures of an observation, lies within its field in each."""
        return all(of.moved(self._rams[-1][one], move) is not None for one in self.made_of(decision))

    def region(self, of: GameObject, decision: int, margin: int, space: str) -> np.ndarray:
        """Return the region of an object in an observation.

        Args:
            of: the object.
            decision: of the observation.
            margin: pixels of the screen around the object.
            space: ``screen`` or ``observation``. A pixel of the observation belongs to the region if any pixel of the
                screen that it is made from does.

        Returns:
            (height, width) bool, of the screen or of the observation; all False if the object is not seen.
        """
        grown = (
            box.grown(margin).within(self._seen)
            for one in sorted(set(self.made_of(decision)))
            for box in self._seen_boxes(of, one)
        )
        return _painted([box for box in grown if box is not None], self.preprocessing, space)

    def regions(self, decision: int, margin: int, space: str) -> dict[str, np.ndarray]:
        """Return the regions of all objects, and of all together, by name."""
        found = {one.name: self.region(one, decision, margin, space) for one in self.objects}
        return {**found, ALL: np.logical_or.reduce(list(found.values()))}

    def seen(self, image: np.ndarray, space: str) -> np.ndarray:
        """Return the part of an image (height, width) of the screen or of the observation that the agent sees."""
        return image[self._seen.pixels] if space == "screen" else image

    def _seen_boxes(self, of: GameObject, decision: int) -> list[Box]:
        """Return the boxes of an object in the raw frames of a decision, as far as the agent sees them."""
        key = (of.name, decision)
        if key not in self._boxes:
            boxes = (of.box(ram[decision]) for ram in self._rams)
            seen = (box.within(self._seen) for box in boxes if box is not None)
            self._boxes[key] = [box for box in seen if box is not None]
        return self._boxes[key]


def game_of_episode(attributes: Mapping[str, Any]) -> str:
    """Return the name of the game of an episode, by its attributes.

    Raises:
        SearchlightError: the environment does not say which game it is.
    """
    game = attributes["environment_settings"].get("game")
    if not isinstance(game, str):
        raise SearchlightError(
            f"no objects are known of this game: found {attributes['environment']} without a setting 'game', allowed: "
            "an environment that is registered with one"
        )
    return game


def share(image: np.ndarray, region: np.ndarray) -> float:
    """Return the share of an image's values (height, width) on a region; NaN if the image is zero or there is none."""
    total = float(image.sum(dtype=np.float64))
    return float(image[region].sum(dtype=np.float64)) / total if total > 0 and region.any() else float("nan")


def hit(image: np.ndarray, region: np.ndarray) -> float:
    """Return whether the largest value of an image (height, width) lies on a region, 0 or 1; NaN as for ``share``.

    Where several pixels have the largest value, it is the chance that one of them lies there, so that a uniform image
    hits no more often than by chance.
    """
    if not image.any() or not region.any():
        return float("nan")
    return float(region[image == image.max()].mean())


def plain(name: str) -> str:
    """Return a name of an object as a part of the names of arrays."""
    return name.replace(" ", "_")


def listed(names: Sequence[str]) -> str:
    """Return names as in a sentence: ``ball, player and enemy``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _painted(boxes: Iterable[Box], preprocessing: Preprocessing, space: str) -> np.ndarray:
    """Return where boxes of the screen lie, (height, width) bool, of the screen or of the observation."""
    edges = np.array([[top, top + height, left, left + width] for top, left, height, width in boxes], np.int64)
    edges = edges.reshape(-1, 4)
    if space == "observation":
        edges = preprocessing.reached(edges)
    found = np.zeros(preprocessing.shape if space == "observation" else preprocessing.screen, bool)
    for top, bottom, left, right in edges.tolist():
        found[top:bottom, left:right] = True
    return found
