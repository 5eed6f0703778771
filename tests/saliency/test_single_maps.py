"""Maps of single frames in memory: those of the rules bit for bit, of other networks, and without their signal."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.played import Played, by_gradient, by_masks, play
from scipy.ndimage import gaussian_filter
from searchlight.errors import SearchlightError
from searchlight.saliency.differentiate import differentiate_block
from searchlight.saliency.perturb import perturb_block
from searchlight.saliency.recorded import Moment
from searchlight.saliency.score import score_block
from searchlight.saliency.single_maps import Maps
from searchlight.store.zarr import load

STEPS = 20
# Those of the first block of 3, with young stacks, and of the fifth.
KNOWN = [0, 1, 2, 12, 13, 14]
INTEGRATED = {"integrated_gradients": {"base": "background", "steps": 4, "error": 1e9}}
BY_MASKS = {
    "blur": by_masks("observation", {"blur": 3}),
    "earlier memory": by_masks("observation", {"blur": 3}, memory_lag=1),
    "background": by_masks("screen", "background"),
    "newest picture": by_masks("screen", "background", stack="newest"),
    "signed": by_masks("screen", "background", "OcclusionScoring", output="chosen_action", signed=True),
    "SARFA": by_masks("screen", 0, "SARFA", output="log_probabilities"),
    "weighted": by_masks("screen", 0, "RISE"),
}
BY_GRADIENT = {
    "gradient": by_gradient("gradient", "every_action"),
    "signed gradient": by_gradient("gradient", signed=True),
    "base": by_gradient(INTEGRATED),
    "noise": by_gradient({"smoothgrad": {"samples": 3}}),
}
METHODS = BY_MASKS | BY_GRADIENT
# A stack of pictures matters to these; the others are of what one frame's outputs give.
OF_STACKS = ("blur", "background", "newest picture", "signed", "gradient", "base", "noise")
CASES = [*(("breakout", name) for name in METHODS), *(("pong", name) for name in OF_STACKS)]


@pytest.fixture(scope="module")
def breakout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with play("breakout", tmp_path_factory.mktemp("breakout"), STEPS) as played:
        yield played


@pytest.fixture(scope="module")
def pong(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """An agent whose stack begins with zeros."""
    with play("pong", tmp_path_factory.mktemp("pong"), STEPS) as played:
        yield played


@pytest.fixture(params=["breakout", "pong"])
def played(request: pytest.FixtureRequest) -> Played:
    found: Played = request.getfixturevalue(request.param)
    return found


def by_the_rules(played: Played, method: dict[str, Any], folder: Path) -> dict[str, np.ndarray]:
    """Return the maps of the frames ``KNOWN`` as the rules write them."""
    parts = []
    for block in (0, 4):
        given: dict[str, Any] = {"block": block, "block_size": 3, "background_path": played.background_path}
        paths = played.policy_path, played.episode_path
        maps = folder / f"maps-{block}"
        if method["gradient"] is not None:
            told = {name: method[name] for name in ("gradient", "of", "signed")}
            differentiate_block(*paths, maps, **told, **given)
        else:
            responses = folder / f"responses-{block}"
            perturb_block(*paths, responses, perturbation=method["perturbation"], **given)
            told = {name: method[name] for name in ("scorer", "temperature", "signed")}
            score_block(responses, maps, compares=method["output"], **told)
        with load(maps) as store:
            parts.append({layer: store.read(layer) for layer in Maps._fields})
    return {layer: np.concatenate([part[layer] for part in parts]) for layer in Maps._fields}


def equal(one: Maps, other: Maps) -> bool:
    return all(np.array_equal(*layers) for layers in zip(one, other, strict=True))


@pytest.mark.parametrize(("agent", "name"), CASES)
def test_maps_are_those_of_the_rules_bit_for_bit(
    request: pytest.FixtureRequest, agent: str, name: str, tmp_path: Path
) -> None:
    played: Played = request.getfixturevalue(agent)
    method = METHODS[name]
    expected = by_the_rules(played, method, tmp_path)
    lag = 0 if method["perturbation"] is None else method["perturbation"]["memory_lag"]
    # Out of order.
    moments = [played.moment(frame, lag) for frame in (14, 0, 12, 2)]
    maker = played.maker(method)
    for moment in moments:
        found = maker.maps(moment)
        for layer, array in zip(Maps._fields, found, strict=True):
            np.testing.assert_array_equal(
                array, expected[layer][KNOWN.index(moment.decision)], err_msg=layer, strict=True
            )
    for layer, maps in expected.items():
        assert maps[3:].any(axis=(1, 2)).all(), f"no map of the {layer} is tested"
    assert maker.space == (method["perturbation"] or {"space": "observation"})["space"]


def test_earlier_memory_counts(breakout: Played) -> None:
    maker = breakout.maker(METHODS["earlier memory"])
    now, before = (maker.maps(breakout.moment(12, lag)) for lag in (0, 1))
    assert not equal(now, before)


def test_outputs_that_were_not_recorded_by_the_network_are_one_line(played: Played) -> None:
    moment = played.moment(9)
    for name in ("background", "gradient"):
        policy = other_weights(played.policy)
        with pytest.raises(
            SearchlightError, match=r": frame 9: recorded logits differ from the policy's by "
        ) as caught:
            played.maker(METHODS[name], policy).maps(moment)
        assert "\n" not in str(caught.value)


def other_weights(policy: Any) -> Any:
    """Return the network with all weights and biases by chance."""
    policy = copy.deepcopy(policy)
    generator = torch.Generator().manual_seed(2)
    for parameter in policy.parameters():
        parameter.normal_(generator=generator).mul_(2 / np.sqrt(max(1, parameter[0].numel())))
    return policy


@pytest.mark.parametrize(("agent", "name"), CASES)
def test_another_network_is_explained_without_a_check(request: pytest.FixtureRequest, agent: str, name: str) -> None:
    played: Played = request.getfixturevalue(agent)
    maker, policy = played.maker(METHODS[name]), played.policy
    same, other = maker.by(policy), maker.by(other_weights(policy))
    moment = played.moment(14)
    own = maker.maps(moment)
    assert equal(same.maps(moment), own)
    assert equal(other.by(policy).maps(moment), own)
    strange = other.maps(moment)
    assert all(np.isfinite(layer).all() for layer in strange)
    assert not np.array_equal(strange.critic, own.critic)
    assert equal(maker.maps(moment), own), "the method keeps its own network"
    assert (same.space, same.without_signal) == (maker.space, maker.without_signal)


class Foreign:
    """A network whose first action is likelier the brighter the left half is; it always prefers the last action."""

    def __init__(self, policy: Any) -> None:
        self.actions, self.output = policy.actions, policy.output

    def initial_memory(self) -> dict[str, torch.Tensor]:
        return {}

    def step(self, observation: torch.Tensor, memory: Any) -> Any:
        left = observation[..., : observation.shape[3] // 2].mean(dim=(1, 2, 3))
        outputs = torch.zeros(len(observation), self.actions)
        outputs[:, 0], outputs[:, -1] = 4 * left, 5
        return outputs, left, memory


@pytest.mark.parametrize(
    "method",
    [
        BY_MASKS["SARFA"],
        by_masks("screen", 0, "OcclusionScoring", output="chosen_action", signed=True),
        BY_GRADIENT["signed gradient"],
    ],
    ids=["SARFA", "occlusion", "gradient"],
)
def test_explained_action_is_the_one_that_the_episode_s_network_prefers(
    breakout: Played, method: dict[str, Any]
) -> None:
    """What is black can only make the first action less likely, and the last one likelier."""
    maker = breakout.maker(method).by(Foreign(breakout.policy))
    moment = breakout.moment(14)
    found = {}
    for action in (0, -1):
        outputs = np.zeros_like(moment.outputs["logits"])
        outputs[action] = 1
        found[action] = maker.maps(replace(moment, outputs={**moment.outputs, "logits": outputs})).actor
    first, last = found[0], found[-1]
    assert first.any()
    assert (first >= 0).all()
    assert (last <= 0).all()
    assert last.any() == method["signed"], "by SARFA, only drops count"


@pytest.mark.parametrize("name", BY_MASKS)
def test_null_maps_of_masks_are_the_same_responses_in_another_order(breakout: Played, name: str) -> None:
    maker = breakout.maker(METHODS[name])
    first, second = breakout.moment(14), breakout.moment(15)
    maps, null = maker.maps(first), maker.null_maps(first, np.random.default_rng(3))
    assert not equal(maps, null)
    assert equal(null, maker.null_maps(first, np.random.default_rng(3)))
    assert not equal(null, maker.null_maps(first, np.random.default_rng(4)))
    assert equal(maps, maker.maps(first))
    # What was kept of a frame is not taken for another.
    assert equal(maker.maps(second), breakout.maker(METHODS[name]).maps(second))
    assert equal(null, maker.null_maps(first, np.random.default_rng(3)))
    fresh = breakout.maker(METHODS[name])
    assert equal(null, fresh.null_maps(first, np.random.default_rng(3))), "also without maps before"


def test_null_maps_of_windows_have_the_same_levels_elsewhere(breakout: Played) -> None:
    """Windows that do not overlap have one level each."""
    maker = breakout.maker(BY_MASKS["background"])
    moment = breakout.moment(14)

    def levels(maps: np.ndarray) -> np.ndarray:
        return maps[::20, ::20]

    for layer, null in zip(maker.maps(moment), maker.null_maps(moment, np.random.default_rng(0)), strict=True):
        assert levels(layer).any()
        order = np.random.default_rng(0).permutation(levels(layer).size)
        np.testing.assert_array_equal(levels(null).ravel(), levels(layer).ravel()[order], err_msg="one order for both")


@pytest.mark.parametrize("name", BY_GRADIENT)
def test_null_maps_of_a_gradient_are_it_shifted(pong: Played, name: str) -> None:
    maker, moment = pong.maker(METHODS[name]), pong.moment(14)
    maps, null = maker.maps(moment), maker.null_maps(moment, np.random.default_rng(3))
    assert equal(null, maker.null_maps(moment, np.random.default_rng(3)))
    assert not equal(null, maker.null_maps(moment, np.random.default_rng(4)))
    assert not equal(null, maps)
    height, width = maps.actor.shape
    shifts = [
        (down, right)
        for down in range(height)
        for right in range(width)
        if all(one[0, 0] == other[down, right] for one, other in zip(maps, null, strict=True))
        and equal(Maps(*(np.roll(one, (down, right), (0, 1)) for one in maps)), null)
    ]
    assert len(shifts) == 1, "both layers by the same shift"


def of_screens(change: Callable[[np.ndarray], np.ndarray], moment: Moment, preprocessing: Any, newest: bool) -> Any:
    """Return the observation of screens, each changed, or the newest alone."""
    pictures = [preprocessing.picture(one) for one in moment.screens]
    chosen = range(len(pictures) - 1 if newest else 0, len(pictures))
    for number in chosen:
        pictures[number] = preprocessing.picture(change(number))
    return preprocessing.stacked(pictures)


@pytest.mark.parametrize("stack", ["all", "newest"])
@pytest.mark.parametrize("space", ["screen", "observation"])
@pytest.mark.parametrize("frame", [0, 2, 15])
def test_all_is_hidden(played: Played, space: str, stack: str, frame: int) -> None:
    moment = played.moment(frame)
    preprocessing = played.recorded().preprocessing
    top, bottom, left, right = preprocessing.seen

    def level(number: int) -> np.ndarray:
        return np.full_like(moment.screens[0], 51)

    def background(number: int) -> np.ndarray:
        assert moment.backgrounds is not None
        return moment.backgrounds[number]

    def color(number: int) -> np.ndarray:
        return np.broadcast_to(np.array([200, 30, 90], np.uint8), moment.screens[0].shape)

    def mean(number: int) -> np.ndarray:
        seen = moment.screens[number][top:bottom, left:right].reshape(-1, 3)
        return np.broadcast_to(np.rint(seen.mean(axis=0)).astype(np.uint8), moment.screens[0].shape)

    fills: dict[str, tuple[Any, Any]] = {"background": ("background", background)}
    if space == "screen":
        fills |= {"level": (51, level), "color": ([200, 30, 90], color), "mean": ("mean", mean)}
    else:
        fills |= {"level": (0.2, level)}
    for fill, change in fills.values():
        found = played.maker(by_masks(space, fill, stack=stack)).hidden(moment)
        expected = of_screens(change, moment, preprocessing, stack == "newest")
        assert found is not None
        assert (found.shape, found.dtype) == (moment.prepared.observation.shape, np.float32)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not np.array_equal(found, moment.prepared.observation)


def test_blur_hides_each_picture_by_its_own(pong: Played) -> None:
    moment = pong.moment(15)
    observation = moment.prepared.observation
    blurred = [gaussian_filter(one, 3) for one in np.moveaxis(observation, 2, 0)]
    expected = np.stack(blurred, axis=2)
    found = pong.maker(by_masks("observation", {"blur": 3})).hidden(moment)
    np.testing.assert_array_equal(found, expected)
    expected[..., :3] = observation[..., :3]
    found = pong.maker(by_masks("observation", {"blur": 3}, stack="newest")).hidden(moment)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("frame", [1, 15])
def test_base_of_a_gradient_is_what_it_hides(played: Played, frame: int) -> None:
    moment = played.moment(frame)
    backgrounds = moment.backgrounds
    assert backgrounds is not None
    expected = of_screens(lambda number: backgrounds[number], moment, played.recorded().preprocessing, False)
    np.testing.assert_allclose(played.maker(METHODS["base"]).hidden(moment), expected, atol=1e-6)
    assert played.maker(METHODS["gradient"]).hidden(moment) is None
