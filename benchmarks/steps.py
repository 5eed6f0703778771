"""Time of the steps around the engine: playing, scoring, collecting and rendering, without start-up."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cases import CLIP, CONFIG, EPISODE, POLICY, SPECS
from searchlight.agents.rollout import play_episode
from searchlight.clips.collect import collect_clip
from searchlight.clips.draw import Style
from searchlight.clips.render import render_gameplay, render_method
from searchlight.config.video import Video
from searchlight.config.views import LAYERS
from searchlight.saliency.perturb import perturb_block
from searchlight.saliency.plugins import check
from searchlight.saliency.score import score_block

SMALL, LARGE = 40, 360


def _ms(work: Callable[[int], Any], small: int = SMALL, large: int = LARGE) -> float:
    """Return milliseconds a frame: the slope between a small and a large piece of work, after a warm-up."""
    work(small)
    taken = []
    for count in (small, large):
        start = time.perf_counter()
        work(count)
        taken.append(time.perf_counter() - start)
    return 1e3 * (taken[1] - taken[0]) / (large - small)


def steps() -> list[dict[str, Any]]:
    """Measure each step with the notebook's method, on one thread."""
    spec, scorer = SPECS["notebook"]
    agent = {"agent": CLIP["agent"], "actions": "sample", "seed": CLIP["seed"]}
    agent |= {name: CONFIG["agents"][CLIP["agent"]][name] for name in ("env", "preprocessing")}
    about = {"clip": "demo", "method": "notebook", "scale": "frame", "notice": print}
    look = {"style": Style(**Video(**CONFIG["video"]).look()), "gain": 1, "fps": CLIP["fps"], "threads": 1}
    played = {"clip": "demo", "zoom": CONFIG["video"]["zoom"], "fps": CLIP["fps"], "threads": 1}
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stderr(io.StringIO()):
        folder = Path(name)
        for count in (SMALL, LARGE):
            perturbation = {**spec, "memory_lag": 0}
            output = folder / f"responses{count}"
            perturb_block(POLICY, EPISODE, output, perturbation=perturbation, block=0, block_size=count)

        def play(count: int) -> None:
            play_episode(POLICY, folder / "episode", **agent, max_steps=count)

        def score(count: int) -> None:
            score_block(folder / f"responses{count}", folder / f"maps{count}", scorer=check("scorer", scorer))

        def collect(count: int) -> None:
            maps, clip = [folder / f"maps{count}"], folder / f"clip{count}"
            collect_clip(EPISODE, maps, clip, frames=(0, count - 1), **about)

        def render(count: int) -> None:
            videos = {layer: folder / f"{layer}.mp4" for layer in LAYERS}
            render_method(folder / f"clip{count}", videos, **look)
            render_gameplay(EPISODE, folder / "gameplay.mp4", frames=(0, count - 1), **played)

        return [
            {"step": "rollout, a step", "ms": _ms(play, 100, 1100), "target": 1.5},
            {"step": "score and collect, a frame and method", "ms": _ms(score) + _ms(collect), "target": 2},
            {"step": "render, a frame: all videos of a clip of one method", "ms": _ms(render), "target": 10},
        ]
