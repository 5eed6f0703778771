"""Gradients: against plain restatements by autograd, and against captum, on small random networks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from helpers.geometry import architecture
from helpers.networks import new_nature, policy_of
from searchlight import registry
from searchlight.agents.networks._greydanus import GreydanusPolicy
from searchlight.agents.policy import Policy
from searchlight.errors import SearchlightError
from searchlight.saliency import gradients
from searchlight.saliency.explained import Explained
from searchlight.saliency.gradients import grad_cam, smoothgrad
from torch import Tensor, nn

Memory = dict[str, Tensor]
# Of a network with memory and one picture, and of one without memory and with four.
NETWORKS = ("greydanus", "nature")
SPECS: dict[str, dict[str, Any]] = {
    "gradient": {},
    "gradient_x_input": {},
    "smoothgrad": {"sigma": 0.2, "samples": 5, "seed": 3},
    # No step is halved with such an error.
    "integrated_gradients": {"base": 0, "steps": 20, "error": 1e9},
}


def network(name: str) -> tuple[Any, Tensor, Memory]:
    """Return a small random network, an observation (channel, height, width), and a memory."""
    torch.manual_seed(5)
    if name == "greydanus":
        sizes = architecture("lstm", channels=(1, 3, 4), kernel=3, hidden=6, actions=4, side=20)
        policy = GreydanusPolicy(sizes).eval().requires_grad_(False)
        memory = {part: torch.randn(1, 6) for part in ("h", "c")}
        return policy, torch.rand(1, 20, 20), memory
    policy = policy_of(new_nature({"sb3": {"size": 60}}, (210, 160), 5), network="nature")
    return policy, torch.rand(4, 60, 60), {}


def explain(spec: dict[str, Any], explained: Explained, observation: Tensor, base: Tensor, padding: int = 0) -> Tensor:
    """Return the attributions of a member, (number, channel, height, width)."""
    chosen = registry.choose(gradients.FOLDER, spec)
    scene = gradients.Scene(observation, explained, padding, lambda: base)
    found: Tensor = chosen.module.attributions(scene, chosen.arguments)
    return found


def plain(policy: Policy, memory: Memory, action: int | None, observation: Tensor) -> Tensor:
    """Return the gradient of an action's advantage, or of the value, by one pass and one backward."""
    given = observation.clone().requires_grad_()
    outputs, value, _ = policy.step(given[None], memory)
    number = value[0] if action is None else outputs[0, action] - outputs[0].mean()
    number.backward()
    assert given.grad is not None
    return given.grad


def restated(name: str, gradient: Any, observation: Tensor, base: Tensor) -> Tensor:
    """Return the attributions of one number as papers state them, from its gradient at any observation."""
    if name == "smoothgrad":
        noise = np.random.default_rng(3).standard_normal((5, *observation.shape), np.float32)
        return sum(gradient(observation + 0.2 * torch.from_numpy(one)) for one in noise) / 5
    if name == "integrated_gradients":
        shares = [(step + 0.5) / 20 for step in range(20)]
        mean = sum(gradient(base + share * (observation - base)) for share in shares) / 20
        return mean * (observation - base)
    return gradient(observation) * (observation if name == "gradient_x_input" else 1)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_attributions_are_those_of_a_plain_restatement(kind: str, name: str) -> None:
    policy, observation, memory = network(kind)
    base = torch.full_like(observation, 0.3)
    actions = list(range(policy.actions))
    found = explain({name: SPECS[name]}, Explained(policy, memory, actions), observation, base)
    assert found.shape == (policy.actions + 1, *observation.shape)
    for row, action in enumerate([*actions, None]):
        expected = restated(name, partial(plain, policy, memory, action), observation, base)
        torch.testing.assert_close(found[row], expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()) + 1e-9)


