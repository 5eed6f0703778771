"""How much agents rely on memory and stacks: bundled agents against plain restatements, and agents with neither."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.files import edit_store
from helpers.played import Played, play
from matplotlib.figure import Figure
from pydantic import ValidationError
from searchlight.agents import preprocessings
from searchlight.agents.policy import LOGITS, Q_VALUES, channels_first
from searchlight.clips.measure_clip import write_measured
from searchlight.errors import SearchlightError
from searchlight.measures import Measured, Results, Scene, memory
from searchlight.saliency.recorded import Recorded
from searchlight.store.zarr import load

STEPS = 40


@pytest.fixture(scope="module")
def breakout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """An agent with a memory, and no stack."""
    with play("breakout", tmp_path_factory.mktemp("breakout"), STEPS) as played:
        yield played


@pytest.fixture(scope="module")
def pong(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """An agent with a stack, which begins with zeros, and no memory."""
    with play("pong", tmp_path_factory.mktemp("pong"), STEPS) as played:
        yield played


def curves(measured: Measured) -> dict[str, np.ndarray]:
    """Return the curves by their names on pages."""
    return {variable.attributes["curve"]: variable.data for variable in measured.variables.values()}


def softmax(logits: torch.Tensor) -> torch.Tensor:
    return torch.softmax(logits.double(), dim=-1)


def test_scaled_memory_of_breakout_is_restated_from_the_episode_s_store(breakout: Played) -> None:
    measured = memory.of_clip(breakout.scene(range(20, 40)), memory.Arguments(scales=(0, 0.25, 2), frames=4))
    assert measured.time == [20, 26, 33, 39]
    found = curves(measured)
    kinds = ("total variation of the policy", "change of the value")
    assert list(found) == [f"memory times {scale}: {kind}" for scale in ("0", "0.25", "2") for kind in kinds]
    preprocessing, policy = preprocessings.build("cv2", (210, 160)), breakout.policy
    screens, h, c = (breakout.episode.read(name) for name in ("frame", "memory_h", "memory_c"))
    for row, decision in enumerate(measured.time):
        seen = channels_first(preprocessing.picture(screens[decision])[None].copy())
        held = {"h": torch.from_numpy(h[decision : decision + 1]), "c": torch.from_numpy(c[decision : decision + 1])}
        logits, value, _ = policy.step(seen, held)
        np.testing.assert_allclose(logits[0], breakout.episode.read("logits")[decision], atol=1e-4)
        for scale in (0, 0.25, 2):
            after, other, _ = policy.step(seen, {name: scale * array for name, array in held.items()})
            change = 0.5 * (softmax(after) - softmax(logits)).abs().sum().item()
            assert found[f"memory times {scale}: {kinds[0]}"][row] == pytest.approx(change, abs=1e-6)
            assert found[f"memory times {scale}: {kinds[1]}"][row] == pytest.approx(
                abs((other - value).item()), abs=1e-5
            )
    assert all(array.dtype == np.float64 and array.any() for array in found.values())


def test_memory_as_it_was_changes_nothing(breakout: Played) -> None:
    found = curves(memory.of_clip(breakout.scene(range(10, 20)), memory.Arguments(scales=(1.0,), frames=3)))
    assert len(found) == 2
    assert not any(array.any() for array in found.values())


@pytest.mark.parametrize("decision", [0, 1, 2, 3, 30])
def test_frozen_stack_of_pong_is_restated_from_the_episode_s_store(pong: Played, decision: int) -> None:
    """Pictures that a young stack does not have yet stay zeros, as in all that the agent ever saw."""
    measured = memory.of_clip(pong.scene(range(decision, decision + 1)), memory.Arguments())
    found = curves(measured)
    assert list(found) == ["stack frozen: total variation of the policy", "stack frozen: change of the value"]
    preprocessing = preprocessings.build("sb3", (210, 160))
    screens = pong.episode.read("frame")
    decisions = preprocessing.decisions(decision, int(pong.episode.read("stack_begun")[decision]))
    seen = [preprocessing.picture(screens[one]) for one in decisions]
    logits, values = [], []
    for pictures in (seen, [seen[-1]] * len(seen)):
        answer, value, _ = pong.policy.step(channels_first(preprocessing.stacked(pictures)[None]), {})
        logits.append(answer)
        values.append(value.item())
    change = 0.5 * (softmax(logits[1]) - softmax(logits[0])).abs().sum().item()
    policy, value = (array.item() for array in found.values())
    assert policy == pytest.approx(change, abs=1e-6)
    assert value == pytest.approx(abs(values[1] - values[0]), abs=1e-5)
    assert (value > 0) == (decision > 3 or len({screens[one].tobytes() for one in decisions}) > 1)


class Still(Recorded):
    """The moments of an episode as if nothing had moved in their stacks, and a toy had played it."""

    policy: Any

    def moments(self, frames: range) -> Iterator[Any]:
        for moment in super().moments(frames):
            still = np.repeat(moment.screens[-1:], len(moment.screens), axis=0)
            prepared = self.preprocessing.prepare(still)
            outputs, value, _ = self.policy.step(channels_first(prepared.observation[None]), {})
            recorded = {self.given: outputs[0].numpy(), "value": value[0].numpy()}
            yield replace(moment, screens=still, prepared=prepared, outputs=recorded)


def still(scene: Scene, policy: Any) -> Scene:
    recorded = Still.__new__(Still)
    recorded.__dict__ = {**scene.recorded.__dict__, "policy": policy}
    return replace(scene, recorded=recorded, policy=policy)


def test_frozen_stack_in_which_nothing_moves_changes_nothing(pong: Played) -> None:
    for policy in (pong.policy, SimpleNamespace(initial_memory=dict, output=Q_VALUES, step=pong.policy.step)):
        found = curves(memory.of_clip(still(pong.scene(range(STEPS)), policy), memory.Arguments(frames=5)))
        assert not any(array.any() for array in found.values())
        assert any(name.endswith(": half the sum of changed advantages") for name in found) == (policy != pong.policy)


def test_agent_with_neither_is_one_line(breakout: Played) -> None:
    policy = SimpleNamespace(initial_memory=dict, output=LOGITS)
    with pytest.raises(SearchlightError) as caught:
        memory.of_clip(replace(breakout.scene(range(5)), policy=policy), memory.Arguments())
    assert str(caught.value) == (
        "clips.demo: measures: found memory for an agent with neither a memory nor a stack of pictures, allowed: an "
        "agent that has one of them"
    )


def test_episode_of_another_network_is_one_line(breakout: Played, tmp_path: Path) -> None:
    changed = edit_store(breakout.episode_path, tmp_path / "changed", "frame", lambda frames: frames[7].fill(90))
    with load(changed) as episode:
        scene = replace(breakout.scene(range(5, 9)), episode=episode, recorded=Recorded(episode))
        with pytest.raises(SearchlightError, match=r"frame 7: recorded logits differ from the policy's by ") as caught:
            memory.of_clip(scene, memory.Arguments())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("scales", "line"),
    [
        ([], "found [], allowed: a list of numbers from 0 to 1000, at least one"),
        ([-1], "found [-1], allowed: a list of numbers from 0 to 1000, at least one"),
        ([1e30], "found [1e+30], allowed: a list of numbers from 0 to 1000, at least one"),
        ([0.5, 0, 0.5], "found [0.5, 0.0, 0.5], allowed: each scale once"),
        ([1, 1.00000001], "found [1.0, 1.00000001], allowed: each scale once"),
    ],
)
def test_wrong_scales_are_one_line(scales: list[float], line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        memory.Arguments.model_validate({"scales": scales})
    (error,) = caught.value.errors()
    assert error["msg"].startswith((line, f"Value error, {line}"))


def test_largest_scale_gives_numbers(breakout: Played) -> None:
    found = curves(memory.of_clip(breakout.scene(range(30, 33)), memory.Arguments(scales=(1000,))))
    assert all(np.isfinite(array).all() for array in found.values())


def test_frames_do_not_depend_on_others(breakout: Played) -> None:
    together = curves(memory.of_clip(breakout.scene(range(20, 26)), memory.Arguments()))
    alone = curves(memory.of_clip(breakout.scene(range(22, 23)), memory.Arguments()))
    for name, array in alone.items():
        assert array[0] == together[name][2]


def test_table_and_figure_are_of_the_curves(breakout: Played, tmp_path: Path) -> None:
    arguments = memory.Arguments(frames=5)
    measured = memory.of_clip(breakout.scene(range(STEPS)), arguments)
    write_measured(tmp_path / "measured", measured, {}, print, "")
    with load(tmp_path / "measured") as store:
        results = Results(store, {})
        rows = memory.table(results, arguments)
        figure = Figure()
        memory.draw(figure, results, rows, arguments)
    assert [(row.of, row.quantity) for row in rows] == [
        (of, quantity)
        for of in ("memory times 0", "memory times 0.5")
        for quantity in ("mean total variation of the policy", "mean change of the value")
    ]
    for row, array in zip(rows, curves(measured).values(), strict=True):
        assert row.value == pytest.approx(array.mean())
        assert np.isnan(row.low), "five frames are one block"
        assert np.isfinite(row.value)
        assert (row.frames, row.is_method) == (5, False)
    assert [axes.get_ylabel() for axes in figure.axes] == ["total variation of the policy", "change of the value"]
    drawn = [line.get_ydata() for axes in figure.axes for line in axes.lines]
    by_chart = [
        measured.variables[f"memory_times_{scale}_{layer}"].data
        for layer in ("policy", "value")
        for scale in ("0", "0_5")
    ]
    np.testing.assert_array_equal(drawn, by_chart)
