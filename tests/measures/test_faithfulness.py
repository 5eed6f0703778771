"""Faithfulness: F of deletion and insertion, on toy networks whose F is known and on the bundled agent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from searchlight import fingerprint, registry
from searchlight.agents.policy import LOGITS, Q_VALUES, Output
from searchlight.agents.policy_file import load_policy
from searchlight.agents.preprocessing import Preprocessing
from searchlight.clips.draw_measure import draw_measure
from searchlight.clips.measure_clip import measure_clip, write_measured
from searchlight.clips.measure_method import measure_method
from searchlight.errors import SearchlightError
from searchlight.measures import Measured, MethodScene, Results, Row, Scene, faithfulness
from searchlight.measures import _deletion as deletion
from searchlight.measures._bases import BASES, bases_of
from searchlight.measures._changes import answers, policy_changes
from searchlight.measures._places import on_observation
from searchlight.saliency import fills
from searchlight.saliency.background import write_background
from searchlight.saliency.recorded import Moment, Recorded
from searchlight.saliency.single_maps import Maps
from searchlight.store.zarr import Reader, load
from torch import Tensor

QUICK = settings(max_examples=20, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.tuples(st.integers(3, 9), st.integers(3, 9), st.integers(1, 3))
ARGUMENTS = faithfulness.Arguments(frames=4)
# How far F can be from 1, because the first step is a slope.
LARGEST = 1 - 1 / deletion.STEPS


class Toy:
    """A network whose outputs and value are functions of the observation."""

    actions = 2

    def __init__(self, outputs: Callable[[Tensor], Tensor], output: Output = LOGITS) -> None:
        self.output, self._outputs = output, outputs

    def initial_memory(self) -> dict[str, Tensor]:
        return {}

    def step(self, observation: Tensor, memory: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        outputs = self._outputs(observation)
        return outputs, outputs[:, 0], {}

    def to(self, target: Any) -> Toy:
        return self


def on_and_off(number: Tensor) -> Tensor:
    """Return outputs whose advantages are a number and its opposite."""
    return torch.stack([number, -number], dim=1)


def bent(observation: Tensor) -> Tensor:
    """Return outputs that no sum of pixels gives."""
    weights = torch.linspace(-1, 2, observation[0].numel()).roll(5) / observation[0].numel() ** 0.5
    return on_and_off(3 * torch.sin(4 * observation.flatten(1) @ weights))


def pixel(row: int, column: int) -> Callable[[Tensor], Tensor]:
    return lambda observation: on_and_off(4 * observation[:, 0, row, column] - 2)


def still(observation: Tensor) -> Tensor:
    return on_and_off(torch.ones(len(observation)))


def toy_frame(policy: Any, size: tuple[int, int, int], seed: int = 0) -> deletion.Frame:
    """Return a frame by chance with two bases, of which one has a third of the frame's pixels."""
    random = np.random.default_rng(seed)
    observation = random.random(size, np.float32)
    other = np.where(random.random(size[:2])[..., None] < 1 / 3, observation, random.random(size, np.float32))
    return deletion.Frame.of(policy, observation, np.stack([np.zeros_like(other), other]), {})


