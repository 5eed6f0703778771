"""A clip's videos: the game, with the saliency of the actor and the critic drawn on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import numpy as np

from searchlight.clips.compose import Caption, compose
from searchlight.clips.draw import Style, draw_layers, draw_signed_layers, on_screen
from searchlight.clips.encode import Encoder
from searchlight.config.views import LAYERS
from searchlight.saliency.maps import MAPS
from searchlight.store.blocks import frames_of_clip, runs, scores_before
from searchlight.store.zarr import Reader, load

RUN_FRAMES = 64


def render_method(
    clip_path: str | Path,
    outputs: Mapping[str, str | Path],
    *,
    style: Style,
    gain: float,
    fps: float,
    threads: int = 1,
) -> None:
    """Write the videos of a clip by one method.

    Args:
        clip_path: store written by ``searchlight.clips.collect``.
        outputs: path of the video of each of ``LAYERS``.
        style: appearance of the videos.
        gain: factor of the maps.
        fps: frames per second.
        threads: number of the encoder's threads.
    """
    with ExitStack() as stack:
        clip = stack.enter_context(load(clip_path))
        encoders = {layer: stack.enter_context(Encoder(outputs[layer], fps, threads)) for layer in LAYERS}
        length, height, width, _ = clip.shape("frame")

        def shown(saliency: np.ndarray) -> np.ndarray:
            return on_screen(saliency, (height, width), clip.attributes["seen"], gain, style.gamma)

        signed = clip.attributes["signed"]

        def pictures(frame: np.ndarray, actor: np.ndarray, critic: np.ndarray) -> dict[str, np.ndarray]:
            if not signed:
                return draw_layers(frame, shown(actor), shown(critic), style)
            return draw_signed_layers(frame, (shown(actor), shown(-actor)), (shown(critic), shown(-critic)), style)

        scores, steps = clip.read("score"), clip.read("time")
        shares = {layer: _shares(clip.read(f"{layer}_peak")) for layer in MAPS}
        for rows in runs(0, length, RUN_FRAMES):
            frames, actor, critic = (clip.read(name, rows) for name in ("frame", "actor", "critic"))
            captions = _captions(clip, rows, steps[rows], scores[rows])
            drawn = [
                pictures(frame, actor_map, critic_map)
                for frame, actor_map, critic_map in zip(frames, actor, critic, strict=True)
            ]
            # Each encoder takes a whole run of frames, so that its data stays in the processor's cache.
            for layer, encoder in encoders.items():
                for index, (panels, caption) in enumerate(zip(drawn, captions, strict=True), start=rows.start):
                    labels = _labels(layer, {name: share[index] for name, share in shares.items()}, signed)
                    encoder.add(compose(panels[layer], caption, labels, style.zoom))


def _shares(peaks: np.ndarray) -> np.ndarray:
    """Return each frame's largest saliency as a share of the clip's, (frame,); zeros if all maps are zero."""
    return peaks / (peaks.max() or 1)


def _labels(layer: str, shares: Mapping[str, float], signed: bool) -> list[str]:
    """Return the texts on the right of each part of a video's strip; ± says that maps have a sign."""
    sign = "± " if signed else ""
    texts = {
        name: f"{name} {sign}{'<1' if 0 < share < 0.01 else round(100 * share)} %" for name, share in shares.items()
    }
    return {"both": ["  ".join(texts.values())], "side-by-side": list(texts.values())}.get(layer) or [texts[layer]]


def render_gameplay(
    episode_path: str | Path,
    output: str | Path,
    *,
    clip: str,
    frames: tuple[int, int | Literal["end"]],
    zoom: int,
    fps: float,
    threads: int = 1,
) -> None:
    """Write the video of a clip's frames without maps.

    Args:
        episode_path: store written by ``searchlight.agents.rollout``.
        output: path of the video.
        clip: name of the clip in the config.
        frames: first and last frame, both included; ``end`` is the episode's last.
        zoom: side of the square that each pixel of the screen becomes, in pixels.
        fps: frames per second.
        threads: number of the encoder's threads.

    Raises:
        SearchlightError: the episode is shorter than the clip.
    """
    with load(episode_path) as episode:
        wanted = frames_of_clip(clip, frames, episode.shape("frame")[0])
        scores = scores_before(episode.read("reward", slice(0, wanted.stop)), wanted)
        with Encoder(output, fps, threads) as encoder:
            for rows in runs(wanted.start, wanted.stop, RUN_FRAMES):
                screens = episode.read("frame", rows)
                steps = range(rows.start, rows.stop)
                some = scores[rows.start - wanted.start : rows.stop - wanted.start]
                captions = _captions(episode, rows, steps, some)
                for screen, caption in zip(screens, captions, strict=True):
                    encoder.add(compose(screen, caption, [episode.attributes["agent"]], zoom))


def _captions(store: Reader, rows: slice, steps: Iterable[int], scores: Iterable[float]) -> list[Caption]:
    meanings = store.attributes["action_meanings"]
    actions, values = store.read("action", rows), store.read("value", rows)
    return [
        Caption(int(step), float(score), meanings[action], float(value))
        for step, score, action, value in zip(steps, scores, actions, values, strict=True)
    ]
