"""Games: where objects lie by the console's memory, against the pixels of raw frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.games import Sight, compare, play
from searchlight import registry
from searchlight.errors import SearchlightError
from searchlight.measures.games import FOLDER, Box, GameObject, Move, moves, objects_of
from searchlight.store.zarr import load

# Raw frames that are played of each game.
FRAMES = 1200
PONG = Box(34, 0, 160, 160)
MAZE = Box(2, 0, 169, 160)
WALL = (0xC84848, 0xC66C3A, 0xB47A30, 0xA2A22A, 0x48A048, 0x4248C8)

SIGHTS = {
    "Breakout": {
        "ball": Sight((), 2),
        "paddle": Sight(WALL[:1], Box(189, 8, 4, 144)),
        "bricks": Sight(WALL, Box(57, 8, 36, 144)),
    },
    "Pong": {
        "ball": Sight((0xECECEC,), PONG, exact=0.9, within=0.9),
        "player": Sight((0x5CBA5C,), PONG),
        "enemy": Sight((0xD5824A,), PONG),
    },
    "SpaceInvaders": {
        "aliens": Sight((0x86861D,), Box(30, 0, 155, 160)),
        "player": Sight((0x328432,), Box(185, 0, 10, 160), exact=0.5, within=0.8),
        **{name: Sight((0x8E8E8E,), 2, exact=0) for name in ("bullet 1", "bullet 2", "own bullet")},
        **{f"shield {1 + index}": Sight((0xB55328,), Box(150, 38 + 32 * index, 30, 16)) for index in range(3)},
    },
}
SIGHTS["MsPacman"] = {
    name: Sight((colour,), MAZE, exact=0.15 if name == "player" else 0.6)  # its mouth opens and shuts
    for name, colour in {
        "player": 0xD2A44A,
        "sue": 0xB47A30,
        "inky": 0x54B899,
        "pinky": 0xC659B3,
        "blinky": 0xC84848,
    }.items()
}
CARS = (0xA71A1A, 0xB4E775, 0x69690F, 0xE46F6F, 0x181AA7, 0xA26221, 0x545CD6, 0xB83232, 0x87B754, 0xD2D240)
SIGHTS |= {
    "Freeway": {
        "chicken": Sight((0xFCFC54,), Box(106, 44, 89, 6), exact=0.9),
        **{
            f"car {lane + 1}": Sight((colour,), Box(24 + 16 * lane, 8, 16, 152), exact=0.45 if lane < 4 else 0.95)
            for lane, colour in enumerate(CARS)
        },
    },
    "Boxing": {
        "player": Sight((0xD6D6D6,), Box(36, 32, 142, 96), exact=0.4),
        "enemy": Sight((0,), Box(36, 32, 142, 96), exact=0.6),
    },
    "Tennis": {
        "ball": Sight((0xECECEC,), Box(14, 8, 176, 144), exact=0.9),
        "player": Sight((0xF08080, 0x7580F0), 0, exact=0.85),
        "enemy": Sight((0xF08080, 0x7580F0), 0),
    },
    "Seaquest": {"player": Sight((0xBBBB35,), 1, exact=0.7)},
    "Skiing": {"player": Sight((0xD65C5C,), Box(28, 8, 150, 152), exact=0.1)},
}
STILL = np.zeros(128, np.uint8)
DOT = GameObject("dot", lambda ram: Box(ram[1], ram[0], 2, 3), Box(10, 10, 100, 100), moves(right=(-5, 5), x=0))


@pytest.mark.parametrize("game", SIGHTS)
def test_boxes_are_where_the_pixels_are(game: str) -> None:
    objects = objects_of(game)
    for name, count in compare(play(game, FRAMES), objects, SIGHTS[game]).items():
        sight = SIGHTS[game][name]
        assert count["frames"] > FRAMES / 50, f"{name} is hardly ever seen"
        assert count["exact"] >= sight.exact * count["frames"], f"{name}: {dict(count)}"
        assert count["within"] >= sight.within * count["frames"], f"{name}: {dict(count)}"


def test_every_object_of_every_game_is_checked() -> None:
    games = {registry.name_of(FOLDER, game): sights for game, sights in SIGHTS.items()}
    assert {game: list(games.get(game, {})) for game in registry.names(FOLDER)} == {
        game: [one.name for one in objects_of(game)] for game in registry.names(FOLDER)
    }


def test_boxes_of_an_episode_meet_the_stored_frames(episode_path: Path) -> None:
    with load(episode_path) as episode:
        frames = zip(episode.read("frame"), episode.read("ram"), strict=True)
        counts = compare(frames, objects_of("breakout"), SIGHTS["Breakout"])
    assert counts["ball"]["exact"] > 60
    assert all(count["exact"] >= 0.95 * count["frames"] for count in counts.values()), counts


def test_box_is_cut_by_the_field() -> None:
    ram = STILL.copy()
    assert DOT.box(ram) is None
    ram[:2] = 9, 20
    assert DOT.box(ram) == Box(20, 10, 2, 2)


def test_moves_stay_within_the_field() -> None:
    ram = STILL.copy()
    ram[:2] = 12, 20
    left, right = DOT.moves
    assert DOT.moved(ram, left) is None
    assert DOT.moved(ram, right) == Box(20, 17, 2, 3)
    assert ram[0] == 12, "the given memory is unchanged"


def test_bytes_change_by_pixels_and_wrap_around() -> None:
    assert moves(down=(6,), both=(-4,), x=3, y=(5, 7), rows_per_count=-2) == (
        Move(6, 0, ((5, -3), (7, -3))),
        Move(-4, -4, ((3, -4), (5, 2), (7, 2))),
    )
    assert Move(0, -3, ((2, -3),)).applied(STILL)[2] == 253


def test_unknown_game_is_one_line() -> None:
    with pytest.raises(
        SearchlightError, match=r"no objects are known of this game: found 'enduro', allowed: .*breakout"
    ):
        objects_of("enduro")