def f_of(policy: Any, frame: deletion.Frame, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found = deletion.along(policy, frame, places)
    return deletion.of_policy(frame, found, policy.output), deletion.of_value(frame, found)


@given(SEEDS, SIZES)
@QUICK
def test_answers_along_the_way_are_those_of_plainly_replaced_pixels(seed: int, size: tuple[int, int, int]) -> None:
    policy, random = Toy(bent), np.random.default_rng(seed)
    frame = toy_frame(policy, size, seed)
    order = random.permutation(size[0] * size[1])
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    found = deletion.along(policy, frame, places.reshape(size[:2]))
    for number, base in enumerate(frame.bases):
        for step in range(deletion.STEPS + 1):
            shares = (Fraction(part, deletion.STEPS) for part in (step, deletion.STEPS - step))
            gone, missing = (int(share * len(order) + Fraction(1, 2)) for share in shares)
            for way, chosen in enumerate((order[:gone], order[len(order) - missing :])):
                expected = frame.observation.copy().reshape(-1, size[2])
                expected[chosen] = base.reshape(-1, size[2])[chosen]
                outputs, values = answers(policy, expected.reshape(1, *size), {})
                np.testing.assert_allclose(found.outputs[number, way, step], outputs[0], atol=1e-4)
                np.testing.assert_allclose(found.values[number, way, step], values[0], atol=1e-4)


@given(SEEDS, SIZES, st.sampled_from([LOGITS, Q_VALUES]))
@QUICK
def test_reversed_order_has_the_opposite_f(seed: int, size: tuple[int, int, int], output: Output) -> None:
    policy = Toy(bent, output)
    frame = toy_frame(policy, size, seed)
    places = deletion.ranks(np.zeros(size[:2]), np.random.default_rng(seed))
    for there, back in zip(f_of(policy, frame, places), f_of(policy, frame, places.max() - places), strict=True):
        np.testing.assert_allclose(there, -back, atol=1e-4)


def test_random_orders_have_an_f_of_zero() -> None:
    policy = Toy(bent)
    frame = toy_frame(policy, (9, 7, 1))
    found = np.array(
        [
            np.stack(f_of(policy, frame, deletion.ranks(np.zeros((9, 7)), np.random.default_rng(seed))))
            for seed in range(600)
        ]
    )
    errors = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0)) < 3.5 * errors).all()
    assert (errors > 1e-4).all(), "single orders have an F that is not 0"
    assert not deletion.beyond_chance(found[:, 0], 5, 0).any()
    assert deletion.beyond_chance(found[:, 0] + 0.3, 5, 0.01).all()
    assert not deletion.beyond_chance(found[:, 0] * 1e-3 + 0.009, 5, 0.01).any(), "within the least"


@given(SEEDS)
@QUICK
def test_network_that_looks_at_one_pixel_has_the_largest_f_by_a_map_of_it(seed: int) -> None:
    policy = Toy(pixel(2, 5))
    frame = toy_frame(policy, (8, 6, 1), 1)
    random = np.random.default_rng(seed)
    there = np.zeros((8, 6))
    there[2, 5] = -1e-9  # signs do not count
    best = f_of(policy, frame, deletion.ranks(there, random))
    before = frame.before
    whole = (
        policy_changes(before.outputs[0], before.outputs[1:], LOGITS),
        abs(before.values[1:] - before.values[0]),
    )
    np.testing.assert_allclose(np.stack(best), LARGEST * np.stack(whole), atol=1e-6)
    other = f_of(policy, frame, deletion.ranks(random.random((8, 6)), random))
    assert (np.stack(other) <= np.stack(best) + 1e-6).all()


def test_network_that_always_answers_the_same_has_an_f_of_zero() -> None:
    policy = Toy(still)
    frame = toy_frame(policy, (5, 5, 1))
    assert not np.any(f_of(policy, frame, deletion.ranks(frame.observation[..., 0], np.random.default_rng(0))))


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=30))
@QUICK
def test_area_is_by_trapezoids(values: list[float]) -> None:
    expected = np.trapezoid(values, dx=1 / (len(values) - 1))
    np.testing.assert_allclose(deletion.area(np.array(values)), expected, atol=1e-9)


def test_most_salient_pixels_come_first_and_equal_ones_by_chance() -> None:
    saliency = np.array([[0, 3, 0, 0], [0, -5, 0, 0], [0, 0, 0, 1]])
    orders = [deletion.ranks(saliency, np.random.default_rng([1, seed])) for seed in range(6)]
    for order in orders:
        assert (order[1, 1], order[0, 1], order[2, 3]) == (0, 1, 2)
        assert sorted(order.flat) == list(range(12))
    np.testing.assert_array_equal(orders[0], deletion.ranks(saliency, np.random.default_rng([1, 0])))
    assert len({order.tobytes() for order in orders}) == 6


def test_scale_of_changes_that_are_rounding_is_no_number() -> None:
    found = deletion.scale(np.array([[1e-7, 0, 2], [2e-7, 0, 4]]), np.array([3.0, 1.0]))
    np.testing.assert_array_equal(found, [np.nan, np.nan, 3])


