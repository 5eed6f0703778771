"""Backgrounds: the medians, the responses to this fill, and the objects that its maps show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from baseline import imresize, prepro
from helpers.agents import STEPS, play_bundled, real_agent
from helpers.geometry import preprocessing as built
from helpers.project import BUNDLED
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.policy_file import load_policy
from searchlight.agents.rollout import play_episode
from searchlight.saliency.background import Backgrounds, decisions, write_background
from searchlight.saliency.engine import Engine
from searchlight.saliency.perturb import perturb_block
from searchlight.saliency.perturbation import Perturbation
from searchlight.saliency.score import make_scorers
from searchlight.store.zarr import load

ERASE: dict[str, Any] = {
    "space": "screen",
    "stack": "all",
    "perturber": {"SlidingWindow": {"window_size": [8, 8], "stride": [4, 4]}},
    "fill": {"background": 200},
}
WINDOW = 8


@pytest.mark.parametrize("window", [3, 20, 60, 200, "episode"])
def test_picture_is_median_of_evenly_spaced_screens(window: int | str, episode_path: Path, tmp_path: Path) -> None:
    write_background(episode_path, tmp_path / "background", window=window)
    with load(episode_path) as episode, load(tmp_path / "background") as store:
        screens, keys, pictures = episode.read("frame"), store.read("key"), store.read("background")
        assert store.dimensions("background") == ("key", "y", "x", "channel")
    assert keys.tolist() == ([0] if window == "episode" else [0, 25, 50, 75, 100, 125])
    for key, picture in zip(keys.tolist(), pictures, strict=True):
        reach = STEPS if window == "episode" else window
        around = [index for index in range(STEPS) if abs(index - key) <= reach]
        drawn = decisions(key, STEPS, window)
        assert len(drawn) % 2 == 1
        assert len(drawn) >= min(61, len(around) - 1)
        assert (drawn[0], drawn[-1]) == (around[0], around[-1])
        assert np.ptp(np.diff(drawn)) <= 1, "evenly"
        np.testing.assert_array_equal(picture, np.median(screens[drawn], axis=0))


@pytest.mark.parametrize("length", [1, 2, 3, 60, 61, 62, 5000])
def test_screens_are_distinct_and_odd_in_number(length: int) -> None:
    for key in range(0, length, 25):
        drawn = decisions(key, length, 200)
        assert len(set(drawn)) == len(drawn) <= 61
        assert len(drawn) % 2 == 1
        assert set(drawn) <= set(range(max(0, key - 200), min(length, key + 201)))


def test_frame_takes_nearest_picture(episode_path: Path, tmp_path: Path) -> None:
    write_background(episode_path, tmp_path / "background", window=5)
    with load(tmp_path / "background") as store:
        backgrounds, pictures = Backgrounds(store), store.read("background")
        for frame, key in ((0, 0), (12, 0), (13, 1), (37, 1), (38, 2), (139, 5)):
            np.testing.assert_array_equal(backgrounds.nearest(frame), pictures[key])


@pytest.fixture(scope="module")
def episodes(policy_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Episodes of the bundled agent with each preprocessing, and their backgrounds."""
    folder = tmp_path_factory.mktemp("episodes")
    for preprocessing in ("cv2", "imresize"):
        given = {"agent": "breakout", "env": "Breakout-v0", "actions": "sampled", "seed": 3, "max_steps": 80}
        play_episode(policy_path, folder / preprocessing, preprocessing=preprocessing, **given)
        write_background(folder / preprocessing, folder / f"{preprocessing}.background", window=30)
    return {name: folder / name for name in ("cv2", "imresize")}


def observed(screen: np.ndarray, preprocessing: str, like: np.ndarray | None = None) -> np.ndarray:
    return prepro(screen) if preprocessing == "cv2" else imresize(screen, like)


@torch.inference_mode()
@pytest.mark.parametrize("preprocessing", ["cv2", "imresize"])
@pytest.mark.parametrize(("space", "size"), [("screen", 20), ("observation", 10)])
def test_responses_equal_forward_passes_of_blended_screens(
    space: str, size: int, preprocessing: str, policy_path: Path, episodes: dict[str, Path], tmp_path: Path
) -> None:
    perturber = {"SlidingWindow": {"window_size": [size, size], "stride": [size, size]}}
    spec = {"space": space, "stack": "all", "perturber": perturber, "fill": {"background": 30}, "memory_lag": 0}
    path = episodes[preprocessing]
    perturb_block(
        policy_path,
        path,
        tmp_path / "responses",
        perturbation=spec,
        block=14,
        block_size=4,
        background_path=path.with_name(f"{path.name}.background"),
    )
    policy, masks = load_policy(policy_path), Perturbation(spec, built(preprocessing)).masks
    with load(path) as episode, load(tmp_path / "responses") as responses:
        screens = episode.read("frame")
        for row, frame in enumerate(range(56, 60)):
            memory = {name: torch.from_numpy(episode.read(f"memory_{name}")[frame : frame + 1]) for name in ("h", "c")}
            # The nearest picture is that of decision 50; its window holds the 60 screens from 20 to the end.
            drawn = np.rint(np.linspace(20, 79, 59)).astype(int)
            background = np.median(screens[drawn], axis=0).astype(np.uint8)
            changed = 0
            for index, mask in enumerate(masks.dense(0, len(masks))):
                hidden = mask == 0
                if space == "screen":
                    seen = observed(np.where(hidden[..., None], background, screens[frame]), preprocessing)
                else:
                    behind = observed(background, preprocessing, like=screens[frame])
                    seen = np.where(hidden, behind, observed(screens[frame], preprocessing))
                logits, value, _ = policy.step(torch.from_numpy(seen.astype(np.float32))[None, None], memory)
                changed += (seen != observed(screens[frame], preprocessing)).any()
                ours = responses.read("logits")[row, index], responses.read("value")[row, index]
                np.testing.assert_allclose(
                    ours[0], logits[0].numpy(), rtol=0, atol=1e-4 * max(1, np.abs(ours[0]).max())
                )
                np.testing.assert_allclose(ours[1], value[0].numpy(), rtol=0, atol=1e-4 * max(1, abs(ours[1])))
            assert responses.read("effective_masks")[row] == changed
            assert 0 < changed < len(masks) / 4


