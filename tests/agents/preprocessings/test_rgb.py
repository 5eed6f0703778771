"""Screens as they are, in colour."""

from __future__ import annotations

import numpy as np
from helpers.geometry import SCREEN, preprocessing, written


def test_picture_is_the_screen_in_fractions() -> None:
    screen = np.random.default_rng(0).integers(0, 256, (250, 160, 3)).astype(np.uint8)
    made = preprocessing("rgb", 250)
    assert (made.shape, made.seen, made.channels, made.stack) == ((250, 160), (0, 250, 0, 160), 3, 1)
    np.testing.assert_array_equal(made.picture(screen), screen.astype(np.float32) / np.float32(255))


def test_changed_parts_give_what_whole_changed_screens_give() -> None:
    rng = np.random.default_rng(1)
    screens = rng.integers(0, 256, (2, *SCREEN, 3)).astype(np.uint8)
    made = preprocessing({"rgb": {"stack": 3}})
    boxes = np.array([[0, 9, 0, 12], [100, 109, 148, 160], [201, 210, 30, 42]])
    assert made.reached(boxes).tolist() == made.needed(boxes).tolist() == boxes.tolist()
    for pictures in (1, 2):
        parts = rng.integers(0, 256, (3, 9, 12, pictures, 3)).astype(np.uint8)
        (found,) = made.prepare(screens).changed(parts, boxes[:, ::2])
        observations = written(found)
        for number, (top, bottom, left, right) in enumerate(boxes):
            changed = screens.copy()
            changed[-pictures:, top:bottom, left:right] = parts[number].transpose(2, 0, 1, 3)
            expected = made.prepare(changed).observation
            assert expected.shape == (*SCREEN, 9)
            assert not expected[:, :, :3].any()
            np.testing.assert_array_equal(observations[number], expected)


def test_observed_pixels_lie_where_they_are_on_the_screen() -> None:
    rows, columns = preprocessing("rgb").centres()
    assert rows.tolist() == [*range(210)]
    assert columns.tolist() == [*range(160)]
