"""Interventions: effects of moving objects in the real game, for networks of which the answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers.objects import Toy, of_method, scene_of, shown, stored
from helpers.project import BUNDLED
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.policy import Q_VALUES
from searchlight.agents.policy_file import load_policy
from searchlight.agents.rollout import play_episode
from searchlight.errors import SearchlightError
from searchlight.measures import Measured, Row, interventions
from searchlight.measures._drawn_interventions import _said
from searchlight.measures._interventions import Interventions
from searchlight.measures._regions import Regions
from searchlight.measures._twin import Twin
from searchlight.saliency.single_maps import Maps
from searchlight.store.zarr import Reader, load

FRAMES = range(60, 130)
# Rows of the observation that show the paddle; the ball is seldom there.
PADDLE = Toy(range(77, 79))
SCREEN = (210, 160)


@pytest.fixture(scope="module")
def episode(episode_path: Path) -> Iterator[Reader]:
    with load(episode_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def pong(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Reader]]:
    """The bundled agent of Pong, which sees a stack of maxima, and the first serve of a game of it."""
    folder = tmp_path_factory.mktemp("pong")
    fetch_checkpoint("bundled:pong", None, None, BUNDLED, folder / "policy", print, network="nature")
    world = {"env": "PongNoFrameskip-v4", "wrappers": "sb3", "preprocessing": "sb3", "network": "nature"}
    play_episode(folder / "policy", folder / "episode", agent="pong", actions="greedy", seed=0, max_steps=60, **world)
    with load(folder / "episode") as opened:
        yield load_policy(folder / "policy", "nature"), opened


def taken(episode: Reader, policy: Any, frames: range = FRAMES, count: int = 64) -> Measured:
    return interventions.of_clip(scene_of(episode, policy, frames), interventions.Arguments(frames=count))


def numbers(measured: Measured, name: str) -> np.ndarray:
    return measured.variables[name].data


def test_network_that_sees_the_paddle_alone_does_not_care_for_the_ball(episode: Reader, policy_path: Path) -> None:
    paddle_alone = taken(episode, PADDLE, count=10)
    np.testing.assert_allclose(numbers(paddle_alone, "ball_policy"), 0, atol=1e-6)
    np.testing.assert_allclose(numbers(paddle_alone, "ball_value"), 0, atol=1e-6)
    assert (numbers(paddle_alone, "paddle_policy") > 1e-3).all()
    assert (numbers(paddle_alone, "paddle_value") > 1e-3).all()
    assert paddle_alone.attributes == {"moved": ["ball", "paddle"]}
    real = taken(episode, load_policy(policy_path, None), count=10)
    assert np.nanmax(numbers(real, "ball_policy")) > 0.05, "the bundled agent does care"
    assert (numbers(real, "ball_took") > 0).all()


def test_effects_are_the_means_of_the_moves_against_the_control(episode: Reader) -> None:
    measured, decision = taken(episode, PADDLE, range(100, 101)), 100
    scene = scene_of(episode, PADDLE, FRAMES)
    regions = Regions(scene, "interventions")
    ball, paddle, _ = regions.objects
    about = episode.attributes
    actions, rams = episode.read("action"), episode.read("ram")
    twin = Twin(about["env"], about["wrappers"], about["seed"], actions, rams, [decision], [ball, paddle])
    np.testing.assert_array_equal(twin.control(decision), episode.read("frame")[decision])
    looks = [twin.moved(decision, paddle, move) for move in paddle.moves if regions.fits(paddle, decision, move)]
    screens = [twin.control(decision), *(look.frame for look in looks if look.took)]
    places = []
    for screen in screens:
        seen = regions.preprocessing.picture(screen)[77:79, :, 0]
        places.append(float((seen.astype(np.float64) * np.arange(80)).sum() / 5000))
    expected = np.abs(np.array(places[1:]) - places[0]).mean()
    assert numbers(measured, "paddle_value") == pytest.approx([expected], rel=1e-5)
    assert (numbers(measured, "paddle_took"), numbers(measured, "paddle_tried")) == ([len(screens) - 1], [len(looks)])


def test_moves_that_do_not_take_are_counted_and_left_out(pong: tuple[Any, Reader]) -> None:
    policy, episode = pong
    # From the stack that is begun at 0 on; the game waits for a serve at first.
    measured = taken(episode, policy, range(60), count=15)
    for name in ("ball", "player", "enemy"):
        took, tried, effect = (numbers(measured, f"{name}_{kind}") for kind in ("took", "tried", "policy"))
        assert (took <= tried).all()
        np.testing.assert_array_equal(np.isfinite(effect), took > 0)
        assert (
            f"{name}: {took.sum()} of {tried.sum()} moves took, in {(took > 0).sum()} of 15 frames" in measured.notices
        )
        assert (took == 0).any()
        assert (took > 0).any()
    player = numbers(measured, "player_took"), numbers(measured, "player_tried")
    assert ((player[0] == 0) & (player[1] > 0)).any(), "the game waits for a serve"
    assert not any("left out" in notice for notice in measured.notices), "controls are the recorded frames"
    assert (np.nan_to_num(numbers(measured, "player_policy")) > 0.01).any()
    assert measured.variables["example_frame"].data.shape == (*SCREEN, 3)
    now, *moved = measured.variables["example_box"].data[0].tolist()
    assert now[0] >= 0
    assert any(box[0] >= 0 for box in moved)


def test_title_has_an_interval_only_where_there_is_one() -> None:
    row = Row("erase", "rank correlation", 0.456, 0.4, 0.5)
    assert _said("a$b$", row) == "a$b$: 0.46 (0.40 to 0.50)"
    assert _said("erase", row._replace(low=np.nan, high=np.nan)) == "erase: 0.46"
    assert _said("erase", Row("erase", "rank correlation", np.nan)) == "erase: none"


def test_frames_before_the_first_act_are_left_out(episode: Reader) -> None:
    measured = taken(episode, PADDLE, range(3))
    drawn = set(Interventions(scene_of(episode, PADDLE, range(3)), range(3), 3)._twin.drawings)
    left_out = len({0, 1, 2} - drawn)
    assert left_out == 1
    assert measured.notices[0] == "found 3 frames, fewer than the 64 asked for"
    assert f"{left_out} of 3 frames are left out: they show the game before its first act" in measured.notices
    assert np.isnan(numbers(measured, "paddle_policy")[0])


def test_frames_that_are_not_drawn_alike_are_left_out(episode: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    control = Twin.control

    def other_control(twin: Twin, decision: int) -> np.ndarray:
        if decision == 70:
            raise SearchlightError("found a frame that no action draws again")
        return control(twin, decision) + np.uint8(decision == 72)

    monkeypatch.setattr(Twin, "control", other_control)
    measured = taken(episode, PADDLE, range(69, 73))
    np.testing.assert_array_equal(np.isfinite(numbers(measured, "paddle_policy")), [True, False, True, False])
    assert "2 of 4 frames are left out: the game does not draw them again alike" in measured.notices


def saliency_of(episode: Reader, of_clip: Measured, factors: dict[str, float]) -> Any:
    """Return maps whose sum on each object is what moving it does, times a factor for each object."""
    regions = Regions(scene_of(episode, PADDLE, FRAMES), "interventions")
    rows = {decision: row for row, decision in enumerate(of_clip.time)}

    def maps(moment: Any) -> Maps:
        found = Maps(np.zeros(SCREEN), np.zeros(SCREEN))
        for one in regions.objects[:2]:
            region = regions.region(one, moment.decision, 0, "screen")
            for image, kind in zip(found, ("policy", "value"), strict=True):
                effect = numbers(of_clip, f"{one.name}_{kind}")[rows[moment.decision]]
                image[region] = -factors[one.name] * np.nan_to_num(effect) / max(1, region.sum())
        return found

    return maps


@pytest.mark.parametrize("output", ["logits", "q_values"])
def test_saliency_that_is_the_effect_has_a_correlation_of_one(episode: Reader, tmp_path: Path, output: str) -> None:
    policy = Toy(range(80)) if output == "logits" else Toy(range(80), Q_VALUES)
    measured = taken(episode, policy, count=10)
    of_clip = stored(measured, tmp_path / "of_clip", "interventions")
    factors = {"right": {"ball": 1, "paddle": 1}, "bright ball": {"ball": 1e3, "paddle": 1e-3}}
    of_methods = {}
    with load(of_clip) as store:
        for method, by_object in factors.items():
            maps = saliency_of(episode, measured, by_object)
            found = of_method(interventions, scene_of(episode, policy, FRAMES), maps, of_clip=store)
            of_methods[method] = stored(found, tmp_path / method, "interventions", method=method)
    rows = shown(
        interventions,
        "interventions",
        of_clip,
        of_methods,
        tmp_path / "picture.png" if output == "logits" else None,
        frames=10,
    )
    for name in ("ball", "paddle"):
        assert rows["right", f"actor's rank correlation, {name}"].value == pytest.approx(1)
        assert rows["bright ball", f"critic's rank correlation, {name}"].value == pytest.approx(1)
        assert rows["bright ball", f"critic's rank correlation, {name}"].less == pytest.approx(0)
    for layer in ("actor", "critic"):
        pooled = f"{layer}'s rank correlation, pooled over ball and paddle"
        assert rows["right", pooled].value == pytest.approx(1)
        assert rows["bright ball", pooled].less == pytest.approx(rows["bright ball", pooled].value - 1)
        assert rows["bright ball", pooled].value < 0.95, "the ball is no more than the paddle, but lights up more"
        assert not np.isnan(rows["right", f"{pooled}, by a pixel's mean"].value)
        uniform = rows["the same everywhere", pooled]
        assert not uniform.is_method
        assert abs(uniform.value) < 0.9
        shuffled = rows["right, objects and frames shuffled", pooled]
        assert abs(shuffled.value) < 0.1
        assert shuffled.low < -0.2 < 0.2 < shuffled.high
        assert not shuffled.is_method
    words = {"logits": "total variation of the policy", "q_values": "half the sum of changed advantages"}[output]
    effect = rows["moving ball", words]
    assert effect.value == pytest.approx(np.nanmean(numbers(measured, "ball_policy")))
    assert (effect.is_method, effect.frames) == (False, 10)
    assert rows["moving ball", "change of the value"].value == pytest.approx(
        np.nanmean(numbers(measured, "ball_value"))
    )
    assert measured.variables["ball_policy"].attributes["curve"] == f"moving ball: {words}"


@pytest.mark.filterwarnings("error")
def test_agent_that_always_does_the_same_has_no_correlation(episode: Reader, tmp_path: Path) -> None:
    measured = taken(episode, Toy(), count=10)
    assert (numbers(measured, "ball_policy") == 0).all()
    of_clip = stored(measured, tmp_path / "of_clip", "interventions")
    with load(of_clip) as store:
        found = of_method(
            interventions,
            scene_of(episode, Toy(), FRAMES),
            lambda moment: Maps(*np.ones((2, 80, 80))),
            "observation",
            store,
        )
    np.testing.assert_array_equal(numbers(found, "ball_actor"), numbers(found, "ball_area"))
    of_method_path = stored(found, tmp_path / "method", "interventions", method="constant")
    rows = shown(interventions, "interventions", of_clip, {"constant": of_method_path}, tmp_path / "picture.png")
    for (of, quantity), row in rows.items():
        assert np.isnan(row.value) == ("correlation" in quantity), (of, quantity)


def test_saliency_is_the_sum_on_the_objects_pixels(episode: Reader, tmp_path: Path) -> None:
    of_clip = stored(taken(episode, PADDLE, count=3), tmp_path / "of_clip", "interventions")
    columns = np.tile(np.arange(160.0), (210, 1))
    scene = scene_of(episode, PADDLE, FRAMES)
    with load(of_clip) as store:
        found = [
            of_method(interventions, scene, lambda moment: Maps(columns, -columns), of_clip=store, **given)
            for given in ({}, {"margin": 200})
        ]
        time = store.read("time")
    paddle = Regions(scene, "interventions").objects[1]
    boxes = [paddle.box(ram) for ram in episode.read("ram")[time]]
    expected = [box.left + (box.width - 1) / 2 for box in boxes if box is not None]
    areas = [box.height * box.width for box in boxes if box is not None]
    assert numbers(found[0], "paddle_area") == pytest.approx(areas)
    for layer in ("actor", "critic"):
        assert numbers(found[0], f"paddle_{layer}") == pytest.approx(np.multiply(expected, areas))
        seen = numbers(found[1], f"paddle_{layer}") / numbers(found[1], "paddle_area")
        assert seen == pytest.approx([79.5] * len(time)), "all that is seen"


def test_game_without_annotations_and_another_episode_are_one_line(episode: Reader) -> None:
    other: Any = SimpleNamespace(
        attributes={**episode.attributes, "environment_settings": {"game": "enduro"}},
        names=episode.names,
        read=episode.read,
        shape=episode.shape,
        path=episode.path,
    )
    with pytest.raises(
        SearchlightError,
        match=r"^clips\.demo: measures: interventions: no objects are known of this game: found 'enduro'",
    ):
        taken(other, PADDLE)
    other.attributes = {**episode.attributes, "seed": 2}
    with pytest.raises(
        SearchlightError, match=r"^clips\.demo: measures: interventions: decision \d+: the replayed game"
    ):
        taken(other, PADDLE)
