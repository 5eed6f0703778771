"""Deletion and insertion (Petsiuk et al. 2018): how soon a network's answer changes along the order of a map.

Deletion replaces the observation's pixels by those of a base, the most salient first. Insertion begins with the base,
and puts the observation's pixels back, the most salient first. Both go in ``STEPS`` steps of equal numbers of pixels.

F is the area under the answer's change along deletion, less that along insertion. A good order changes the answer early
in deletion, and undoes the change early in insertion, so F is large. After equal steps from either end, as many pixels
are replaced, in deletion the first of the order and in insertion the last. So the reversed order has exactly -F, and a
random order has 0 in expectation, for any network and base. Areas alone have no such zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from searchlight.agents.policy import Output, Policy
from searchlight.measures._changes import BATCH, Answers, answers, chosen_actions, policy_changes

STEPS = 20
# Share of the answers' size below which a change is rounding.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Frame:
    """A frame and its bases, with the network's answers to them.

    Attributes:
        observation: (height, width, channel) float32.
        bases: (base, height, width, channel) float32, what pixels are replaced by.
        memory: arrays of (1, size), as recorded.
        before: the answers to the observation and then to the bases.
    """

    observation: np.ndarray
    bases: np.ndarray
    memory: Mapping[str, Tensor]
    before: Answers

    @classmethod
    def of(cls, policy: Policy, observation: np.ndarray, bases: np.ndarray, memory: Mapping[str, Tensor]) -> Frame:
        """Return a frame with the answers of a network."""
        both = np.concatenate([observation[None], bases])
        return cls(observation, bases, memory, answers(policy, both, memory))


def ranks(saliency: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the place of each pixel in the order of a map, the most salient first, (height, width) int64.

    Signed maps are taken by their absolute values. Equal values are in random order: maps have many exact zeros, whose
    order as pixels would be one from the top down.
    """
    order = np.lexsort((random.permutation(saliency.size), -np.abs(saliency.ravel())))
    found = np.empty(saliency.size, np.int64)
    found[order] = np.arange(saliency.size)
    return found.reshape(saliency.shape)


def is_constant(saliency: np.ndarray) -> bool:
    """Return whether a map orders no pixels."""
    size = np.abs(saliency)
    return bool((size == size.flat[0]).all())


def path(differs: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which pixels are replaced along deletion and insertion.

    Steps between which no pixel differs from the base are one and the same.

    Args:
        differs: (height, width) bool, the pixels in which the base differs from the observation.
        places: (height, width) int64, as ``ranks`` returns them.

    Returns:
        The replaced pixels (n, height, width) bool, where neither none nor all of the differing ones are. And for each
        step of deletion and of insertion, (2, STEPS + 1) int64: 0 the observation, 1 the base, 2 the first of these.
    """
    # Rounded to the nearest, in whole numbers.
    replaced = (np.arange(STEPS + 1) * places.size + STEPS // 2) // STEPS
    differing = np.sort(places[differs])
    count = len(differing)
    # Numbers of differing pixels that are replaced: the first ones of the order, and the last ones.
    first = np.searchsorted(differing, replaced)
    last = count - np.searchsorted(differing, places.size - replaced[::-1])
    masks: list[np.ndarray] = []
    index = np.zeros((2, STEPS + 1), np.int64)
    for row, numbers in enumerate((first, last)):
        for number in np.unique(numbers[(numbers > 0) & (numbers < count)]):
            index[row, numbers == number] = 2 + len(masks)
            masks.append(places < differing[number] if row == 0 else places >= differing[count - number])
        index[row, (numbers == count) & (count > 0)] = 1
    return np.stack(masks) if masks else np.empty((0, *places.shape), bool), index


def along(policy: Policy, frame: Frame, places: np.ndarray) -> Answers:
    """Return a network's answers along deletion and insertion by one order, for each base.

    Args:
        policy: the network, on the CPU.
        frame: the frame.
        places: (height, width) int64, as ``ranks`` returns them.

    Returns:
        Outputs (base, 2, STEPS + 1, action) and values (base, 2, STEPS + 1), for deletion and insertion.
    """
    masks, steps = zip(*(path((frame.observation != base).any(axis=2), places) for base in frame.bases), strict=True)
    counts = [len(some) for some in masks]
    replaced, base = np.concatenate(masks), np.repeat(np.arange(len(counts)), counts)
    found = [frame.before]
    # Observations are made batch by batch, because they may be large.
    for start in range(0, len(replaced), BATCH):
        some = slice(start, start + BATCH)
        observations = np.where(replaced[some, ..., None], frame.bases[base[some]], frame.observation)
        found.append(answers(policy, observations, frame.memory))
    outputs, values = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    # The frame's and the bases' answers come first, then those of each base's steps.
    starts = 1 + len(counts) + np.cumsum([0, *counts[:-1]])
    rows = np.stack(
        [
            np.where(step > 1, start + step - 2, step * (1 + number))
            for number, (start, step) in enumerate(zip(starts, steps, strict=True))
        ]
    )
    return Answers(outputs[rows], values[rows])


def area(changes: np.ndarray) -> np.ndarray:
    """Return the area under curves by trapezoids; the last axis are steps of equal width, 0 to 1 in all."""
    return ((changes[..., 1:] + changes[..., :-1]) / 2).mean(axis=-1)


def faithfulness(changes: np.ndarray) -> np.ndarray:
    """Return F of each base, (base,) float64: the area along deletion less that along insertion.

    Args:
        changes: (base, 2, STEPS + 1), how far the answer is from the unperturbed one.
    """
    areas = area(changes)
    return areas[:, 0] - areas[:, 1]


def of_policy(frame: Frame, found: Answers, output: Output) -> np.ndarray:
    """Return F of the policy for each base, (base,) float64, in the units of ``policy_changes``."""
    return faithfulness(policy_changes(frame.before.outputs[0], found.outputs, output))


def of_value(frame: Frame, found: Answers) -> np.ndarray:
    """Return F of the value for each base, (base,) float64, in the units of the value."""
    return faithfulness(np.abs(found.values - frame.before.values[0]))


def curves(found: Answers, output: Output, action: int) -> np.ndarray:
    """Return an action's probability, or its advantage, along both, (base, 2, STEPS + 1) float32."""
    numbers = chosen_actions(found.outputs.reshape(-1, found.outputs.shape[-1]), output, action)
    return numbers.reshape(found.outputs.shape[:-1]).astype(np.float32)


def scale(changes: np.ndarray, answers_of: np.ndarray) -> np.ndarray:
    """Return the mean change at each base, (base,) float64, which F is divided by; NaN where it is only rounding.

    Args:
        changes: (frame, base), at the base.
        answers_of: what changed, any shape; its size says what rounding is.
    """
    mean = changes.mean(axis=0)
    return np.where(mean > ROUNDING * np.abs(answers_of).max(), mean, np.nan)


def beyond_chance(values: np.ndarray, errors: float, least: float) -> np.ndarray:
    """Return which means of numbers that have 0 in expectation are not 0, (base,) bool.

    Args:
        values: (number, base), independent of each other.
        errors: number of standard errors beyond which a mean is not 0.
        least: a mean within this of 0 is 0, too.
    """
    mean = values.mean(axis=0)
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return (np.abs(mean) > errors * error) & (np.abs(mean) > least)
