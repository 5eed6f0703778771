"""Randomisation: similarities of maps, and the measure of real and made-up maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.played import Played, play
from helpers.project import BUNDLED
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.rollout import play_episode
from searchlight.clips.measure_method import measure_method
from searchlight.errors import SearchlightError
from searchlight.measures import Measured, MethodScene, Results, randomisation
from searchlight.measures._similarity import SIMILARITIES, hog_correlation, spearman, ssim
from searchlight.saliency.single_maps import Maps
from searchlight.store.zarr import create, load
from torch import Tensor


class Bare:
    """A network that is no torch module."""

    def step(self, observation: Tensor, memory: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        return torch.zeros(1, 2), torch.zeros(1), {}


STAGES = ["heads", "lstm", "convolution 4", "convolution 3", "convolution 2", "convolution 1"]
MAPS = arrays(np.float32, (24, 24), elements=st.floats(0, 1, width=32))


@given(MAPS)
@settings(max_examples=30, deadline=None)
def test_map_is_most_alike_to_itself(image: np.ndarray) -> None:
    for similar in SIMILARITIES.values():
        value = similar(image, image)
        assert np.isnan(value) or value == pytest.approx(1)


@given(MAPS, MAPS)
@settings(max_examples=30, deadline=None)
def test_similarities_are_symmetric_and_bounded(one: np.ndarray, other: np.ndarray) -> None:
    for similar in SIMILARITIES.values():
        value = similar(one, other)
        assert np.isnan(value) or -1.0001 <= value <= 1.0001
        np.testing.assert_allclose(similar(other, one), value, atol=1e-9)


def test_constant_maps_have_no_similarity() -> None:
    image = np.random.default_rng(0).random((24, 24))
    for similar in (spearman, ssim, hog_correlation):
        assert np.isnan(similar(np.zeros((24, 24)), image))


@pytest.mark.parametrize("shape", [(6, 6), (84, 5), (3, 3), (2, 9), (1, 1)])
def test_small_maps_have_numbers_or_none(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    image, other = random.random(shape, np.float32), random.random(shape, np.float32)
    for name, similar in SIMILARITIES.items():
        found = similar(image, other)
        assert np.isfinite(found) or min(shape) < 3, name
        assert np.isnan(found) or -1 <= found <= 1


def test_structure_counts_and_not_only_the_order() -> None:
    image = np.zeros((24, 24))
    image[4:8, 4:8] = 1
    moved = np.roll(image, 12, axis=1)
    assert ssim(image, moved) < ssim(image, 0.5 * image + 1e-6)
    assert hog_correlation(image, moved) < 0.5


HOW = {
    "gradient": None,
    "scorer": {"SquaredDifference": {}},
    "output": "logits",
    "temperature": None,
    "signed": False,
    "perturbation": {
        "space": "screen",
        "perturber": {"SlidingWindow": {"window_size": [20, 20], "stride": [20, 20]}},
        "fill": {"level": {"value": 0.0}},
        "stack": "all",
        "memory_lag": 0,
    },
}


def test_store_has_every_stage_of_real_maps(tmp_path: Path) -> None:
    fetch_checkpoint("bundled:breakout", None, None, BUNDLED, tmp_path / "policy", print)
    world = {"agent": "breakout", "env": "Breakout-v0", "wrappers": "none", "preprocessing": "cv2"}
    play_episode(tmp_path / "policy", tmp_path / "episode", **world, actions="greedy", seed=1, max_steps=20)
    notices: list[str] = []
    for output in ("one", "two"):
        measure_method(
            tmp_path / "policy",
            tmp_path / "episode",
            [],
            tmp_path / output,
            clip="clip",
            method="black",
            how=HOW,
            name="randomisation",
            arguments={"frames": 3, "seed": 0},
            frames=None,
            notice=notices.append,
        )
    with load(tmp_path / "one") as store, load(tmp_path / "two") as again:
        assert store.attributes["stages"] == STAGES
        assert store.read("time").tolist() == [0, 10, 19]
        assert store.shape("Spearman_actor") == (3, 6)
        for name in store.names():
            np.testing.assert_array_equal(store.read(name), again.read(name))
        assert np.isfinite(store.read("SSIM_critic")).all()
        # Networks with random layers make other maps than the agent's.
        assert (store.read("SSIM_actor") < 0.99).all()
        results = Results(None, {"black": store})
        rows = randomisation.table(results, randomisation.Arguments())
    stages = [row for row in rows if row.is_method and row.quantity.startswith("SSIM of the actor")]
    assert [row.quantity.rpartition(" down to ")[2] for row in stages] == STAGES
    assert {row.of for row in rows if not row.is_method} == {"black: without signal", "black: other frames"}
    assert notices == []


class Drawn:
    """A maker of maps: the agent's are by chance; those of other networks are given."""

    space, without_signal = "observation", "by chance"

    def __init__(self, other: Callable[[np.ndarray], np.ndarray]) -> None:
        self.other, self.foreign = other, False

    def maps(self, moment: Any) -> Maps:
        actor, critic = np.random.default_rng(moment.decision).random((2, 24, 24), np.float32)
        return Maps(self.other(actor), self.other(critic)) if self.foreign else Maps(actor, critic)

    def null_maps(self, moment: Any, random: np.random.Generator) -> Maps:
        return Maps(*random.random((2, 24, 24), np.float32))

    def hidden(self, moment: Any) -> None:
        return None

    def by(self, policy: Any) -> Drawn:
        found = Drawn(self.other)
        found.foreign = True
        return found


