"""Screens of other heights by ``cv2`` and ``imresize``: the same rows of them."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.geometry import BOTTOM, HEIGHTS, OBSERVATION, TOP, preprocessing, written
from searchlight.errors import SearchlightError


@pytest.mark.parametrize("height", [195, *HEIGHTS[1:]])
@pytest.mark.parametrize("name", ["cv2", "imresize"])
def test_rows_of_any_screen_are_those_of_the_usual_one(name: str, height: int) -> None:
    screen = np.random.default_rng(height).integers(0, 256, (250, 160, 3)).astype(np.uint8)[:height]
    usual = np.zeros((210, 160, 3), np.uint8)
    usual[TOP:BOTTOM] = screen[TOP:BOTTOM]
    made = preprocessing(name, height)
    assert (made.screen, made.shape, made.seen) == ((height, 160), OBSERVATION, (TOP, BOTTOM, 0, 160))
    np.testing.assert_array_equal(made.picture(screen), preprocessing(name).picture(usual))
    box = made.reached(np.array([[180, height, 40, 60]]))
    assert box[0, 1] == OBSERVATION[0]
    ((top, bottom, left, right),) = made.needed(box).tolist()
    changed = screen.copy()
    changed[185:BOTTOM, 45:50] = 7
    (found,) = made.prepare(screen[None]).changed(changed[None, top:bottom, left:right, None], box[:, ::2])
    np.testing.assert_array_equal(written(found)[0], made.picture(changed))


@pytest.mark.parametrize("screen", [(194, 160), (210, 152)])
@pytest.mark.parametrize("name", ["cv2", "imresize"])
def test_screen_without_these_pixels_is_one_line(name: str, screen: tuple[int, int]) -> None:
    from searchlight.agents import preprocessings

    with pytest.raises(SearchlightError, match=rf"^preprocessing: found a screen of {screen[0]}x{screen[1]} pixels"):
        preprocessings.build(name, screen)
