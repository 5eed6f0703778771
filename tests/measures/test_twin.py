"""The twin: frames are drawn again as they were, and with one object elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.worlds import make_world
from searchlight import registry
from searchlight.errors import SearchlightError
from searchlight.measures._twin import Twin
from searchlight.measures.games import FOLDER, GameObject, Move, moves, objects_of
from searchlight.store.zarr import load

STEPS = 160
# Share of moves within the field that take, at least, by game: of most objects, and of those named.
TAKE: dict[str, tuple[float, dict[str, float]]] = {
    "Breakout": (0.9, {}),
    "Pong": (0.8, {}),
    "SpaceInvaders": (0.85, {"bullet 1": 0.3, "bullet 2": 0.2, "own bullet": 0.3}),
    "MsPacman": (0.15, {"player": 0.6}),
    "Freeway": (0.95, {}),
    "Boxing": (0.8, {}),
    "Tennis": (0.6, {"ball": 0.3}),
    "Seaquest": (0.7, {}),
    "Skiing": (0.95, {}),
}
WORLDS: dict[str, tuple[str | dict[str, Any], str | dict[str, Any]]] = {
    "sticky actions, a range of skips": ("Breakout-v0", "none"),
    "a range of skips": ("Pong-v4", "none"),
    "sticky actions, a skip": ("ALE/SpaceInvaders-v5", "none"),
    # An action of Tennis shows in its own frame, so the twin must find which one was truly played.
    "sticky actions that show": ({"id": "ALE/Tennis-v5", "frameskip": 1, "repeat_action_probability": 0.5}, "none"),
    "lives as episodes": ("BreakoutNoFrameskip-v4", "sb3"),
    "another library": ("PongNoFrameskip-v4", "cleanrl"),
    "no no-ops": ("BreakoutNoFrameskip-v4", {"sb3": {"noop_max": 0, "frame_skip": 2}}),
    "the larger grey": ({"id": "ALE/Pong-v5", "frameskip": 1, "repeat_action_probability": 0.25}, "gymnasium"),
}


@dataclass(frozen=True)
class Played:
    """An episode of actions by chance: of each decision the action, and what was seen."""

    env: str | dict[str, Any]
    wrappers: str | dict[str, Any]
    actions: np.ndarray
    rams: np.ndarray
    frames: np.ndarray
    begun: np.ndarray

    def twin(self, decisions: range, game: str = "breakout") -> Twin:
        return Twin(self.env, self.wrappers, 3, self.actions, self.rams, decisions, objects_of(game))


def play(env: str | dict[str, Any], wrappers: str | dict[str, Any], steps: int = STEPS, held: int = 1) -> Played:
    """Play actions by chance; a new one is drawn about every so many decisions."""
    world, generator = make_world(wrappers, env), np.random.default_rng(1)
    now, steps_seen, actions = world.reset(3), [], []
    for _ in range(steps):
        steps_seen.append(now)
        drawn = not actions or generator.random() < 1 / held
        actions.append(int(generator.integers(world.environment.action_space.n)) if drawn else actions[-1])
        now = world.step(actions[-1])
        assert not now.terminated
    return Played(
        env,
        wrappers,
        np.array(actions),
        *(np.array([getattr(one, name) for one in steps_seen]) for name in ("ram", "frame", "begun")),
    )


@pytest.fixture(scope="module")
def pong() -> Played:
    return play(*WORLDS["another library"])


def named(game: str, name: str) -> GameObject:
    return next(one for one in objects_of(game) if one.name == name)


def share_that_took(twin: Twin, rams: np.ndarray, of: GameObject, least: int) -> float:
    """Return the share of moves within the field that took."""
    took = [
        twin.moved(decision, of, move).took
        for decision in twin.drawings
        for move in of.moves
        if of.moved(rams[decision], move) is not None
    ]
    assert len(took) >= least
    return sum(took) / len(took)


@pytest.mark.parametrize("world", WORLDS)
def test_controls_are_the_recorded_frames_and_repeat(world: str) -> None:
    played = play(*WORLDS[world])
    twin = played.twin(range(STEPS // 3))
    # Where no no-op and no FIRE begins the game, the first decision shows it before any act.
    assert set(range(STEPS // 3)) - set(twin.drawings) <= {0}
    for decision, drawing in twin.drawings.items():
        np.testing.assert_array_equal(twin.control(decision), played.frames[decision])
        np.testing.assert_array_equal(drawing.frame, played.frames[decision])
        assert twin.repeats(decision)
    if world == "lives as episodes":
        assert played.begun[: STEPS // 3].sum() > 1, "a life is lost within the episode"
    assert {len(drawing.acts) for drawing in twin.drawings.values()} <= ({1} if "none" in WORLDS[world] else {1, 2})


def test_moved_ball_changes_exactly_two_boxes(episode_path: Path) -> None:
    ball = named("breakout", "ball")
    with load(episode_path) as episode:
        rams, frames, actions = (episode.read(name) for name in ("ram", "frame", "action"))
    twin = Twin("Breakout-v0", "none", 1, actions, rams, range(2, len(actions), 3), objects_of("breakout"))
    checked = 0
    for decision in twin.drawings:
        for move in ball.moves:
            was, now = ball.box(rams[decision]), ball.moved(rams[decision], move)
            look = twin.moved(decision, ball, move)
            # Bricks and the paddle may have the ball's colour.
            if was is None or now is None or not all(100 < box.top < 180 for box in (was, now)):
                continue
            assert look.took
            expected = np.zeros((210, 160), bool)
            expected[was.pixels] = expected[now.pixels] = True
            np.testing.assert_array_equal((look.frame != frames[decision]).any(axis=2), expected)
            checked += 1
    assert checked > 20


def test_moves_take_in_breakout(episode_path: Path) -> None:
    with load(episode_path) as episode:
        rams, actions = episode.read("ram"), episode.read("action")
    twin = Twin("Breakout-v0", "none", 1, actions, rams, range(20, len(actions), 4), objects_of("breakout"))
    assert share_that_took(twin, rams, named("breakout", "ball"), 60) > 0.9
    assert share_that_took(twin, rams, named("breakout", "paddle"), 30) > 0.98


@pytest.mark.parametrize("game", TAKE)
def test_moves_of_every_game_take(game: str) -> None:
    played = play({"id": f"ALE/{game}-v5", "frameskip": 1, "repeat_action_probability": 0}, "none", 540, held=8)
    # Raw frames of either parity, because some objects are drawn in every other one.
    decisions = range(310, 540, 15)
    twin = played.twin(decisions, game)
    assert list(twin.drawings) == list(decisions)
    most, named_ones = TAKE[game]
    for of in objects_of(game):
        if of.moves:
            share = share_that_took(twin, played.rams, of, 3)
            assert share >= named_ones.get(of.name, most), of.name


def test_every_game_has_a_share() -> None:
    assert {registry.name_of(FOLDER, game) for game in TAKE} == set(registry.names(FOLDER))


@pytest.mark.parametrize(("name", "byte", "copy"), [("player", 60, 51), ("enemy", 21, 50)])
def test_paddles_of_pong_lie_where_their_byte_says_and_not_its_copy(
    pong: Played, name: str, byte: int, copy: int
) -> None:
    twin, paddle = pong.twin(range(40, STEPS, 6), "pong"), named("pong", name)
    assert share_that_took(twin, pong.rams, paddle, 15) > 0.9
    copied = GameObject(name, paddle.place, paddle.field, moves(down=(-30, 30), y=copy))
    assert share_that_took(twin, pong.rams, copied, 15) == 0
    assert byte in {index for move in paddle.moves for index, _ in move.changes}


def test_enemy_of_pong_stays_where_it_is_while_the_ball_is_moved(pong: Played) -> None:
    twin, ball = pong.twin(range(40, STEPS, 6), "pong"), named("pong", "ball")
    assert share_that_took(twin, pong.rams, ball, 40) > 0.85
    alone = Twin(pong.env, pong.wrappers, 3, pong.actions, pong.rams, range(40, STEPS, 6), [ball])
    assert share_that_took(alone, pong.rams, ball, 40) < 0.8, "it follows the ball at once"


def test_both_raw_frames_of_a_maximum_are_changed(pong: Played) -> None:
    player = named("pong", "player")
    twin = pong.twin(range(100, 101), "pong")
    move = next(move for move in player.moves if player.moved(pong.rams[100], move))
    look = twin.moved(100, player, move)
    assert len(twin.drawings[100].acts) == 2
    assert look.took
    green = np.array([92, 186, 92])
    for _, act in twin.drawings[100].acts:
        was, now = player.box(act.ram), player.moved(act.ram, move)
        assert was is not None
        assert now is not None
        assert (look.frame[now.pixels] == green).all()
        assert not (look.frame[was.pixels] == green).all(axis=2).any(), "else its old place would shine through"


def test_object_is_moved_in_all_pictures_of_a_stack(pong: Played) -> None:
    player, made_of = named("pong", "player"), [90, 90, 91, 92]
    twin = pong.twin(range(90, 93), "pong")
    move = next(move for move in player.moves if all(player.moved(pong.rams[one], move) for one in made_of))
    frames = twin.stack(made_of, player, move)
    assert frames is not None
    assert frames.shape == (4, 210, 160, 3)
    for frame, decision in zip(frames, made_of, strict=True):
        np.testing.assert_array_equal(frame, twin.moved(decision, player, move).frame)
        assert (frame != pong.frames[decision]).any()


def test_move_that_does_not_take_is_said(pong: Played) -> None:
    twin, nothing = pong.twin(range(90, 93), "pong"), Move(0, 30, ((0, 0),))
    player = named("pong", "player")
    assert not twin.moved(90, player, nothing).took
    np.testing.assert_array_equal(twin.moved(90, player, nothing).frame, pong.frames[90])
    both = Move(-30, 0, ((60, -30), (51, -30), (49, 20)))
    assert not twin.moved(90, player, both).took, "the ball moves too"
    assert twin.stack([90, 91], player, both) is None


def test_other_episode_is_refused(pong: Played) -> None:
    with pytest.raises(SearchlightError, match="decision 1: the replayed game is not the recorded one"):
        Twin(pong.env, pong.wrappers, 3, pong.actions, np.vstack([pong.rams[:1], pong.rams[5:]]), [3], ())
