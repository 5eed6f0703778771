"""Scores: vectorised where they are xaitk's, through xaitk's interface where they are not, never NaN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.project import BUNDLED
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.policy_file import read_policy
from searchlight.agents.rollout import play_episode
from searchlight.errors import SearchlightError
from searchlight.saliency import hidden_sums, plugins
from searchlight.saliency.masks import Masks, make_masks
from searchlight.saliency.perturb import perturb_block
from searchlight.saliency.score import make_scorer, score_block
from searchlight.store.zarr import load
from xaitk_saliency import GenerateClassifierConfidenceSaliency

SHAPE = (24, 20)
IMAGE = np.zeros(SHAPE)
PERTURBERS = {
    "window": {"SlidingWindow": {"window_size": [6, 5], "stride": [4, 5]}},
    "sparse window": {"SlidingWindow": {"window_size": [2, 2], "stride": [5, 5]}},
    "radial": {"SlidingRadial": {"radius": [2, 2], "stride": [6, 6], "sigma": [2, 2]}},
    "rise": {"RISEGrid": {"n": 30, "s": 4, "p1": 0.5, "seed": 1}},
}
# For networks, on their own 80x80 pixels.
NETWORK_MASKS = {
    "window": {"SlidingWindow": {"window_size": [16, 16], "stride": [8, 8]}},
    "rise": {"RISEGrid": {"n": 40, "s": 8, "p1": 0.5, "seed": 1}},
}
SCORERS = {
    "OcclusionScoring": {},
    "SquaredDifferenceScoring": {},
    "RISEScoring": {"p1": 0.5},
}


class Shaped(GenerateClassifierConfidenceSaliency):
    """A plug-in whose maps have whatever shape a test wants."""

    shape: tuple[int, ...] = ()

    def generate(self, reference: np.ndarray, perturbed: np.ndarray, perturbed_masks: np.ndarray) -> np.ndarray:
        return np.zeros(self.shape)

    def get_config(self) -> dict[str, Any]:
        return {}


def outputs(masks: Masks, frames: int, actions: int, seed: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    reference = (scale * rng.standard_normal((frames, actions))).astype(np.float32)
    changes = 0.1 * scale * rng.standard_normal((frames, len(masks), actions))
    return reference, (reference[:, None] + changes).astype(np.float32)


@pytest.mark.parametrize("perturber", PERTURBERS)
@pytest.mark.parametrize("scorer", SCORERS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**16), actions=st.integers(1, 18), scale=st.sampled_from([0.01, 1.0, 10.0]))
def test_scores_are_those_of_xaitk(perturber: str, scorer: str, seed: int, actions: int, scale: float) -> None:
    masks = make_masks(PERTURBERS[perturber], IMAGE)
    reference, perturbed = outputs(masks, 2, actions, seed, scale)
    plugin = plugins.build("scorer", scorer, SCORERS[scorer])
    dense = masks.dense(0, len(masks)).astype(np.float64)
    maps = make_scorer({scorer: SCORERS[scorer]}, masks)(reference, perturbed)
    for frame in range(2):
        of_each = plugin(reference[frame].astype(np.float64), perturbed[frame].astype(np.float64), dense)
        expected = np.abs(of_each).reshape(-1, *SHAPE).sum(axis=0)
        np.testing.assert_allclose(maps[frame], expected, atol=1e-5)


@pytest.mark.parametrize("scorer", ["OcclusionScoring", "RISEScoring"])
def test_the_critic_s_one_output_has_its_sign_taken_off_and_no_more(scorer: str) -> None:
    masks = make_masks(PERTURBERS["radial"], IMAGE)
    reference, perturbed = outputs(masks, 1, 1, 9, 1.0)
    signed = plugins.build("scorer", scorer, SCORERS[scorer])(reference[0], perturbed[0], masks.dense(0, len(masks)))
    assert signed.min() < 0
    maps = make_scorer({scorer: SCORERS[scorer]}, masks)(reference, perturbed)
    np.testing.assert_allclose(maps[0], np.abs(signed[0]), atol=1e-5)


def test_the_paper_s_score_is_half_the_squared_difference_weighted_by_what_was_hidden() -> None:
    masks = make_masks(PERTURBERS["radial"], IMAGE)
    reference, perturbed = outputs(masks, 1, 4, 3, 1.0)
    score = make_scorer({"SquaredDifference": {}}, masks)(reference, perturbed)[0]
    hidden = 1 - masks.dense(0, len(masks)).astype(np.float64)
    strength = 0.5 * ((reference[0] - perturbed[0]) ** 2).sum(axis=1)
    expected = np.tensordot(strength, hidden, 1) / hidden.sum(axis=0)
    np.testing.assert_allclose(score, expected, rtol=1e-5)


def test_the_paper_s_score_keeps_the_magnitude_across_frames() -> None:
    masks = make_masks(PERTURBERS["window"], IMAGE)
    reference, perturbed = outputs(masks, 1, 4, 3, 1.0)
    both = np.concatenate([perturbed, reference[:, None] + 2 * (perturbed - reference[:, None])])
    score = make_scorer({"SquaredDifference": {}}, masks)(np.concatenate([reference] * 2), both)
    np.testing.assert_allclose(score[1], 4 * score[0], rtol=1e-4)


OURS = ("SquaredDifference", "RISE")


@pytest.mark.parametrize("perturber", PERTURBERS)
@pytest.mark.parametrize("scorer", [*OURS, "OcclusionScoring", "SquaredDifferenceScoring"])
@given(offset=st.floats(-50, 50, width=32))
@settings(max_examples=10, deadline=None)
def test_an_agent_that_ignores_its_input_gets_a_zero_map(perturber: str, scorer: str, offset: float) -> None:
    masks = make_masks(PERTURBERS[perturber], IMAGE)
    reference = np.array([[offset, 3 - offset, 0.1]], np.float32)
    perturbed = np.repeat(reference[:, None], len(masks), axis=1)
    assert not make_scorer({scorer: {}}, masks)(reference, perturbed).any()


@pytest.mark.parametrize("layer", ["conv1", "conv3"])
@pytest.mark.parametrize(("perturber", "scorer"), [("window", "SquaredDifference"), ("rise", "RISE")])
def test_a_network_that_ignores_its_input_gets_a_zero_map(
    layer: str, perturber: str, scorer: str, policy_path: Path, tmp_path: Path
) -> None:
    """From end to end: a network's outputs differ by rounding, which must not become a map."""
    tensors, _ = read_policy(policy_path)
    blind = {**tensors, f"{layer}.weight": np.zeros_like(tensors[f"{layer}.weight"])}
    save_file(blind, tmp_path / "blind.safetensors")
    fetch_checkpoint(str(tmp_path / "blind.safetensors"), None, None, BUNDLED, tmp_path / "policy", print)
    settings = {"agent": "blind", "env": "Breakout-v0", "preprocessing": "cv2", "actions": "sampled", "seed": 1}
    play_episode(tmp_path / "policy", tmp_path / "episode", **settings, max_steps=6)
    spec = {"space": "observation", "perturber": NETWORK_MASKS[perturber], "fill": 1, "memory_lag": 0}
    paths = (tmp_path / "policy", tmp_path / "episode", tmp_path / "responses")
    perturb_block(*paths, perturbation=spec, block=1, block_size=3)
    score_block(tmp_path / "responses", tmp_path / "maps", scorer={scorer: {}})
    with load(tmp_path / "responses") as responses, load(tmp_path / "maps") as maps:
        assert (responses.read("logits") != responses.read("reference_logits")[:, None]).any(), "or nothing is tested"
        assert responses.read("effective_masks").all()
        for name in ("actor", "critic"):
            assert not maps.read(name).any()