@torch.inference_mode()
def maps_of(
    policy_path: Path, episode_path: Path, preprocessing: str, frames: np.ndarray, folder: Path
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return screens, RAM, actor maps and critic maps of frames, by the method `erase`."""
    write_background(episode_path, folder / "background", window=200)
    perturbation, policy = Perturbation(ERASE, built(preprocessing)), load_policy(policy_path)
    engine, score = (
        Engine(policy, perturbation.preprocessing.shape),
        make_scorers({"SquaredDifference": {}}, perturbation.masks).actor,
    )
    actor, critic = [], []
    with load(episode_path) as episode, load(folder / "background") as store:
        screens, ram = episode.read("frame"), episode.read("ram")
        memory = {name: torch.from_numpy(episode.read(f"memory_{name}")) for name in policy.initial_memory()}
        backgrounds = Backgrounds(store)
        for frame in frames.tolist():
            prepared = perturbation.preprocessing.prepare(screens[frame : frame + 1])
            logits, value, reference_logits, reference_value = engine.respond(
                engine.reference(prepared.observation),
                {name: array[frame : frame + 1] for name, array in memory.items()},
                perturbation.patches(screens[frame : frame + 1], prepared, backgrounds.nearest(frame)[None]),
                len(perturbation.masks),
            )
            actor.append(score(reference_logits[None], logits[None])[0])
            critic.append(score(reference_value[None, None], value[None, :, None])[0])
    return screens, ram.astype(int), np.stack(actor), np.stack(critic)


def box(x: int, y: int, width: int, height: int, margin: int = 0) -> tuple[slice, slice]:
    """Return a box of the screen, clipped to the rows that an agent sees."""
    rows = slice(max(35, y - margin), min(195, y + height + margin))
    return rows, slice(max(0, x - margin), min(160, x + width + margin))


@pytest.mark.slow
def test_erase_shows_ball_and_paddle_of_breakout_but_no_removed_bricks(policy_path: Path, tmp_path: Path) -> None:
    """The test uses the default clip's agent, seed and frames, and earlier frames of the same game."""
    path = tmp_path / "episode"
    # The episode continues after the clip by a background's window.
    play_bundled(policy_path, path, seed=15, max_steps=2220)
    frames = np.r_[np.linspace(60, 1700, 20).astype(int), np.arange(1720, 2020, 2)]
    screens, ram, actor, critic = maps_of(policy_path, path, "cv2", frames, tmp_path)
    ratios: dict[str, list[float]] = {"ball": [], "paddle": []}
    for frame, found in zip(frames, actor, strict=True):
        mean = found[35:195].mean()
        ball = box(ram[frame, 99] - 49, ram[frame, 101] + 9, 2, 4)
        if screens[frame][ball].any():  # the ball is in play
            ratios["ball"].append(found[ball].mean() / mean)
            ratios["paddle"].append(found[box(ram[frame, 72] - 47, 189, 16, 4)].mean() / mean)
    assert len(ratios["ball"]) >= 20
    assert np.median(ratios["ball"]) > 10
    assert np.median(ratios["paddle"]) > 10
    # Bricks in the background but not in the frame; a mask there paints them back.
    clip = slice(20, None)
    with load(tmp_path / "background") as store:
        backgrounds = np.stack([Backgrounds(store).nearest(frame) for frame in frames[clip].tolist()])
    back = backgrounds[:, 57:93].any(axis=3) & ~screens[frames[clip], 57:93].any(axis=3)
    for maps in (actor[clip], critic[clip]):
        assert maps[:, 57:93][back].sum() < 0.05 * maps.sum()


@pytest.mark.slow
def test_erase_shows_paddles_and_ball_of_pong_and_little_else(tmp_path: Path) -> None:
    fetch_checkpoint(str(real_agent("pong-v4.model.80.tar")), None, None, BUNDLED, tmp_path / "policy", print)
    play_episode(
        tmp_path / "policy",
        tmp_path / "episode",
        agent="pong",
        env="Pong-v4",
        preprocessing="imresize",
        actions="greedy",
        seed=0,
        max_steps=900,
    )
    frames = np.linspace(80, 890, 30).astype(int)
    _, ram, actor, critic = maps_of(tmp_path / "policy", tmp_path / "episode", "imresize", frames, tmp_path)
    for maps in (actor, critic):
        on_objects = []
        for frame, found in zip(frames, maps, strict=True):
            objects = np.zeros((210, 160), bool)
            objects[box(140, ram[frame, 51] - 13, 4, 16, WINDOW)] = True
            objects[box(16, ram[frame, 50] - 15, 4, 16, WINDOW)] = True
            if ram[frame, 54] and ram[frame, 49] > 49:
                objects[box(ram[frame, 49] - 49, ram[frame, 54] - 14, 2, 4, WINDOW)] = True
            if found.any():
                on_objects.append(found[objects].sum() / found.sum())
        assert len(on_objects) >= 20
        assert np.mean(on_objects) > 0.8
