"""Small real clips, made step by step without Snakemake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from searchlight.clips.collect import collect_clip
from searchlight.saliency.background import write_background
from searchlight.saliency.perturb import perturb_block
from searchlight.saliency.plugins import check
from searchlight.saliency.score import score_block

WINDOWS = {"SlidingWindow": {"window_size": [20, 20], "stride": [20, 20]}}
FRAMES = (40, 43)


def make_clip(
    policy_path: Path,
    episode_path: Path,
    folder: Path,
    perturber: dict[str, Any],
    fill: Any,
    scorer: str,
    scale: str = "frame",
) -> list[str]:
    """Make a clip of an episode's ``FRAMES``, `clip` in a folder beside what it is made from; return what was said."""
    spec = {"space": "screen", "perturber": perturber, "fill": fill, "memory_lag": 0}
    write_background(episode_path, folder / "background", window=30)
    perturb_block(
        policy_path,
        episode_path,
        folder / "responses",
        perturbation=spec,
        block=10,
        block_size=4,
        background_path=folder / "background",
    )
    score_block(folder / "responses", folder / "maps", scorer=check("scorer", scorer))
    said: list[str] = []
    about = {"clip": "demo", "frames": FRAMES, "method": "erase", "scale": scale, "notice": said.append}
    collect_clip(episode_path, [folder / "maps"], folder / "clip", **about)
    return said