def test_xaitk_s_rise_shows_chance_where_ours_shows_nothing() -> None:
    masks = make_masks(PERTURBERS["rise"], IMAGE)
    reference = np.full((1, 2), 4, np.float32)
    perturbed = np.repeat(reference[:, None], len(masks), axis=1)
    assert make_scorer({"RISEScoring": {"p1": 0.5}}, masks)(reference, perturbed).max() > 0.5


@pytest.mark.parametrize("perturber", PERTURBERS)
@pytest.mark.parametrize("scorer", OURS)
@given(seed=st.integers(0, 2**16), offset=st.floats(-64, 64, width=16))
@settings(max_examples=10, deadline=None)
def test_an_offset_changes_no_map_but_by_rounding(perturber: str, scorer: str, seed: int, offset: float) -> None:
    masks = make_masks(PERTURBERS[perturber], IMAGE)
    reference, perturbed = outputs(masks, 1, 4, seed, 1.0)
    score = make_scorer({scorer: {}}, masks)
    moved = [(array + np.float32(offset)).astype(np.float32) for array in (reference, perturbed)]
    # Outputs of up to 70 are rounded by 4e-6, and enter squared or once.
    np.testing.assert_allclose(score(*moved), score(reference, perturbed), atol=4e-5)


def test_rise_is_the_covariance_of_outputs_with_what_was_kept() -> None:
    masks = make_masks(PERTURBERS["rise"], IMAGE)
    reference, perturbed = outputs(masks, 2, 3, 8, 1.0)
    maps = make_scorer({"RISE": {}}, masks)(reference, perturbed)
    kept = masks.dense(0, len(masks)).astype(np.float64).reshape(len(masks), -1)
    for frame in range(2):
        both = np.cov(kept, perturbed[frame], rowvar=False, bias=True)[: kept.shape[1], kept.shape[1] :]
        np.testing.assert_allclose(maps[frame].ravel(), np.abs(both).sum(axis=1), atol=1e-6)