def test_maps_of_the_screen_are_scaled_to_what_the_agent_sees(episode_path: Path) -> None:
    with load(episode_path) as episode:
        preprocessing: Preprocessing = Recorded(episode).preprocessing
    screen = np.random.default_rng(0).random((210, 160), np.float32)
    expected = screen[35:195].reshape(80, 2, 80, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(on_observation(screen, preprocessing, "screen"), expected, atol=1e-6)
    np.testing.assert_array_equal(on_observation(-screen, preprocessing, "observation"), screen)
    np.testing.assert_array_equal(
        on_observation(-screen, preprocessing, "screen"), on_observation(screen, preprocessing, "screen")
    )


def test_pictures_that_a_young_stack_lacks_stay_zeros() -> None:
    observation = np.zeros((4, 4, 6), np.float32)
    observation[..., 2:] = 0.5
    given_to: Any = SimpleNamespace(observation=observation)
    young: Any = SimpleNamespace(channels=2, stack=3)
    found = fills.filled(fills.build({"level": 1}), given_to, young, 2, None)
    assert (found[..., :2] == 0).all()
    assert (found[..., 2:] == 1).all()
    assert (observation[..., 2:] == 0.5).all(), "the frame is not changed"


def test_bases_are_black_blurred_and_the_background(scene: Scene) -> None:
    (moment,) = scene.moments([70])
    black, blur, background = bases_of(moment, scene.recorded.preprocessing)
    assert moment.backgrounds is not None
    assert not black.any()
    np.testing.assert_array_equal(background, moment.prepared.observe_other(moment.backgrounds[0]))
    observation = moment.prepared.observation
    assert 0 < blur.std() < observation.std()
    np.testing.assert_allclose(blur.mean(), observation.mean(), rtol=0.05)


def test_code_of_the_bases_is_part_of_the_measure() -> None:
    code = fingerprint.closure(registry.PACKAGE / "measures" / "faithfulness.py")
    assert {registry.file_of(fills.FOLDER, name) for name in ("level", "blur", "background")} <= code


class ToyRecorded(Recorded):
    """The moments of an episode as if a toy had played it."""

    toy: Any

    def moments(self, frames: range) -> Iterator[Moment]:
        for moment in super().moments(frames):
            outputs, values = answers(self.toy, moment.prepared.observation[None], {})
            yield replace(moment, memory={}, outputs={self.given: outputs[0], "value": values[0]})


class ToyMaker:
    """Makes the same maps of every frame."""

    space, without_signal = "observation", "it upside down"

    def __init__(self, actor: np.ndarray, critic: np.ndarray) -> None:
        self._maps = Maps(actor, critic)

    def maps(self, moment: Moment) -> Maps:
        return self._maps

    def null_maps(self, moment: Moment, random: np.random.Generator) -> Maps:
        return Maps(*(one[::-1] for one in self._maps))

    def hidden(self, moment: Moment) -> np.ndarray | None:
        return None

    def by(self, policy: Any) -> ToyMaker:
        return self


@pytest.fixture(scope="module")
def background_path(episode_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("background") / "200.zarr.zip"
    write_background(episode_path, path, window=200)
    return path


@pytest.fixture
def scene(policy_path: Path, episode_path: Path, background_path: Path) -> Iterator[Scene]:
    with load(episode_path) as episode, load(background_path) as background:
        recorded = Recorded(episode, background)
        yield Scene(episode, recorded, load_policy(policy_path, "greydanus"), range(recorded.length), "clips.demo")


def toy_scene(scene: Scene, policy: Any) -> Scene:
    toy = ToyRecorded.__new__(ToyRecorded)
    toy.__dict__ = {**scene.recorded.__dict__, "toy": policy}
    return replace(scene, recorded=toy, policy=policy)


def stored(measured: Measured, path: Path) -> Path:
    write_measured(path, measured, {}, lambda line: None, "")
    return path


def method_scene(scene: Scene, maker: Any, of_clip: Reader) -> MethodScene:
    return MethodScene(**scene.__dict__, method="toy", space=maker.space, maps=maker.maps, maker=maker, of_clip=of_clip)


def measure_toy(
    scene: Scene, policy: Any, maker: Any, folder: Path, arguments: Any = ARGUMENTS
) -> tuple[list[Row], list[str]]:
    """Return the table and the notices of a toy's maps."""
    scene = toy_scene(scene, policy)
    of_clip = faithfulness.of_clip(scene, arguments)
    with load(stored(of_clip, folder / "clip")) as store:
        of_method = faithfulness.of_method(method_scene(scene, maker, store), arguments)
        with load(stored(of_method, folder / "method")) as other:
            rows = faithfulness.table(Results(store, {"toy": other}), arguments)
    return rows, [*of_clip.notices, *of_method.notices]


def by_name(rows: list[Row]) -> dict[tuple[str, str], Row]:
    return {(row.of, row.quantity): row for row in rows}


@pytest.mark.parametrize(("output", "words"), [(LOGITS, ""), (Q_VALUES, " (advantages)")])
def test_map_of_the_one_pixel_that_counts(scene: Scene, tmp_path: Path, output: Output, words: str) -> None:
    there = np.zeros((80, 80), np.float32)
    there[40, 0] = 1  # the wall, which blur and black change
    rows, notices = measure_toy(scene, Toy(pixel(40, 0), output), ToyMaker(there, there), tmp_path)
    found = by_name(rows)
    actor, critic = found["toy", f"F of the actor{words}, black"], found["toy", "F of the critic, black"]
    # The value's change is divided by that at the base, and so is that of advantages.
    assert critic.value == pytest.approx(LARGEST)
    assert actor.value == pytest.approx(LARGEST) if output is Q_VALUES else 0.1 < actor.value < LARGEST
    assert (actor.frames, actor.is_method) == (4, True)
    # The map upside down marks a pixel that does not count.
    assert found["toy: it upside down", "F of the critic, black"].value < LARGEST - 0.1
    assert not found["random pixels", "F of the critic, black"].is_method
    # The wall belongs to the background.
    assert np.isnan(found["toy", "F of the critic, background"].value)
    assert any("critic answers the same when all is replaced by background" in line for line in notices)
    assert not any("constant" in line for line in notices)


def test_agent_that_always_does_the_same(scene: Scene, tmp_path: Path) -> None:
    plain = np.random.default_rng(0).random((80, 80), np.float32)
    rows, notices = measure_toy(scene, Toy(still), ToyMaker(plain, plain), tmp_path)
    for row in rows:
        assert row.value == 0 if "actor" in row.quantity else np.isnan(row.value)
    assert "the critic answers the same when all is replaced by black or blur or background: no F there" in notices
    assert not any(line.startswith("the actor") for line in notices), "its F is a number, 0"


def test_constant_maps_and_missing_frames_are_said(scene: Scene, tmp_path: Path) -> None:
    scene = replace(scene, frames=range(60, 63))
    zeros = np.zeros((80, 80), np.float32)
    rows, notices = measure_toy(scene, Toy(bent), ToyMaker(zeros, np.eye(80, dtype=np.float32)), tmp_path)
    assert "found 3 frames, asked for 4: all of the episode are measured" in notices
    assert "3 of 6 maps are constant: their order is by chance" in notices
    assert {row.frames for row in rows} == {3}


def test_frame_does_not_depend_on_others(scene: Scene) -> None:
    together = faithfulness.of_clip(replace(scene, frames=range(50, 53)), ARGUMENTS)
    alone = faithfulness.of_clip(replace(scene, frames=range(51, 52)), ARGUMENTS)
    assert together.time == [50, 51, 52]
    for name in ("actor", "outputs", "values", "base_observation", "deletion", "insertion"):
        np.testing.assert_array_equal(together.variables[name].data[1], alone.variables[name].data[0])


def test_biased_random_pixels_are_an_error(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = replace(toy_scene(scene, Toy(pixel(40, 0))), frames=range(20, 20 + faithfulness.ENOUGH))
    arguments = faithfulness.Arguments(frames=faithfulness.ENOUGH)
    faithfulness.of_clip(scene, arguments)
    honest = deletion.ranks

    def biased(saliency: np.ndarray, random: np.random.Generator) -> np.ndarray:
        saliency = saliency.copy()
        saliency[40, 0] = random.random() < 0.9
        return honest(saliency, random)

    monkeypatch.setattr(deletion, "ranks", biased)
    with pytest.raises(
        SearchlightError,
        match=r"^clips.demo: measures: faithfulness: found an F of 0\.\d+ of random pixels \(actor, black\), allowed: ",
    ):
        faithfulness.of_clip(scene, arguments)


def test_few_frames_are_not_tested() -> None:
    few = {"actor": np.ones((faithfulness.ENOUGH - 1, 2, 3))}
    faithfulness.check_random(few, "clips.demo")
    enough = {"critic": np.ones((faithfulness.ENOUGH, 2, 3))}
    with pytest.raises(SearchlightError, match=r"critic, black"):
        faithfulness.check_random(enough, "clips.demo")


METHODS: dict[str, dict[str, Any]] = {
    "windows": {
        "perturbation": {
            "space": "screen",
            "perturber": {"SlidingWindow": {"window_size": [20, 20], "stride": [20, 20]}},
            "fill": {"background": {"window": 200}},
            "stack": "all",
            "memory_lag": 0,
        },
        "scorer": {"SquaredDifference": {}},
        "gradient": None,
    },
    "gradient": {"gradient": {"gradient": {}}, "of": "chosen_action", "perturbation": None},
}


def test_bundled_agent_from_its_files_to_a_table_and_a_figure(
    policy_path: Path, episode_path: Path, background_path: Path, tmp_path: Path
) -> None:
    common: dict[str, Any] = {"clip": "demo", "name": "faithfulness", "arguments": {"frames": 4}, "frames": None}
    notices: list[str] = []
    common |= {"background_path": background_path, "network": "greydanus", "notice": notices.append}
    of_clip = tmp_path / "clip"
    measure_clip(policy_path, episode_path, of_clip, **common)
    assert notices == ["clips.demo: faithfulness: found 4 frames: too few to test that F of random pixels is 0"]
    shared = {"output": "logits", "temperature": None, "signed": False, "of": None, "scorer": None}
    for name, how in METHODS.items():
        given_path, how = tmp_path / name, {**shared, **how}
        measure_method(policy_path, episode_path, [], given_path, method=name, how=how, of_clip_path=of_clip, **common)
    with load(of_clip) as store, load(tmp_path / "windows") as one, load(tmp_path / "gradient") as other:
        assert one.attributes["bases"] == list(BASES)
        for curves in (store, one, other):
            whole = curves.read("deletion")[..., 0]
            np.testing.assert_array_equal(whole, curves.read("insertion")[..., -1])
            np.testing.assert_array_equal(curves.read("deletion")[..., -1], curves.read("insertion")[..., 0])
            np.testing.assert_array_equal(whole, store.read("deletion")[..., 0])
        rows = faithfulness.table(Results(store, {"windows": one, "gradient": other}), ARGUMENTS)
        difference = (other.read("critic") - one.read("critic"))[:, 1].mean()
    found = by_name(rows)
    assert list(dict.fromkeys(row.of for row in rows)) == [
        "windows",
        "gradient",
        "random pixels",
        "windows: its masks' effects shuffled",
        "windows: what its fill changes",
        "gradient: shifted at random",
    ]
    assert list(dict.fromkeys(row.quantity for row in rows)) == [
        f"F of the {layer}, {base}" for layer in ("actor", "critic") for base in BASES
    ]
    assert all(np.isfinite(row.value) and np.isnan(row.low) for row in rows), "four frames are too few for an interval"
    assert found["gradient", "F of the critic, blur"].less == pytest.approx(difference)
    assert {of for (of, _), row in found.items() if np.isfinite(row.less)} == {"gradient"}
    by_background = found["windows: what its fill changes", "F of the actor, background"]
    assert by_background.value > found["random pixels", "F of the actor, background"].value
    picture = tmp_path / "figure.png"
    paths = [tmp_path / name for name in METHODS]
    draw_measure(of_clip, paths, picture, clip="demo", name="faithfulness", arguments={"frames": 4})
    assert picture.read_bytes().startswith(b"\x89PNG")
