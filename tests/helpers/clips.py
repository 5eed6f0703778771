"""Clips made from an episode by the workflow's own steps, without Snakemake."""

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


def make_clip_of_screen(
    policy_path: Path,
    episode_path: Path,
    folder: Path,
    perturber: dict[str, Any],
    fill: Any,
    scorer: str,
    scale: str = "frame",
    **more: Any,
) -> tuple[Path, list[str]]:
    """Make a clip of an episode's ``FRAMES`` as ``make_clip`` does, by a perturbation of the screen."""
    write_background(episode_path, folder / "background", window=30)
    return make_clip(
        policy_path,
        episode_path,
        folder,
        perturbation={"space": "screen", "stack": "all", "perturber": perturber, "fill": fill, "memory_lag": 0},
        scorer=check("scorer", scorer),
        scale=scale,
        frames=FRAMES,
        background_path=folder / "background",
        **more,
    )


def make_clip(
    policy_path: Path,
    episode_path: Path,
    folder: Path,
    *,
    perturbation: dict[str, Any],
    scorer: dict[str, Any],
    scale: str,
    frames: tuple[int, int],
    background_path: Path | None = None,
    **more: Any,
) -> tuple[Path, list[str]]:
    """Write the stores ``responses``, ``maps`` and ``clip`` of one block; return the clip's path and the notices.

    Args:
        policy_path: the policy's file.
        episode_path: the episode's store.
        folder: where to write.
        perturbation: as in a config, complete.
        scorer: as in a config, complete.
        scale: of the method.
        frames: first and last; the first must be a multiple of their number.
        background_path: the background's store, if the perturbation needs it.
        **more: of the method, as ``score_block`` takes it.
    """
    first, last = frames
    block, rest = divmod(first, last - first + 1)
    assert rest == 0
    perturb_block(
        policy_path,
        episode_path,
        folder / "responses",
        perturbation=perturbation,
        block=block,
        block_size=last - first + 1,
        background_path=background_path,
    )
    score_block(folder / "responses", folder / "maps", scorer=scorer, **more)
    notices: list[str] = []
    collect_clip(
        episode_path,
        [folder / "maps"],
        folder / "clip",
        clip="demo",
        frames=frames,
        method="erase",
        scale=scale,
        notice=notices.append,
    )
    return folder / "clip", notices
