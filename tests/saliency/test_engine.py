"""The engine: outputs equal those of one forward pass for each mask, on real and random networks."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.agents import real_agent
from helpers.geometry import OBSERVATION, architecture
from helpers.geometry import preprocessing as built
from helpers.project import BUNDLED
from hypothesis import given, settings
from hypothesis import strategies as st
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.networks._greydanus import GreydanusPolicy as Policy
from searchlight.agents.policy import LOGITS, Memory
from searchlight.agents.policy_file import load_policy
from searchlight.errors import SearchlightError
from searchlight.saliency import engine as engine_module
from searchlight.saliency import masks as masks_module
from searchlight.saliency.engine import Engine, Limits
from searchlight.saliency.patches import Patches
from searchlight.saliency.perturb import perturb_block
from searchlight.saliency.perturbation import Perturbation
from searchlight.saliency.whole_forwards import WholeForwards
from searchlight.store.zarr import load
from torch import Tensor, nn

Outputs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
WINDOW = {"SlidingWindow": {"window_size": [5, 5], "stride": [5, 5]}}
PERTURBERS: dict[str, Any] = {
    "window": {"SlidingWindow": {"window_size": [9, 7], "stride": [19, 17]}},
    "small radial": {"SlidingRadial": {"radius": [2, 1], "stride": [23, 19], "sigma": [1, 1]}},
    "wide radial": {"SlidingRadial": {"radius": [1, 1], "stride": [20, 20], "sigma": [5, 5]}},
    "rise": {"RISEGrid": {"n": 12, "s": 6, "p1": 0.5, "seed": 2}},
    "random": {"RandomGrid": {"n": 8, "s": [9, 12], "p1": 0.7, "seed": 2}},
}
FILLS = {"screen": [0, 90, [250, 0, 128], {"blur": 3}], "observation": [0, 0.7, {"blur": 3}]}


def random_policy(
    cell: str, channels: tuple[int, ...] = (1, 32, 32, 32, 32), actions: int = 4, kernel: int = 3
) -> Policy:
    torch.manual_seed(len(channels) * actions)
    return Policy(architecture(cell, channels, kernel, 256, actions)).eval().requires_grad_(False)


def random_memory(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: 0.5 * torch.randn(array.shape) for name, array in policy.initial_memory().items()}


def both(policy: Policy, perturbation: Perturbation, screen: np.ndarray) -> tuple[Outputs, Outputs]:
    """Return the outputs by the engine, and by one forward pass for each mask."""
    frame, memory = perturbation.preprocessing.prepare(screen[None]), random_memory(policy)
    observation, found = frame.observation, list(perturbation.patches(screen[None], frame))
    with torch.inference_mode():
        engine = Engine(policy, OBSERVATION)
        ours = engine.respond(engine.reference(observation), memory, found, len(perturbation.masks))
        plain = WholeForwards(policy, batch=1).respond(observation, memory, found, len(perturbation.masks))
    return ours, plain


def assert_same(ours: Outputs, plain: Outputs) -> None:
    scale = max(1.0, float(np.abs(plain[0]).max()))
    for one, other in zip(ours, plain, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * scale)


def screens(episode_path: Path) -> np.ndarray:
    with load(episode_path) as episode:
        return episode.read("frame", slice(60, 130, 30))


@pytest.mark.parametrize("perturber", PERTURBERS)
@pytest.mark.parametrize("space", FILLS)
@pytest.mark.parametrize("preprocessing", ["cv2", "imresize"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_outputs_equal_one_forward_pass_for_each_mask(
    cell: str, preprocessing: str, space: str, perturber: str, episode_path: Path
) -> None:
    policy = random_policy(cell)
    # imresize uses fewer fills, because it prepares whole screens, which is slow.
    fills = FILLS[space] if preprocessing == "cv2" else FILLS[space][::-2]
    for fill, screen in zip(fills, [*screens(episode_path)] * 2, strict=False):
        spec = {"space": space, "stack": "all", "perturber": PERTURBERS[perturber], "fill": fill}
        assert_same(*both(policy, Perturbation(spec, built(preprocessing)), screen))


@pytest.mark.parametrize(
    "agent",
    ["bundled", *(pytest.param(f"breakout-v4.model.{n}.tar", marks=pytest.mark.slow) for n in (40, 80))],
)
def test_outputs_of_real_agents_equal_whole_forwards(agent: str, episode_path: Path, tmp_path: Path) -> None:
    source = "bundled:breakout" if agent == "bundled" else str(real_agent(agent))
    fetch_checkpoint(source, None, None, BUNDLED, tmp_path / "policy", print)
    policy = load_policy(tmp_path / "policy")
    for spec in (
        {"space": "screen", "stack": "all", "perturber": WINDOW, "fill": 0},
        {"space": "observation", "stack": "all", "perturber": PERTURBERS["wide radial"], "fill": {"blur": 3}},
    ):
        perturbation = Perturbation(spec, built("cv2"))
        for screen in screens(episode_path):
            assert_same(*both(policy, perturbation, screen))


@settings(max_examples=40, deadline=None)
@given(
    top=st.integers(0, 79),
    left=st.integers(0, 79),
    height=st.integers(1, 45),
    width=st.integers(1, 45),
    channels=st.sampled_from([(1, 4), (1, 8, 8), (1, 3, 5, 7), (1, 32, 32, 32, 32), (1, 4, 4, 4, 4, 4)]),
    kernel=st.sampled_from([1, 2, 3, 5]),
    cell=st.sampled_from(["lstm", "gru"]),
)
def test_box_at_any_place_is_exact(
    top: int, left: int, height: int, width: int, channels: tuple[int, ...], kernel: int, cell: str
) -> None:
    """Boxes lie at any border and corner; networks have any number of layers and any kernel."""
    policy = random_policy(cell, channels, actions=6, kernel=kernel)
    generator = np.random.default_rng(top * 80 + left)
    screen = generator.integers(0, 256, (210, 160, 3)).astype(np.uint8)
    mask = np.ones((80, 80), np.float32)
    mask[top : top + height, left : left + width] = 0
    perturbation = one_mask(mask)
    assert_same(*both(policy, perturbation, screen))


class Stacked(nn.Module):
    """A factored network of any convolutions, with ReLU, a dense layer and heads."""

    actions, output, activation = 3, LOGITS, "relu"

    def __init__(self, channels: list[int], kernels: list[int], strides: list[int], shape: tuple[int, int]) -> None:
        super().__init__()
        layers = zip(pairwise(channels), kernels, strides, strict=True)
        self.convolutions = nn.ModuleList([nn.Conv2d(*one, kernel, stride) for one, kernel, stride in layers])
        with torch.inference_mode():
            features = self.features(torch.zeros(1, channels[0], *shape)).shape[1]
        self.dense, self.heads = nn.Linear(features, 6), nn.Linear(6, 4)

    def features(self, observation: Tensor) -> Tensor:
        for convolution in self.convolutions:
            observation = torch.relu(convolution(observation))
        return observation.flatten(1)

    @property
    def product(self) -> tuple[Tensor, Tensor]:
        return self.dense.weight, self.dense.bias

    def initial_memory(self) -> dict[str, Tensor]:
        return {}

    def decide(
        self, product: torch.Tensor, memory: Memory
    ) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        heads = self.heads(torch.relu(product))
        return heads[:, :3], heads[:, 3], {}

    def step(
        self, observation: torch.Tensor, memory: Memory
    ) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        return self.decide(self.dense(self.features(observation)), memory)


@settings(max_examples=60, deadline=None)
@given(
    inputs=st.integers(1, 8),
    changing=st.integers(1, 8),
    widths=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    kernels=st.lists(st.integers(1, 8), min_size=3, max_size=3),
    strides=st.lists(st.integers(1, 4), min_size=3, max_size=3),
    height=st.integers(40, 60),
    width=st.integers(40, 60),
    corner=st.tuples(st.integers(0, 31), st.integers(0, 31)),
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    cost=st.sampled_from([0, engine_module.BOX_COST, 1e9]),
)
def test_stacks_are_exact_where_all_or_newest_channels_change(
    inputs: int,
    changing: int,
    widths: list[int],
    kernels: list[int],
    strides: list[int],
    height: int,
    width: int,
    corner: tuple[int, int],
    size: tuple[int, int],
    cost: float,
) -> None:
    depth, shape = len(widths), (height, width)
    for kernel, stride in zip(kernels, strides, strict=False):
        depth -= min(shape) < kernel
        shape = tuple((side - kernel) // stride + 1 for side in shape)
    torch.manual_seed(inputs + height)
    rng = np.random.default_rng(changing + width)
    sides = [max(1, min(side, limit - start)) for side, limit, start in zip(size, (height, width), corner, strict=True)]
    depth = max(1, depth)
    policy = Stacked([inputs, *widths[:depth]], kernels[:depth], strides[:depth], (height, width)).eval()
    policy.requires_grad_(False)
    observation = rng.random((height, width, inputs), np.float32)
    boxes = np.array([[corner[0], corner[0] + sides[0], corner[1], corner[1] + sides[1]]] * 2)
    values = rng.random((2, *sides, min(changing, inputs)), np.float32)
    found = [Patches(observation, np.array([0, 2]), boxes, boxes[:, ::2], values)]
    # Patches of the whole observation, of which some change but a part of it.
    whole = rng.random((4, height, width, inputs), np.float32)
    whole[1] = observation
    whole[1, -5:, :7] = 0.5
    large = np.array([[0, height, 0, width], [height - 5, height, 0, 7], *[[0, height, 0, width]] * 2])
    found.append(Patches(observation, np.arange(3, 7), large, np.zeros((4, 2), np.int64), whole))
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_module, "BOX_COST", cost)
        engine = Engine(policy, (height, width))
        ours = engine.respond(engine.reference(observation), {}, found, 7)
        plain = WholeForwards(policy, batch=3).respond(observation, {}, found, 7)
    assert_same(ours, plain)
    np.testing.assert_array_equal(ours[0][1], ours[2])


def one_mask(mask: np.ndarray, fill: float = 0.3) -> Perturbation:
    """Return a perturbation of the observation by one given mask."""
    from searchlight.saliency import perturbation as module

    spec = {"space": "observation", "stack": "all", "perturber": {}, "fill": fill}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "masks_of", lambda *_: masks_module.Masks(iter([mask]), mask.shape))
        return Perturbation(spec, built("cv2"))


def test_network_of_one_layer_takes_masks_of_many_sizes(episode_path: Path) -> None:
    spec = {"space": "observation", "stack": "all", "perturber": PERTURBERS["wide radial"], "fill": 0.5}
    assert_same(*both(random_policy("gru", (1, 8)), Perturbation(spec, built("cv2")), screens(episode_path)[0]))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_masks_without_change_take_reference_exactly(cell: str) -> None:
    screen = np.zeros((210, 160, 3), np.uint8)
    screen[100:106, 50:60] = 200
    policy = random_policy(cell)
    for spec in (
        {"space": "screen", "stack": "all", "perturber": WINDOW, "fill": 0},
        {"space": "observation", "stack": "all", "perturber": PERTURBERS["small radial"], "fill": {"blur": 2}},
    ):
        perturbation = Perturbation(spec, built("cv2"))
        frame = perturbation.preprocessing.prepare(screen[None])
        touched = {int(mask) for found in perturbation.patches(screen[None], frame) for mask in found.masks}
        logits, value, reference_logits, reference_value = both(policy, perturbation, screen)[0]
        untouched = sorted(set(range(len(perturbation.masks))) - touched)
        assert untouched
        assert touched
        assert (logits[untouched] == reference_logits).all()
        assert (value[untouched] == reference_value).all()


def test_small_changes_go_by_boxes_and_large_ones_by_network(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = random_policy("lstm")
    perturbation = one_mask(np.zeros((80, 80), np.float32), fill=0)
    taken: list[str] = []
    for name in ("_by_boxes", "_by_network"):
        original = getattr(Engine, name)
        monkeypatch.setattr(Engine, name, lambda *given, f=original, n=name: (taken.append(n), f(*given))[1])
    # A black fill of the whole picture changes only pixels that are not black.
    for spot in (6, 150):
        screen = np.zeros((210, 160, 3), np.uint8)
        screen[40 : 40 + spot, 4 : 4 + spot] = 90
        assert_same(*both(policy, perturbation, screen))
    assert taken == ["_by_boxes", "_by_network"]


def test_blur_of_flat_area_changes_nothing() -> None:
    screen = np.full((210, 160, 3), 77, np.uint8)
    spec = {"space": "observation", "stack": "all", "perturber": PERTURBERS["wide radial"], "fill": {"blur": 3}}
    perturbation = Perturbation(spec, built("cv2"))
    assert not list(perturbation.patches(screen[None], perturbation.preprocessing.prepare(screen[None])))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("perturber", PERTURBERS)
def test_gpu_outputs_equal_cpu_outputs(perturber: str, episode_path: Path) -> None:
    policy = random_policy("gru")
    perturbation = Perturbation(
        {"space": "observation", "stack": "all", "perturber": PERTURBERS[perturber], "fill": 0.4}, built("cv2")
    )
    screen = screens(episode_path)[0]
    frame, memory = perturbation.preprocessing.prepare(screen[None]), random_memory(policy)
    observation, found = frame.observation, list(perturbation.patches(screen[None], frame))
    with torch.inference_mode():
        plain = WholeForwards(policy, batch=1).respond(observation, memory, found, len(perturbation.masks))
        engine = Engine(policy.to("cuda"), OBSERVATION)
        assert_same(engine.respond(engine.reference(observation), memory, found, len(perturbation.masks)), plain)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_missing_gpu_is_one_line(policy_path: Path, episode_path: Path, tmp_path: Path) -> None:
    spec = {"space": "screen", "stack": "all", "perturber": WINDOW, "fill": 0, "memory_lag": 0}
    with pytest.raises(SearchlightError, match=r"^config: device: found 'cuda', but .* sees no GPU here, allowed: cpu"):
        perturb_block(
            policy_path, episode_path, tmp_path / "out", perturbation=spec, block=0, block_size=2, device="cuda"
        )
    assert not list(tmp_path.iterdir())


def test_convolution_without_bias_is_supported(episode_path: Path) -> None:
    policy = random_policy("gru", (1, 8, 8))
    for convolution in policy.convolutions:
        convolution.bias = None
    perturbation = Perturbation({"space": "screen", "stack": "all", "perturber": WINDOW, "fill": 0}, built("cv2"))
    assert_same(*both(policy, perturbation, screens(episode_path)[0]))


@pytest.mark.parametrize("limits", [Limits(masks=7, numbers=2**18, batch=8), Limits(512, 1, 3)], ids=str)
@pytest.mark.parametrize("perturber", ["window", "wide radial", "rise"])
def test_work_limits_change_no_result(
    limits: Limits, perturber: str, episode_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engine_module.LIMITS, "cpu", limits)
    perturbation = Perturbation(
        {"space": "observation", "stack": "all", "perturber": PERTURBERS[perturber], "fill": 0.4}, built("cv2")
    )
    assert_same(*both(random_policy("lstm"), perturbation, screens(episode_path)[0]))


def test_outputs_do_not_depend_on_earlier_frames(episode_path: Path) -> None:
    policy = random_policy("lstm")
    memory = random_memory(policy)
    perturbation = Perturbation({"space": "screen", "stack": "all", "perturber": WINDOW, "fill": 0}, built("cv2"))
    count = len(perturbation.masks)

    def respond(engine: Engine, screen: np.ndarray) -> Outputs:
        frame = perturbation.preprocessing.prepare(screen[None])
        return engine.respond(
            engine.reference(frame.observation), memory, perturbation.patches(screen[None], frame), count
        )

    used, (first, second, _) = Engine(policy, OBSERVATION), screens(episode_path)
    with torch.inference_mode():
        respond(used, first)
        for one, other in zip(respond(used, second), respond(Engine(policy, OBSERVATION), second), strict=True):
            np.testing.assert_array_equal(one, other)