@pytest.fixture(scope="module")
def breakout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with play("breakout", tmp_path_factory.mktemp("breakout"), 12) as played:
        yield played


def measured(
    played: Played, other: Callable[[np.ndarray], np.ndarray], frames: int = 4, policy: Any = None
) -> Measured:
    scene, maker = played.scene(range(12)), Drawn(other)
    if policy is not None:
        scene = replace(scene, policy=policy)
    fields = {name: getattr(scene, name) for name in ("episode", "recorded", "policy", "frames", "key")}
    given = MethodScene(**fields, method="m", space="observation", maps=maker.maps, maker=maker, of_clip=None)
    return randomisation.of_method(given, randomisation.Arguments(frames=frames))


def test_numbers_are_those_of_each_frame(breakout: Played) -> None:
    signed = measured(breakout, lambda image: -image)
    for kind in ("Spearman", "SSIM", "HOG"):
        np.testing.assert_allclose(signed.variables[f"{kind}_actor"].data, np.ones((4, 6)), err_msg="no sign counts")
    found = measured(breakout, lambda image: 1 - image)
    np.testing.assert_allclose(found.variables["Spearman_actor"].data, np.full((4, 6), -1))
    maps = Drawn(lambda image: image).maps
    own = [maps(moment) for moment in breakout.scene(range(12)).moments(list(found.time))]
    expected = [spearman(own[index].critic, own[(index + 1) % 4].critic) for index in range(4)]
    np.testing.assert_array_equal(found.variables["Spearman_critic_other"].data, expected)
    assert found.notices == []


def test_constant_maps_of_random_networks_are_counted(breakout: Played) -> None:
    found = measured(breakout, np.zeros_like)
    assert np.isnan(found.variables["SSIM_actor"].data).all()
    assert found.notices == [
        "48 of 48 of the maps of networks with random layers are constant: they have no similarity"
    ]


def test_one_frame_has_no_other(breakout: Played) -> None:
    assert np.isnan(measured(breakout, lambda image: image, 1).variables["HOG_actor_other"].data).all()


def test_fewer_frames_than_asked_for_are_said(breakout: Played) -> None:
    assert measured(breakout, lambda image: image, 13).notices == [
        "found 12 frames, asked for 13: all of the episode are measured"
    ]


def test_errors_name_the_clip(breakout: Played) -> None:
    with pytest.raises(SearchlightError, match=r"^clips\.demo: measures: randomisation: found a network without"):
        measured(breakout, lambda image: image, policy=Bare())


def stored(path: Path, found: Measured) -> None:
    with create(path) as writer:
        for name, variable in found.variables.items():
            writer.variable(name, variable)
        writer.variable("time", replace(found.variables["SSIM_actor_other"], data=np.array(found.time)))
        writer.attributes(found.attributes)


def test_table_compares_methods_frame_by_frame_and_figure_holds_all(breakout: Played, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    stored(tmp_path / "one", measured(breakout, lambda image: image))
    stored(tmp_path / "two", measured(breakout, lambda image: 1 - image))
    with load(tmp_path / "one") as one, load(tmp_path / "two") as two:
        results, arguments = Results(None, {"one": one, "two": two}), randomisation.Arguments()
        rows = randomisation.table(results, arguments)
        figure = Figure()
        randomisation.draw(figure, results, rows, arguments)
    found = {row.of: row for row in rows if row.quantity == "Spearman of the actor, random down to heads"}
    assert (found["one"].value, found["two"].value) == (pytest.approx(1), pytest.approx(-1))
    assert np.isnan(found["one"].less)
    assert found["two"].less == pytest.approx(-2)
    assert np.isnan(found["two"].less_low), "twelve frames are one block"
    assert figure.axes[0].get_ylim()[0] < -1
