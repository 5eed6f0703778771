"""A method's maps of single frames, in memory: as the rules perturb, score and differentiate make them, bit for bit.

For measures, which look at frames that no block holds, at other networks, and at maps that say nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from searchlight.agents.policy import Policy
from searchlight.agents.preprocessing import Preprocessing
from searchlight.saliency import outputs
from searchlight.saliency.differentiate import Differentiation
from searchlight.saliency.engine import make_engine
from searchlight.saliency.perturb import Responses
from searchlight.saliency.perturbation import Perturbation
from searchlight.saliency.recorded import Moment
from searchlight.saliency.score import Scorers, make_scorers


class Maps(NamedTuple):
    """Unscaled maps of one frame, (height, width) float32 each, of the screen or of the observation."""

    actor: np.ndarray
    critic: np.ndarray


class Maker(Protocol):
    """What makes maps by one method.

    Attributes:
        space: ``screen`` or ``observation``, where its maps lie.
        without_signal: how ``null_maps`` are made, in a few words.
    """

    space: str
    without_signal: str

    def maps(self, moment: Moment) -> Maps:
        """Return the maps of a frame.

        Raises:
            SearchlightError: the network does not reproduce the frame's recorded outputs.
        """

    def null_maps(self, moment: Moment, random: np.random.Generator) -> Maps:
        """Return maps that say nothing about the frame, but have the same values and grain."""

    def hidden(self, moment: Moment) -> np.ndarray | None:
        """Return the observation (height, width, channel) with all of it hidden, or None if nothing hides."""

    def by(self, policy: Policy) -> Maker:
        """Return the same method for another network, which did not play the episode.

        What is explained is still the action that the episode's own network prefers, where the method explains one.
        """


def make_maker(policy: Policy, preprocessing: Preprocessing, method: dict[str, Any]) -> Maker:
    """Return what makes maps by a method.

    Args:
        policy: the network, on the CPU.
        preprocessing: of the episode.
        method: ``signed``, and either ``gradient`` and ``of``, or ``scorer``, ``output``, ``temperature`` and
            ``perturbation``, which is the perturbation's own table.
    """
    if method["gradient"] is not None:
        return _ByGradient(policy, preprocessing, method)
    return _ByMasks(policy, Perturbation(method["perturbation"], preprocessing), method)


class _ByMasks:
    """Maps by the responses to masks."""

    without_signal = "its masks' effects shuffled"

    def __init__(
        self, policy: Policy, perturbation: Perturbation, method: dict[str, Any], like: _ByMasks | None = None
    ) -> None:
        self.space: str = method["perturbation"]["space"]
        self._method, self._perturbation, self._foreign = method, perturbation, like is not None
        engine = make_engine(policy, perturbation.preprocessing.shape)
        self._given = policy.output.name
        outputs.check(self._given, method["output"], method["temperature"])
        self._responses = Responses(engine, perturbation, check=not self._foreign)
        own = None if like is None else like._score
        self._last: tuple[Moment, tuple[np.ndarray, ...]] | None = None
        self._score: Scorers = own or make_scorers(method["scorer"], perturbation.masks, signed=method["signed"])

    def maps(self, moment: Moment) -> Maps:
        return self._scored(moment, None)

    def null_maps(self, moment: Moment, random: np.random.Generator) -> Maps:
        return self._scored(moment, random.permutation(len(self._perturbation.masks)))

    def hidden(self, moment: Moment) -> np.ndarray | None:
        return self._perturbation.hidden(moment.screens, moment.prepared, moment.backgrounds)

    def by(self, policy: Policy) -> Maker:
        return _ByMasks(policy, self._perturbation, self._method, self)

    def _scored(self, moment: Moment, order: np.ndarray | None) -> Maps:
        # One frame's maps and those without their signal are of the same responses.
        if self._last is None or self._last[0] is not moment:
            self._last = moment, self._responses.of(moment)[0]
        perturbed, values, reference, value = self._last[1]
        if order is not None:
            perturbed, values = perturbed[order], values[order]
        chosen = np.array([moment.outputs[self._given].argmax()]) if self._foreign else None
        answers = outputs.compared(
            reference[None],
            perturbed[None],
            self._given,
            self._method["output"],
            self._method["temperature"],
            chosen,
        )
        actor = self._score.actor(*answers, chosen=chosen)[0]
        return Maps(actor, self._score.critic(value.reshape(1, 1), values.reshape(1, -1, 1))[0])


class _ByGradient:
    """Maps by a gradient."""

    space = "observation"
    without_signal = "shifted at random"

    def __init__(
        self, policy: Policy, preprocessing: Preprocessing, method: dict[str, Any], foreign: bool = False
    ) -> None:
        self._preprocessing, self._method, self._foreign = preprocessing, method, foreign
        self._last: tuple[Moment, Maps] | None = None
        self._differentiation = Differentiation(
            policy, preprocessing, method["gradient"], method["of"], method["signed"]
        )

    def maps(self, moment: Moment) -> Maps:
        # ``null_maps`` asks for the same frame again.
        if self._last is None or self._last[0] is not moment:
            of = self._differentiation
            self._last = moment, Maps(*(of.unchecked_maps(moment) if self._foreign else of.maps(moment)))
        return self._last[1]

    def null_maps(self, moment: Moment, random: np.random.Generator) -> Maps:
        maps = self.maps(moment)
        shift = tuple(random.integers(0, size) for size in maps.actor.shape)
        return Maps(*(np.roll(one, shift, axis=(0, 1)) for one in maps))

    def hidden(self, moment: Moment) -> np.ndarray | None:
        return self._differentiation.base(moment) if self._differentiation.has_base else None

    def by(self, policy: Policy) -> Maker:
        return _ByGradient(policy, self._preprocessing, self._method, foreign=True)