@pytest.mark.parametrize("shape", [(24, 19), (3, 20, 24), (480,), (1, 1, 24, 20), (0, 24, 20)], ids=str)
def test_a_plugin_s_map_of_another_size_is_one_line(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shaped, "shape", shape)
    masks = make_masks(PERTURBERS["window"], IMAGE)
    score = make_scorer({"Shaped": {}}, masks)
    with pytest.raises(SearchlightError) as caught:
        score(*outputs(masks, 1, 3, 1, 1.0))
    expected = f"Shaped: found a map of the shape {shape}, allowed: (24, 20) or (1 or more, 24, 20)"
    assert str(caught.value) == expected


@pytest.mark.parametrize("scorer", [*SCORERS, *OURS])
def test_no_signal_is_zeros(scorer: str) -> None:
    masks = make_masks(PERTURBERS["window"], IMAGE)
    reference = np.zeros((1, 3), np.float32)
    perturbed = np.zeros((1, len(masks), 3), np.float32)
    maps = make_scorer({scorer: SCORERS.get(scorer, {})}, masks)(reference, perturbed)
    np.testing.assert_array_equal(maps, np.zeros((1, *SHAPE)))


@pytest.mark.parametrize("perturber", PERTURBERS)
@pytest.mark.parametrize("scorer", [*SCORERS, *OURS])
def test_a_frame_s_map_does_not_depend_on_the_frames_beside_it(perturber: str, scorer: str) -> None:
    masks = make_masks(PERTURBERS[perturber], IMAGE)
    reference, perturbed = outputs(masks, 7, 6, 5, 1.0)
    score = make_scorer({scorer: SCORERS.get(scorer, {})}, masks)
    together = score(reference, perturbed)
    alone = np.concatenate([score(reference[i : i + 1], perturbed[i : i + 1]) for i in range(7)])
    np.testing.assert_array_equal(together, alone)


def test_sparse_and_dense_sums_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    masks = make_masks(PERTURBERS["sparse window"], IMAGE)
    weights = np.random.default_rng(0).standard_normal((3, len(masks), 2))
    sparse = hidden_sums.HiddenSums(masks)
    monkeypatch.setattr(hidden_sums, "SPARSE_DENSITY", 0)
    monkeypatch.setattr(hidden_sums, "DENSE_MASKS", 3)
    dense = hidden_sums.HiddenSums(masks)
    np.testing.assert_allclose(sparse.on_pixels(sparse(weights)), dense.on_pixels(dense(weights)), atol=1e-12)
    assert len(sparse.coverage) < len(dense.coverage)


def test_any_other_scorer_runs_through_xaitk_s_interface() -> None:
    from xaitk_saliency import GenerateClassifierConfidenceSaliency

    class LargestHidden(GenerateClassifierConfidenceSaliency):
        def __init__(self, power: float = 1.0) -> None:
            self.power = power

        def generate(self, reference: np.ndarray, perturbed: np.ndarray, perturbed_masks: np.ndarray) -> np.ndarray:
            change = np.abs(reference - perturbed) ** self.power
            return np.max((1 - perturbed_masks)[:, None] * change[..., None, None], axis=0)

        def get_config(self) -> dict[str, Any]:
            return {"power": self.power}

    spec = plugins.check("scorer", {"LargestHidden": {"power": 2.0}})
    masks = make_masks(PERTURBERS["window"], IMAGE)
    reference, perturbed = outputs(masks, 2, 3, 1, 1.0)
    maps = make_scorer(spec, masks)(reference, perturbed)
    dense = masks.dense(0, len(masks))
    expected = LargestHidden(2.0)(reference[1], perturbed[1], dense).sum(axis=0)
    np.testing.assert_allclose(maps[1], expected, rtol=1e-6)
