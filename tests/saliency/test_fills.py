"""Fills: their images, the spaces that allow them, and their descriptions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from searchlight import registry
from searchlight.errors import SearchlightError
from searchlight.saliency import fills

RNG = np.random.default_rng(0)
SCREEN = RNG.integers(0, 256, (12, 10, 3)).astype(np.uint8)
OBSERVATION = RNG.random((8, 6)).astype(np.float32)
BEHIND = {"screen": SCREEN[::-1], "observation": OBSERVATION[::-1]}


def image(space: str, spec: Any) -> np.ndarray:
    """Return the fill of a picture whose middle the agent sees."""
    whole = {"screen": SCREEN, "observation": OBSERVATION}[space]
    return fills.build(spec)(fills.Scene(whole, whole[2:-2], lambda: BEHIND[space]))


@pytest.mark.parametrize(
    ("space", "spec", "expected"),
    [
        ("screen", 7, np.uint8(7)),
        ("observation", 0.25, np.float32(0.25)),
        ("screen", [1, 2, 3], np.array([1, 2, 3], np.uint8)),
        ("screen", {"blur": 2}, np.rint(gaussian_filter(SCREEN.astype(np.float32), (2, 2, 0))).astype(np.uint8)),
        ("observation", {"blur": 2}, gaussian_filter(OBSERVATION, 2)),
        ("screen", "mean", np.rint(SCREEN[2:-2].mean(axis=(0, 1), dtype=np.float64)).astype(np.uint8)),
        ("observation", "mean", np.float32(OBSERVATION[2:-2].mean(dtype=np.float64))),
        ("screen", "background", BEHIND["screen"]),
        ("observation", "background", BEHIND["observation"]),
    ],
    ids=str,
)
def test_image_of_a_fill(space: str, spec: Any, expected: np.ndarray) -> None:
    made = image(space, spec)
    np.testing.assert_array_equal(made, expected)
    assert made.dtype == expected.dtype


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (0, "fill 0"),
        (0.5, "fill 0.5"),
        ([10, 90, 30], "fill 10,90,30"),
        ("mean", "fill mean"),
        ({"blur": 3}, "blur 3"),
        ({"blur": {"sigma": 1.5}}, "blur 1.5"),
        ("background", "background 200"),
        ({"background": "episode"}, "background episode"),
    ],
    ids=str,
)
def test_words_of_a_fill(spec: Any, words: str) -> None:
    found = fills.described(spec)
    assert found["hidden_by"] == words
    assert found["unchanged_because"] == ("nothing moves against its background" if fills.window(spec) else words)


def test_only_background_has_window() -> None:
    assert fills.window("background") == 200
    assert fills.window({"background": {"window": "episode"}}) == "episode"
    assert [fills.window(spec) for spec in (0, [1, 2, 3], "mean", {"blur": 3})] == [None] * 4


@pytest.mark.parametrize(
    ("space", "spec", "line"),
    [
        ("observation", 7, "found 7, allowed in observation space: 0 to 1"),
        ("observation", [1, 2, 3], "found the colour [1.0, 2.0, 3.0], allowed in observation space: 0 to 1"),
        ("screen", 0.5, "found 0.5, allowed on the screen: whole levels 0 to 255"),
        ("screen", [0, 0.5, 1], "found 0.5, allowed on the screen: whole levels 0 to 255"),
        ("screen", 256, "found 256, allowed: background"),
        (None, True, "found True, allowed: background"),
    ],
    ids=str,
)
def test_invalid_fill_is_one_line(space: str | None, spec: Any, line: str) -> None:
    with pytest.raises(SearchlightError) as caught:
        fills.check(spec, space)
    assert str(caught.value).startswith(line)


def test_error_for_unknown_fill_lists_every_fill() -> None:
    with pytest.raises(SearchlightError) as caught:
        fills.check("median")
    assert all(member.FORM in str(caught.value) for member in registry.members(fills.FOLDER).values())