class Scalars(nn.Module):
    """A network as captum takes it: the advantages and the value of observations."""

    def __init__(self, policy: Any, memory: Memory) -> None:
        super().__init__()
        self.policy, self.memory = policy, memory
        self.activation = {"elu": nn.ELU(), "relu": nn.ReLU()}[policy.activation]

    def forward(self, observations: Tensor) -> Tensor:
        for convolution in self.policy.convolutions[:-1]:
            observations = self.activation.forward(convolution(observations))  # not seen by captum's hooks
        features = self.activation(self.policy.convolutions[-1](observations)).flatten(1)
        product = nn.functional.linear(features, *self.policy.product)
        outputs, value, _ = self.policy.decide(product, self.memory)
        return torch.cat([outputs - outputs.mean(dim=1, keepdim=True), value[:, None]], dim=1)


def close(found: Tensor, expected: Tensor) -> None:
    expected = expected.detach()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("target", [1, -1], ids=["advantage", "value"])
def test_gradients_equal_captum_s(kind: str, target: int) -> None:
    attr = pytest.importorskip("captum.attr")
    policy, observation, memory = network(kind)
    base, scalars = torch.full_like(observation, 0.3), Scalars(policy, memory)
    given, target = observation[None].clone().requires_grad_(), target % (policy.actions + 1)
    explained = Explained(policy, memory, list(range(policy.actions)))

    def found(name: str) -> Tensor:
        return explain({name: SPECS.get(name, {})}, explained, observation, base)[target]

    close(found("gradient"), attr.Saliency(scalars).attribute(given, target=target, abs=False)[0])
    close(found("gradient_x_input"), attr.InputXGradient(scalars).attribute(given, target=target)[0])
    integrated = attr.IntegratedGradients(scalars)
    steps = {"n_steps": 20, "method": "riemann_middle"}
    close(found("integrated_gradients"), integrated.attribute(given, base[None], target=target, **steps)[0])
    layer = attr.LayerGradCam(scalars, scalars.activation)
    cells = layer.attribute(given, target=target, relu_attributions=True)[0, 0]
    cam = explain({"grad_cam": {}}, explained, observation, base)[target, 0]
    rows, columns = (
        torch.from_numpy(grad_cam.spread(length, centres))
        for length, centres in zip(
            observation.shape[1:], grad_cam.centres_of(policy.convolutions, cells.shape), strict=True
        )
    )
    assert cells.any()
    close(cam, rows @ cells @ columns.T)


@pytest.mark.parametrize("kind", NETWORKS)
def test_integrated_gradients_sum_to_the_difference_from_the_base(kind: str) -> None:
    policy, observation, memory = network(kind)
    base, actions = torch.full_like(observation, 0.3), list(range(policy.actions))
    explained = Explained(policy, memory, actions)
    before, after = explained.values(torch.stack([base, observation]))

    def errors(**arguments: float) -> Tensor:
        found = explain({"integrated_gradients": {"base": 0, **arguments}}, explained, observation, base)
        return (found.sum(dim=(1, 2, 3)) / (after - before) - 1).abs()

    assert (errors() < 0.01).all()
    assert (errors(error=0.003) < 0.003).all()
    assert (errors(steps=1, error=1e9) > 0.01).any(), "or nothing is tested"


