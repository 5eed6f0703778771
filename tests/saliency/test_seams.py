"""A preprocessing of other sizes and a network of another kind need no change elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.agents import play_bundled
from helpers.geometry import OBSERVATION, SCREEN, architecture
from helpers.geometry import preprocessing as built
from searchlight.agents.networks._greydanus import GreydanusPolicy
from searchlight.agents.policy import LOGITS, Memory, Output, channels_first, is_factored
from searchlight.agents.preprocessing import Changed, PreparedFrame, Preprocessing
from searchlight.agents.rollout import check_preprocessing
from searchlight.clips.collect import collect_clip
from searchlight.errors import SearchlightError
from searchlight.saliency.engine import Engine, make_engine
from searchlight.saliency.perturb import perturb_block
from searchlight.saliency.perturbation import Perturbation
from searchlight.saliency.score import score_block
from searchlight.saliency.whole_forwards import WholeForwards
from searchlight.store.zarr import load
from torch import Tensor, nn

SIDE = 60


class Thinned(Preprocessing):
    """A preprocessing: every third row and second column of the middle of the red channel, 60x60."""

    def __init__(self) -> None:
        self.screen, self.shape, self.seen = SCREEN, (SIDE, SIDE), (20, 20 + 3 * SIDE, 30, 30 + 2 * SIDE)

    def picture(self, screen: np.ndarray) -> np.ndarray:
        return screen[20 : 20 + 3 * SIDE : 3, 30 : 30 + 2 * SIDE : 2, :1].astype(np.float32) / 255

    def prepare(self, screens: np.ndarray) -> PreparedFrame:
        return ThinnedFrame(self, screens[-1])

    def reached(self, boxes: np.ndarray) -> np.ndarray:
        found = -(-(boxes - [20, 20, 30, 30]) // [3, 3, 2, 2]).clip(-(10**6), SIDE)
        found = found.clip(0, SIDE)
        found[(found[:, 0] >= found[:, 1]) | (found[:, 2] >= found[:, 3]) | (boxes[:, 1] == 0)] = 0
        return found

    def needed(self, boxes: np.ndarray) -> np.ndarray:
        return boxes * [3, 3, 2, 2] + [20, 20, 30, 30]

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        return 20 + 3.0 * np.arange(SIDE), 30 + 2.0 * np.arange(SIDE)


class ThinnedFrame(PreparedFrame):
    def __init__(self, preprocessing: Thinned, screen: np.ndarray) -> None:
        self.preprocessing = preprocessing
        self.observation = preprocessing.picture(screen)

    def changed(self, parts: np.ndarray, corners: np.ndarray) -> Iterator[Changed]:
        values = parts[:, ::3, ::2, 0, :1].astype(np.float32) / 255
        yield Changed(np.arange(len(parts)), self.observation, corners, values)

    def observe_other(self, screen: np.ndarray) -> np.ndarray:
        return self.preprocessing.picture(screen)


class Pooled(nn.Module):
    """A network that the engine does not support, because it has a pooling. It has no memory."""

    actions, output = 3, LOGITS

    def __init__(self, side: int) -> None:
        super().__init__()
        self.convolution, self.heads = nn.Conv2d(1, 4, 5, stride=3), nn.Linear(4 * (((side - 5) // 3 + 1) // 2) ** 2, 4)

    def initial_memory(self) -> dict[str, Tensor]:
        return {}

    def step(self, observation: Tensor, memory: Memory) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        seen = nn.functional.max_pool2d(torch.tanh(self.convolution(observation)), 2)
        outputs = self.heads(seen.flatten(1))
        return outputs[:, :3], outputs[:, 3], dict(memory)


SPECS: dict[str, Mapping[str, object]] = {
    "windows": {
        "space": "screen",
        "stack": "all",
        "perturber": {"SlidingWindow": {"window_size": [11, 8], "stride": [9, 8]}},
        "fill": {"background": 200},
    },
    "colour": {
        "space": "screen",
        "stack": "all",
        "perturber": {"RISEGrid": {"n": 8, "s": 5, "p1": 0.5, "seed": 1}},
        "fill": [10, 90, 30],
    },
    "observation": {
        "space": "observation",
        "stack": "all",
        "perturber": {"SlidingRadial": {"radius": [2, 2], "stride": [15, 15], "sigma": [2, 2]}},
        "fill": {"blur": 2},
    },
}


def frame_and_background(episode_path: Path) -> tuple[np.ndarray, np.ndarray]:
    with load(episode_path) as episode:
        frames = episode.read("frame")
        return frames[60], np.median(frames, axis=0).astype(np.uint8)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("kind", ["factored", "whole"])
@torch.inference_mode()
def test_outputs_under_masks_equal_those_of_whole_screens(
    kind: str, spec: dict[str, object], episode_path: Path
) -> None:
    torch.manual_seed(0)
    preprocessing, (screen, background) = Thinned(), frame_and_background(episode_path)
    policy = GreydanusPolicy(architecture("lstm", (1, 4, 6), 3, 16, 4, SIDE)) if kind == "factored" else Pooled(SIDE)
    perturbation = Perturbation(dict(spec), preprocessing)
    frame, memory = preprocessing.prepare(screen[None]), policy.initial_memory()
    engine = make_engine(policy, preprocessing.shape)
    assert isinstance(engine, Engine if kind == "factored" else WholeForwards)
    reference = engine.reference(frame.observation)
    found = list(perturbation.patches(screen[None], frame, background[None]))
    logits, value, _, _ = engine.respond(reference, memory, found, len(perturbation.masks))
    assert sum(len(one.masks) for one in found) >= 3
    masks = perturbation.masks.dense(0, len(perturbation.masks))
    for index, mask in enumerate(masks):
        if spec["space"] == "screen":
            fill = background if "background" in str(spec["fill"]) else np.array(spec["fill"], np.uint8)
            kept = mask[..., None]
            hidden = (kept * screen + (1 - kept) * fill).astype(np.uint8)
            same = (screen == fill).all(axis=-1, keepdims=True)
            seen = preprocessing.prepare(np.where(same, screen, hidden)[None]).observation
        else:
            from scipy.ndimage import gaussian_filter

            blurred = gaussian_filter(frame.observation, (2, 2, 0))
            seen = frame.observation + (1 - mask[..., None]) * (blurred - frame.observation)
        expected, expected_value, _ = policy.step(channels_first(seen[None]), memory)
        np.testing.assert_allclose(logits[index], expected[0].numpy(), atol=1e-5)
        np.testing.assert_allclose(value[index], expected_value[0].item(), atol=1e-5)


@torch.inference_mode()
def test_whole_forwards_depend_on_batch_by_rounding_alone(episode_path: Path) -> None:
    torch.manual_seed(0)
    policy, (screen, _) = Pooled(OBSERVATION[0]), frame_and_background(episode_path)
    perturbation = Perturbation(dict(SPECS["colour"]), built("imresize"))
    frame = perturbation.preprocessing.prepare(screen[None])
    found, count = list(perturbation.patches(screen[None], frame)), len(perturbation.masks)
    one, many = (WholeForwards(policy, batch=batch).respond(frame.observation, {}, found, count) for batch in (1, 5))
    for ours, theirs in zip(one, many, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_stores_name_outputs_like_the_network(
    policy_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GreydanusPolicy, "output", Output("q_values", "value of each action", softmax=False))
    play_bundled(policy_path, tmp_path / "episode", seed=1, max_steps=6)
    spec = {**SPECS["observation"], "memory_lag": 0}
    paths = (policy_path, tmp_path / "episode", tmp_path / "responses")
    perturb_block(*paths, perturbation=spec, block=0, block_size=6)
    score_block(tmp_path / "responses", tmp_path / "maps", scorer={"SquaredDifference": {}})
    about = {"clip": "demo", "method": "blur", "scale": "none", "notice": print}
    collect_clip(tmp_path / "episode", [tmp_path / "maps"], tmp_path / "clip", frames=(2, 5), **about)
    for name in ("episode", "responses", "maps", "clip"):
        with load(tmp_path / name) as store:
            assert store.attributes["output"] == "q_values"
            assert not {"logits", "reference_logits", "probability"} & {*store.names()}
    with load(tmp_path / "responses") as responses, load(tmp_path / "clip") as clip:
        assert responses.dimensions("q_values") == ("time", "mask", "action_index")
        np.testing.assert_allclose(clip.read("q_values"), responses.read("reference_q_values")[2:], rtol=1e-4)
        assert clip.about("q_values") == {"long_name": "value of each action"}


def test_network_for_other_observations_is_one_line() -> None:
    policy = GreydanusPolicy(architecture("lstm", (1, 2), 3, 4, 4, side=84))
    with pytest.raises(
        SearchlightError, match=r"^agents.mine: the checkpoint's network does not take the 1 x 80 x 80 observations"
    ):
        check_preprocessing(policy, built("cv2"), "agents.mine")


def test_policy_gradients_are_finite() -> None:
    policy = GreydanusPolicy(architecture("gru", (1, 2, 2), 3, 4, 4))
    assert is_factored(policy)
    # Activations are so large that their exponential is infinite.
    nn.init.constant_(policy.conv1.bias, 200.0)
    observation = torch.rand(1, 1, *OBSERVATION, requires_grad=True)
    logits, value, _ = policy.step(observation, policy.initial_memory())
    (logits.sum() + value.sum()).backward()
    assert observation.grad is not None
    assert bool(torch.isfinite(observation.grad).all())
