"""Saliency maps of a block, by the project's scorers and by plug-ins of xaitk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.files import save
from helpers.project import BUNDLED
from helpers.scores import IMAGE, PERTURBERS, outputs
from safetensors.numpy import save_file
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.policy_file import read_policy
from searchlight.agents.rollout import play_episode
from searchlight.errors import SearchlightError
from searchlight.saliency import plugins, scorers
from searchlight.saliency.masks import make_masks
from searchlight.saliency.perturb import perturb_block
from searchlight.saliency.score import make_scorers, score_block
from searchlight.store.zarr import Variable, load
from xaitk_saliency import GenerateClassifierConfidenceSaliency

# Perturbers for networks, on their 80x80 observation.
NETWORK_MASKS = {
    "window": {"SlidingWindow": {"window_size": [16, 16], "stride": [8, 8]}},
    "rise": {"RISEGrid": {"n": 40, "s": 8, "p1": 0.5, "seed": 1}},
}


class Shaped(GenerateClassifierConfidenceSaliency):
    """A plug-in whose maps have the shape that a test sets."""

    shape: tuple[int, ...] = ()

    def generate(self, reference: np.ndarray, perturbed: np.ndarray, perturbed_masks: np.ndarray) -> np.ndarray:
        return np.zeros(self.shape)

    def get_config(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("layer", ["conv1", "conv3"])
@pytest.mark.parametrize(("perturber", "scorer"), [("window", "SquaredDifference"), ("rise", "RISE")])
def test_map_of_network_that_ignores_input_is_zero(
    layer: str, perturber: str, scorer: str, policy_path: Path, tmp_path: Path
) -> None:
    """A network's outputs differ by rounding, which must not become a map."""
    tensors, _ = read_policy(policy_path)
    blind = {**tensors, f"{layer}.weight": np.zeros_like(tensors[f"{layer}.weight"])}
    save_file(blind, tmp_path / "blind.safetensors")
    fetch_checkpoint(str(tmp_path / "blind.safetensors"), None, None, BUNDLED, tmp_path / "policy", print)
    settings = {"agent": "blind", "env": "Breakout-v0", "preprocessing": "cv2", "actions": "sampled", "seed": 1}
    play_episode(tmp_path / "policy", tmp_path / "episode", **settings, max_steps=6)
    spec = {"space": "observation", "stack": "all", "perturber": NETWORK_MASKS[perturber], "fill": 1, "memory_lag": 0}
    paths = (tmp_path / "policy", tmp_path / "episode", tmp_path / "responses")
    perturb_block(*paths, perturbation=spec, block=1, block_size=3)
    score_block(tmp_path / "responses", tmp_path / "maps", scorer={scorer: {}})
    with load(tmp_path / "responses") as responses, load(tmp_path / "maps") as maps:
        assert (responses.read("logits") != responses.read("reference_logits")[:, None]).any(), "or nothing is tested"
        assert responses.read("effective_masks").all()
        for name in ("actor", "critic"):
            assert not maps.read(name).any()


@pytest.mark.parametrize("scorer", ["OcclusionScoring", "RISE", "LIME"])
def test_signed_map_of_one_output_has_the_unsigned_map_as_its_size(scorer: str) -> None:
    perturber = {"RandomCells": {"n": 40, "s": [6, 5]}} if scorer == "LIME" else PERTURBERS["window"]
    masks = make_masks(perturber, IMAGE)
    reference, perturbed = outputs(masks, 3, 1, 4, 1.0)
    spec = plugins.check("scorer", scorer)
    signed, unsigned = make_scorers(spec, masks, signed=True), make_scorers(spec, masks)
    for with_sign, without in zip(signed, unsigned, strict=True):
        maps = with_sign(reference, perturbed)
        assert maps.min() < 0 < maps.max()
        np.testing.assert_array_equal(np.abs(maps), without(reference, perturbed))