def test_noise_is_the_same_at_every_frame_and_differs_by_seed() -> None:
    first, again, other = (smoothgrad.noise_of(seed, (2, 1, 3, 3)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


@pytest.mark.parametrize("name", [*SPECS, "grad_cam"])
def test_pictures_that_are_not_there_get_no_map(name: str) -> None:
    """A young stack begins with zeros, to which neither a base nor noise is added."""
    policy, observation, memory = network("nature")
    observation[:2] = 0
    seen: list[Tensor] = []
    step = policy.step

    def watched(observations: Tensor, memory: Memory) -> Any:
        seen.append(observations.detach())
        return step(observations, memory)

    policy.step = watched
    base = torch.full_like(observation, 0.3)
    base[:2] = 0
    found = explain({name: SPECS.get(name, {})}, Explained(policy, memory, [0], 2), observation, base, padding=2)
    assert found.any()
    if name != "grad_cam":
        assert not found[:, :2].any()
        assert found[:, 2:].any()
    assert not any(some[:, :2].any() for some in seen)


def test_a_level_that_all_outputs_share_changes_nothing() -> None:
    policy, observation, memory = network("greydanus")
    spec = {"gradient": {}}
    before = explain(spec, Explained(policy, memory, [2]), observation, observation)
    step = policy.step
    policy.step = lambda given, held: (step(given, held)[0] + 9 * given.sum(), *step(given, held)[1:])
    after = explain(spec, Explained(policy, memory, [2]), observation, observation)
    torch.testing.assert_close(before, after, rtol=1e-3, atol=1e-4 * float(before.abs().max()))


@pytest.mark.parametrize("kind", NETWORKS)
def test_cells_of_grad_cam_lie_at_the_centres_of_what_they_see(kind: str) -> None:
    policy, observation, _ = network(kind)
    given = torch.zeros_like(observation)[None].requires_grad_()
    cells = given
    for convolution in policy.convolutions:
        cells = torch.nn.functional.conv2d(
            cells, torch.ones_like(convolution.weight), None, convolution.stride, convolution.padding
        )
    rows, columns = grad_cam.centres_of(policy.convolutions, cells.shape[2:])
    height, width = cells.shape[2:]
    # A cell in the middle sees no margin. The pixels that it sees are weighted evenly around its centre.
    row, column = height // 2, width // 2
    (seen,) = torch.autograd.grad(cells[0, 0, row, column], given)
    weights = seen[0, 0].numpy().astype(np.float64)
    assert np.average(np.arange(weights.shape[0]), weights=weights.sum(axis=1)) == pytest.approx(rows[row])
    assert np.average(np.arange(weights.shape[1]), weights=weights.sum(axis=0)) == pytest.approx(columns[column])


def test_cells_are_spread_linearly_and_kept_beyond_the_outermost() -> None:
    weights = grad_cam.spread(8, np.array([1.0, 5.0]))
    np.testing.assert_allclose(weights[:, 0], [1, 1, 0.75, 0.5, 0.25, 0, 0, 0])
    np.testing.assert_allclose(weights.sum(axis=1), 1)


class Own(nn.Module):
    """A network that is none of the known ones, with a way to break it."""

    actions, output = 3, None

    def __init__(self, breaks: str = "") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.breaks = nn.Linear(4, 4), breaks
        self.requires_grad_(False)

    def step(self, observation: Tensor, memory: Memory) -> tuple[Tensor, Tensor, Memory]:
        given = observation.flatten(1)
        if self.breaks == "everything":
            given = given.detach()
        answer = torch.tanh(self.layer(given))
        value = answer[:, 3]
        if self.breaks == "value":
            value = value.detach()
        if self.breaks == "no critic":
            value = torch.zeros(len(observation))
        if self.breaks == "a root":
            value = (value - value).sqrt()
        if self.breaks == "in place":
            answer[:, 0] += 1
        return answer[:, :3], value, {}


def of_own(breaks: str, spec: Sequence[str] = ("gradient",)) -> Tensor:
    observation = torch.rand(1, 2, 2)
    return explain({spec[0]: {}}, Explained(Own(breaks), {}, [0]), observation, observation)


def test_own_network_is_explained_too() -> None:
    assert of_own("").any(dim=1).any(dim=1).any(dim=1).all()


def test_network_without_critic_has_a_map_of_zeros() -> None:
    actor, critic = of_own("no critic")
    assert actor.any()
    assert not critic.any()


@pytest.mark.parametrize(
    ("breaks", "line"),
    [
        ("everything", "found outputs without a gradient, allowed: operations of torch with gradients"),
        ("value", "found a value without a gradient"),
        ("in place", "found one of the variables needed for gradient computation has been modified"),
        ("a root", "found a gradient that is no finite number"),
    ],
)
def test_network_without_gradient_is_one_line(breaks: str, line: str) -> None:
    with pytest.raises(SearchlightError) as caught:
        of_own(breaks)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_grad_cam_needs_known_convolutions() -> None:
    with pytest.raises(
        SearchlightError, match=r"^found a network whose last convolution is not known, allowed: another gradient"
    ):
        of_own("", ["grad_cam"])
