"""Videos of a clip: the game, and over it what the actor and the critic look at.

A map is added to the screen as a colour, saturating (the XAITK notebook lets bright pixels wrap around to dark).
Every pixel of the screen becomes a square of ``zoom`` pixels, and a strip above says the step, the score, the action
and the value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange
from PIL import Image, ImageDraw, ImageFont

from searchlight.blocks import check_frames, runs, scores_before
from searchlight.files import seal, written_whole
from searchlight.layers import LAYERS
from searchlight.preprocessing import BOTTOM, SCREEN, TOP
from searchlight.store import Reader, load

RUN_FRAMES = 64
STRIP_HEIGHT, GAP = 8, 4  # in pixels of the screen
SMALLEST_FONT = 9
TEXT, BACKGROUND, QUIET = 220, 36, 145  # luma
# BT.709: what browsers assume of a video of this size, and what the file says.
_BT709 = 1
_NEUTRAL = 128
_YUV = np.array(
    [
        [0.1826, 0.6142, 0.0620, 16],
        [-0.1006, -0.3386, 0.4392, _NEUTRAL],
        [0.4392, -0.3989, -0.0403, _NEUTRAL],
    ],
    np.float32,
)


@dataclass(frozen=True)
class Style:
    """How videos look: ``video`` of the config."""

    zoom: int
    opacity: float
    highlight: str
    actor: str
    critic: str


@dataclass(frozen=True)
class Caption:
    """What the strip above a frame says."""

    step: int
    score: float
    action: str
    value: float

    def parts(self) -> list[str]:
        """Return the texts from left to right."""
        return [f"step {self.step}", f"score {self.score:g}", f"value {self.value:.2f}", self.action]


def on_screen(saliency: np.ndarray, gain: float = 1) -> np.ndarray:
    """Return a map in 0..1 on the screen's pixels.

    Args:
        saliency: (210, 160) as it is, or (80, 80), which is enlarged smoothly over the rows that the agent sees.
        gain: what the map is multiplied by.

    Returns:
        (210, 160) float32, cut to 0..1.
    """
    if saliency.shape != SCREEN:
        whole = np.zeros(SCREEN, np.float32)
        whole[TOP:BOTTOM] = cv2.resize(saliency, (SCREEN[1], BOTTOM - TOP), interpolation=cv2.INTER_LINEAR)
        saliency = whole
    return np.clip(saliency * np.float32(gain), 0, 1)


def highlight(frame: np.ndarray, saliency: np.ndarray, colour: str, opacity: float) -> np.ndarray:
    """Add a colour to a frame where a map says so, saturating.

    Args:
        frame: (210, 160, 3) uint8.
        saliency: (210, 160) in 0..1.
        colour: ``#rrggbb``.
        opacity: part of the colour that is added where the map is 1.
    """
    rgb = opacity * np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float32)
    return cv2.add(frame, cv2.merge([(saliency * level).astype(np.uint8) for level in rgb]))


def draw_layers(frame: np.ndarray, actor: np.ndarray, critic: np.ndarray, style: Style) -> dict[str, np.ndarray]:
    """Return a frame of each of ``LAYERS``, before it is enlarged.

    Args:
        frame: (210, 160, 3) uint8.
        actor: its map on the screen, (210, 160) in 0..1.
        critic: its map.
        style: colours and opacity.
    """
    layers = {
        "actor": highlight(frame, actor, style.highlight, style.opacity),
        "critic": highlight(frame, critic, style.highlight, style.opacity),
        "both": highlight(highlight(frame, actor, style.actor, style.opacity), critic, style.critic, style.opacity),
    }
    gap = np.zeros((len(frame), GAP, 3), np.uint8)
    layers["side-by-side"] = np.concatenate([layers["actor"], gap, layers["critic"]], axis=1)
    return layers


def compose(panel: np.ndarray, caption: Caption, labels: Sequence[str], zoom: int) -> np.ndarray:
    """Return a whole picture: the strip, and under it the enlarged panel.

    Args:
        panel: (210, width, 3) uint8.
        caption: what the strip says on its left.
        labels: what it says on the right of each of as many equal parts of the panel.
        zoom: side of the square that each pixel becomes.

    Returns:
        The planes of a yuv420p picture, as PyAV takes them: (height * 3 / 2, width) uint8, of a height of
        (210 + STRIP_HEIGHT) * zoom.
    """
    height, width = panel.shape[0] * zoom, panel.shape[1] * zoom
    strip_height = STRIP_HEIGHT * zoom
    luma, *chroma = _to_yuv(panel)
    picture = np.empty(((height + strip_height) * 3 // 2, width), np.uint8)
    picture[:strip_height] = _strip(width, strip_height, caption, labels)
    _enlarge(luma, zoom, picture[strip_height : strip_height + height])
    planes = picture[height + strip_height :].reshape(2, (height + strip_height) // 2, width // 2)
    planes[:, : strip_height // 2] = _NEUTRAL
    for plane, values in zip(planes[:, strip_height // 2 :], chroma, strict=True):
        # Half as many pixels each way; an odd zoom has none that fit the squares, so the nearest serve.
        if zoom % 2 == 0:
            _enlarge(values, zoom // 2, plane)
        else:
            whole = np.empty((height, width), np.uint8)
            _enlarge(values, zoom, whole)
            plane[...] = whole[::2, ::2]
    return picture


def _enlarge(plane: np.ndarray, zoom: int, target: np.ndarray) -> None:
    """Fill ``target``, whose rows follow each other in memory, with a square of ``zoom`` pixels for each of a plane."""
    wide = cv2.merge([plane] * zoom).reshape(len(plane), 1, -1)
    target.reshape(len(plane), zoom, -1)[...] = wide


def _to_yuv(panel: np.ndarray) -> Sequence[np.ndarray]:
    """Return the planes Y, Cb, Cr of an RGB picture: BT.709, limited range."""
    # All values are positive: to scale by 1 is to round to uint8.
    return cv2.split(cv2.convertScaleAbs(cv2.transform(panel.astype(np.float32), _YUV)))


def _strip(width: int, height: int, caption: Caption, labels: Sequence[str]) -> np.ndarray:
    strip = np.full((height, width), BACKGROUND, np.uint8)
    part = width // len(labels)
    margin = max(2, height // 4)
    font_size = max(SMALLEST_FONT, int(height * 0.62))
    free = []
    for index, label in enumerate(labels):
        glyphs = _glyphs(label, font_size, QUIET)
        free.append(part * (index + 1) - margin - glyphs.shape[1])
        _paste(strip, glyphs, free[-1] if free[-1] >= index * part else index * part)
    left = margin
    for text in caption.parts():
        glyphs = _glyphs(text, font_size, TEXT)
        if left + glyphs.shape[1] > free[0] - margin:
            break  # on a small picture, what comes first matters most
        _paste(strip, glyphs, left)
        # Columns as wide as the longest text usual there, so that nothing jumps from frame to frame.
        left += max(glyphs.shape[1], int(font_size * 4.6)) + margin
    return strip


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


@lru_cache(maxsize=4096)
def _glyphs(text: str, size: int, luma: int) -> np.ndarray:
    font = _font(size)
    ascent, descent = font.getmetrics()
    image = Image.new("L", (int(font.getlength(text)) + 1, ascent + descent), BACKGROUND)
    ImageDraw.Draw(image).text((0, 0), text, font=font, fill=luma)
    return np.asarray(image)


def _paste(strip: np.ndarray, glyphs: np.ndarray, left: int) -> None:
    top = (strip.shape[0] - glyphs.shape[0]) // 2
    cut = max(0, -top)
    top = max(0, top)
    height = min(glyphs.shape[0] - cut, strip.shape[0] - top)
    width = min(glyphs.shape[1], strip.shape[1] - left)
    strip[top : top + height, left : left + width] = glyphs[cut : cut + height, :width]


class Encoder:
    """An H.264 video (yuv420p, mp4) being written; a context manager that leaves a whole file or none."""

    def __init__(self, path: str | Path, fps: float, threads: int) -> None:
        self._path, self._fps, self._threads = Path(path), Fraction(fps).limit_denominator(1001), threads
        self._stack = ExitStack()
        self._stream: Any = None

    def __enter__(self) -> Encoder:
        partial = self._stack.enter_context(written_whole(self._path))
        self._stack.push(lambda *error: seal(partial) if error[0] is None else None)
        options = {"movflags": "+faststart"}
        self._container = self._stack.enter_context(av.open(str(partial), "w", format="mp4", container_options=options))
        self._stack.push(self._flush)
        return self

    def add(self, picture: np.ndarray) -> None:
        """Append a picture as ``compose`` returns it; it may change afterwards."""
        if self._stream is None:
            self._stream = self._container.add_stream("libx264", rate=self._fps)
            self._stream.height, self._stream.width = picture.shape[0] * 2 // 3, picture.shape[1]
            self._stream.pix_fmt = "yuv420p"
            # A keyframe every half second lets a browser step back and forth without delay.
            # Flat squares compress well even without the search that slower presets do. A constant quantizer spares
            # the encoder from looking at every picture once more to choose one; 13 is what crf 18 chooses or better.
            self._stream.options = {
                "preset": "ultrafast",
                "qp": "13",
                "g": str(max(1, round(self._fps / 2))),
                "threads": str(self._threads),
            }
            context = self._stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = ColorRange.MPEG.value
        # PyAV takes a picture as it lies in memory only where its height is a multiple of 4; others it copies.
        wrap = av.VideoFrame.from_ndarray if len(picture) % 6 else av.VideoFrame.from_numpy_buffer
        self._container.mux(self._stream.encode(wrap(picture, format="yuv420p")))

    def __exit__(self, *error: Any) -> Any:
        return self._stack.__exit__(*error)

    def _flush(self, *error: Any) -> None:
        """Write the frames that the encoder holds back; on the stack, so that failing here is like failing before."""
        if error[0] is None and self._stream is not None:
            self._container.mux(self._stream.encode())


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
        clip_path: store written by ``searchlight.clip``.
        outputs: path of the video of each of ``LAYERS``.
        style: how they look.
        gain: what the maps are multiplied by.
        fps: frames a second.
        threads: of the encoder.
    """
    with ExitStack() as stack:
        clip = stack.enter_context(load(clip_path))
        encoders = {layer: stack.enter_context(Encoder(outputs[layer], fps, threads)) for layer in LAYERS}
        length = clip.shape("frame")[0]
        scores, steps = clip.read("score"), clip.read("time")
        for rows in runs(0, length, RUN_FRAMES):
            frames, actor, critic = (clip.read(name, rows) for name in ("frame", "actor", "critic"))
            captions = _captions(clip, rows, steps[rows], scores[rows])
            drawn = [
                draw_layers(frame, *(on_screen(saliency, gain) for saliency in maps), style)
                for frame, *maps in zip(frames, actor, critic, strict=True)
            ]
            # One encoder after the other, which keeps what it needs in the processor's cache.
            for layer, encoder in encoders.items():
                labels = {"both": ["actor + critic"], "side-by-side": ["actor", "critic"]}.get(layer, [layer])
                for panels, caption in zip(drawn, captions, strict=True):
                    encoder.add(compose(panels[layer], caption, labels, style.zoom))


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
    """Write the video of a clip's frames as they were played.

    Args:
        episode_path: store written by ``searchlight.rollout``.
        output: path of the video.
        clip: its name in the config.
        frames: first and last frame, both included; ``end`` is the episode's last.
        zoom: side of the square that each pixel of the screen becomes.
        fps: frames a second.
        threads: of the encoder.

    Raises:
        SearchlightError: the episode is shorter than the clip.
    """
    with load(episode_path) as episode:
        wanted = check_frames(clip, tuple(frames), episode.shape("frame")[0])
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