@pytest.mark.parametrize("scorer", ["OcclusionScoring", "RISE", "LIME"])
def test_signed_map_is_positive_where_what_is_hidden_raises_the_output(scorer: str) -> None:
    perturber = {"RandomCells": {"n": 80, "s": [6, 5]}} if scorer == "LIME" else PERTURBERS["window"]
    masks = make_masks(perturber, IMAGE)
    kept = masks.dense(0, len(masks))[None, ..., None]
    # The upper left corner raises the output, the lower right one lowers it.
    perturbed = 2 + 3 * kept[:, :, :4, :4].mean(axis=(2, 3)) - kept[:, :, -4:, -4:].mean(axis=(2, 3))
    score = make_scorers(plugins.check("scorer", scorer), masks, signed=True)
    (found,) = score.critic(np.full((1, 1), 4, np.float32), perturbed.astype(np.float32))
    assert found[1, 1] > 0.5 * found.max() > 0
    assert found[-2, -2] < 0.5 * found.min() < 0


@pytest.mark.parametrize("scorer", ["SARFA", "KL", "TotalVariation"])
def test_q_values_want_a_temperature(scorer: str, tmp_path: Path, policy_path: Path, episode_path: Path) -> None:
    spec = {"space": "observation", "stack": "all", "perturber": NETWORK_MASKS["window"], "fill": 1, "memory_lag": 0}
    perturb_block(policy_path, episode_path, tmp_path / "responses", perturbation=spec, block=0, block_size=2)
    output = scorers.told({scorer: {}}, "OUTPUT")
    score_block(tmp_path / "responses", tmp_path / "logits", scorer={scorer: {}}, compares=output, temperature=9)
    with load(tmp_path / "responses") as store:
        new_names = {"logits": "q_values", "reference_logits": "reference_q_values"}
        variables = {
            new_names.get(name, name): Variable(store.dimensions(name), store.read(name)) for name in store.names()
        }
        save(tmp_path / "of_q", variables, {**store.attributes, "output": "q_values"})
    with pytest.raises(SearchlightError, match=f"^temperature: missing for the {output} of a network of Q-values"):
        score_block(tmp_path / "of_q", tmp_path / "none", scorer={scorer: {}}, compares=output)
    assert not (tmp_path / "none").exists()
    for temperature in (1, 9):
        score_block(
            tmp_path / "of_q",
            tmp_path / f"{temperature}",
            scorer={scorer: {}},
            compares=output,
            temperature=temperature,
        )
    with load(tmp_path / "logits") as logits, load(tmp_path / "1") as one, load(tmp_path / "9") as nine:
        np.testing.assert_array_equal(one.read("actor"), logits.read("actor"))
        assert one.read("actor").max() > nine.read("actor").max() > 0
        assert "at temperature 9" in nine.attributes["compared"]
        assert "temperature" not in logits.attributes["compared"]


@pytest.mark.parametrize("shape", [(24, 19), (3, 20, 24), (480,), (1, 1, 24, 20), (0, 24, 20)], ids=str)
def test_plugin_map_of_wrong_size_is_one_line(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shaped, "shape", shape)
    masks = make_masks(PERTURBERS["window"], IMAGE)
    score = make_scorers({"Shaped": {}}, masks).actor
    with pytest.raises(SearchlightError) as caught:
        score(*outputs(masks, 1, 3, 1, 1.0))
    expected = f"Shaped: found a map of the shape {shape}, allowed: (24, 20) or (1 or more, 24, 20)"
    assert str(caught.value) == expected


def test_other_scorers_run_through_xaitk_interface() -> None:
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
    maps = make_scorers(spec, masks).actor(reference, perturbed)
    dense = masks.dense(0, len(masks))
    expected = LargestHidden(2.0)(reference[1], perturbed[1], dense).sum(axis=0)
    np.testing.assert_allclose(maps[1], expected, rtol=1e-6)
