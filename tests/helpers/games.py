"""Raw frames of games that are played by chance, and where objects are seen in them by their colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from searchlight.agents.environment import game_of, make_environment
from searchlight.measures.games import Box, GameObject

SCREEN = Box(0, 0, 210, 160)
# A new action is drawn about so often, in raw frames.
HELD = 8


@dataclass(frozen=True)
class Sight:
    """How an object is seen.

    Attributes:
        colours: of its pixels, RGB in one number; none: whatever is not black.
        around: where its colours are looked for: a box, or so many pixels around the object's own box.
        exact: share of frames in which the pixels' box is the object's box, at least.
        within: share of frames in which the pixels' box is within the object's box and its slack, at least.
    """

    colours: tuple[int, ...]
    around: Box | int
    exact: float = 0.95
    within: float = 0.95


def play(game: str, frames: int, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield raw screens (210, 160, 3) uint8 and the memory of the console (128,) uint8 after each."""
    env = {"id": f"ALE/{game}-v5", "frameskip": 1, "repeat_action_probability": 0}
    environment = make_environment(env)
    ale, generator = game_of(environment).ale, np.random.default_rng(seed)
    environment.reset(seed=seed)
    action = 0
    for frame in range(frames):
        if generator.random() < 1 / HELD:
            action = int(generator.integers(environment.action_space.n))
        screen, _, terminated, truncated, _ = environment.step(action)
        yield screen, ale.getRAM()
        if terminated or truncated:
            environment.reset(seed=seed + frame)
    environment.close()


def seen(screen: np.ndarray, sight: Sight, box: Box | None) -> Box | None:
    """Return the box around the pixels of an object's colours; None if there are none."""
    area = sight.around if isinstance(sight.around, Box) else box and box.grown(sight.around).within(SCREEN)
    if area is None:
        return None
    colours = screen[area.pixels].astype(np.int32) @ (1 << 16, 1 << 8, 1)
    found = np.isin(colours, sight.colours) if sight.colours else colours != 0
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    if not len(rows):
        return None
    top, left = int(rows[0]), int(columns[0])
    return Box(area.top + top, area.left + left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1)


def compare(
    frames: Iterator[tuple[np.ndarray, np.ndarray]], objects: tuple[GameObject, ...], sights: dict[str, Sight]
) -> dict[str, Counter[str]]:
    """Count by object the frames in which its box is where its pixels are.

    Of the counts ``frames``, ``exact`` are those in which it is the pixels' box, and ``within`` those in which the
    pixels are within it and its slack. Frames are left out in which the object is neither there nor seen, those in
    which it is not seen if it blinks, and those in which another one of its colours touches the part where it is looked
    for around its box.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in sights}
    for screen, ram in frames:
        boxes = {one.name: one.box(ram) for one in objects}
        for one in objects:
            name, box, sight = one.name, boxes[one.name], sights[one.name]
            if isinstance(sight.around, int) and (box is None or _beside(name, box, sight, sights, boxes)):
                continue
            pixels = seen(screen, sight, box)
            if pixels is None and (box is None or one.blinks):
                continue
            inside = box is not None and pixels is not None and pixels.within(box.grown(one.slack)) == pixels
            counts[name].update({"frames": 1, "exact": int(box == pixels), "within": int(inside)})
    return counts


def _beside(name: str, box: Box, sight: Sight, sights: dict[str, Sight], boxes: dict[str, Box | None]) -> bool:
    assert isinstance(sight.around, int)
    area = box.grown(sight.around)
    alike = (
        boxes[other]
        for other, its in sights.items()
        if other != name and (not sight.colours or not its.colours or set(its.colours) & set(sight.colours))
    )
    return any(other is not None and other.within(area) for other in alike)
