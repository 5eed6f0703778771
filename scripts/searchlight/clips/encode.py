"""H.264 videos, written whole or not at all."""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange

from searchlight.store.files import seal, written_whole

# BT.709: what browsers assume of a video of this size, and what the file says.
_BT709 = 1


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
