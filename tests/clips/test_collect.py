"""A clip's store: its maps and facts, and the notices about maps that may mislead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.agents import STEPS
from helpers.clips import WINDOWS, make_clip_of_screen
from searchlight.clips.check_frames import check_frames
from searchlight.errors import SearchlightError
from searchlight.store.zarr import load

GAPS = {"SlidingWindow": {"window_size": [10, 10], "stride": [20, 20]}}


@pytest.fixture
def collect(policy_path: Path, episode_path: Path, tmp_path: Path) -> Any:
    """Make a clip of the episode, and return its path and what was said."""

    def make(perturber: dict[str, Any], fill: Any, scorer: str, *more: str, **of_score: Any) -> tuple[Path, list[str]]:
        return make_clip_of_screen(policy_path, episode_path, tmp_path, perturber, fill, scorer, *more, **of_score)

    return make


@pytest.mark.parametrize("scale", ["frame", "clip", "none"])
def test_peaks_are_the_largest_values_before_scaling(collect: Any, scale: str) -> None:
    path, said = collect(WINDOWS, {"background": 30}, "SquaredDifference", scale)
    with load(path) as clip, load(path.with_name("maps")) as maps:
        for layer in ("actor", "critic"):
            raw, peaks = maps.read(layer), clip.read(f"{layer}_peak")
            np.testing.assert_array_equal(peaks, raw.max(axis=(1, 2)))
            assert peaks.all()
            divisor = {"frame": peaks[:, None, None], "clip": peaks.max(), "none": 1}[scale]
            np.testing.assert_array_equal(clip.read(layer), raw / divisor)
        assert clip.read("effective_masks").all()
        assert clip.attributes["coverage"] == 1
    assert said == []


@pytest.mark.parametrize("scale", ["frame", "clip", "none"])
def test_signed_maps_are_scaled_by_their_largest_absolute_value(collect: Any, scale: str) -> None:
    path, _ = collect(WINDOWS, 0, "RISE", scale, compares="chosen_action", signed=True)
    with load(path) as clip, load(path.with_name("maps")) as maps:
        for layer in ("actor", "critic"):
            raw, found = maps.read(layer), clip.read(layer)
            assert raw.min() < 0 < raw.max()
            largest = np.abs(raw).max(axis=(1, 2))
            np.testing.assert_array_equal(clip.read(f"{layer}_peak"), largest)
            divisor = {"frame": largest[:, None, None], "clip": largest.max(), "none": 1}[scale]
            np.testing.assert_array_equal(found, raw / divisor)
            assert (scale == "none") or np.abs(found).max() == 1
            assert clip.about(layer)["long_name"] == f"signed saliency of the {layer}"
        compared = "log-probability of the chosen action"
        made_by = f"SlidingWindow on the screen, fill 0, RISE of the {compared} with its sign"
        about = {"made_by": made_by, "compared": compared, "signed": True}
        assert {name: clip.attributes[name] for name in about} == about
        assert clip.attributes["output"] == "logits"


def test_clip_without_movement_gets_a_notice(collect: Any, monkeypatch: pytest.MonkeyPatch, episode_path: Path) -> None:
    from searchlight.saliency import background

    # As if the agent were stuck: every screen is the background.
    with load(episode_path) as episode:
        screens = episode.read("frame")
    monkeypatch.setattr(background.Backgrounds, "nearest", lambda _, frame: screens[frame])
    path, said = collect(WINDOWS, {"background": 30}, "SquaredDifference")
    assert said == [
        "clips.demo, method erase: no mask changes what the agent sees in any of its frames (nothing moves against its "
        "background): all maps are zero"
    ]
    with load(path) as clip:
        assert not clip.read("effective_masks").any()
        assert not clip.read("actor").any()


def test_pixels_that_no_mask_hides_get_a_notice(collect: Any) -> None:
    path, said = collect(GAPS, 0, "SquaredDifference")
    (line,) = said
    assert line.startswith("clips.demo, method erase: 75% of what the agent sees is hidden by no mask")
    with load(path) as clip:
        assert clip.attributes["coverage"] == pytest.approx(0.25, abs=0.01)


def test_xaitk_rise_gets_a_notice(collect: Any) -> None:
    _, (line,) = collect(WINDOWS, 0, "RISEScoring")
    assert line.startswith("clips.demo, method erase: RISEScoring shows how often chance kept a pixel")


def test_frames_outside_the_episode_are_refused(episode_path: Path, tmp_path: Path) -> None:
    check_frames(episode_path, tmp_path / "frames", clip="demo", frames=(7, "end"))
    assert (tmp_path / "frames").read_text() == f"7 {STEPS - 1}\n"
    with pytest.raises(SearchlightError, match=rf"^clips\.demo\.frames: found \[7, {STEPS}\], but the episode has"):
        check_frames(episode_path, tmp_path / "other", clip="demo", frames=(7, STEPS))
    assert not (tmp_path / "other").exists()
