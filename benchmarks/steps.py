"""What the steps around the engine cost: playing, scoring, collecting and rendering, without their start-up."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cases import CLIP, CONFIG, EPISODE, POLICY, SPECS
from searchlight.clip import collect_clip
from searchlight.layers import LAYERS
from searchlight.plugins import check
from searchlight.render import Style, render_gameplay, render_method
from searchlight.responses import perturb_block
from searchlight.rollout import play_episode
from searchlight.scoring import score_block

FRAMES = 320


def _ms(work: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start) / count


def steps() -> list[dict[str, Any]]:
    """Measure each step on ``FRAMES`` frames of the notebook's method, one thread, after a first small go."""
    spec, scorer = SPECS["notebook"]
    agent = {"agent": CLIP["agent"], "actions": "sample", "seed": CLIP["seed"]}
    agent |= {name: CONFIG["agents"][CLIP["agent"]][name] for name in ("env", "preprocessing")}
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stderr(io.StringIO()):
        folder = Path(name)

        def play(count: int) -> None:
            play_episode(POLICY, folder / "episode", **agent, max_steps=count)

        play(20)
        found = [{"step": "rollout, a step", "ms": _ms(lambda: play(1000), 1000), "target": 1.5}]
        blocks = range(2)
        perturbation = {**spec, "memory_lag": 0}
        for block in blocks:
            perturb_block(
                POLICY,
                EPISODE,
                folder / f"responses{block}",
                perturbation=perturbation,
                block=block,
                block_size=FRAMES // 2,
            )

        def score() -> None:
            for block in blocks:
                score_block(folder / f"responses{block}", folder / f"maps{block}", scorer=check("scorer", scorer))

        def collect() -> None:
            maps = [folder / f"maps{block}" for block in blocks]
            collect_clip(
                EPISODE, maps, folder / "clip", clip="demo", frames=(0, FRAMES - 1), method="occlusion", scale="frame"
            )

        score()
        both = _ms(score, FRAMES) + _ms(collect, FRAMES)
        found.append({"step": "score and collect, a frame and method", "ms": both, "target": 2})
        video = {"zoom": CONFIG["video"]["zoom"], "fps": CLIP["fps"], "threads": 1}
        videos = {layer: folder / f"{layer}.mp4" for layer in LAYERS}
        look = {"style": Style(**CONFIG["video"]), "gain": 1, "fps": CLIP["fps"], "threads": 1}

        def render() -> None:
            render_method(folder / "clip", videos, **look)
            render_gameplay(EPISODE, folder / "gameplay.mp4", clip="demo", frames=(0, FRAMES - 1), **video)

        found.append(
            {
                "step": "render, a frame: all videos of a clip of one method",
                "ms": _ms(render, FRAMES),
                "target": 10,
            }
        )
    return found
