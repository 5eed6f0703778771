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

# BT.709, which the file states and browsers assume for videos of this size.
_BT709 = 1


class Encoder:
    """Context manager that writes an H.264 video (yuv420p, mp4): a whole file, or none after an error."""

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
        """Append a picture as ``compose`` returns it; the caller may change it afterwards."""
        if self._stream is None:
            self._stream = self._container.add_stream("libx264", rate=self._fps)
            self._stream.height, self._stream.width = picture.shape[0] * 2 // 3, picture.shape[1]
            self._stream.pix_fmt = "yuv420p"
            # A keyframe every half second lets a browser step back and forth without delay.
            # The fastest preset suffices, because flat squares compress well. A constant quantizer saves the encoder an
            # analysis of every picture; 13 is at least as good as the values that crf 18 chooses.
            self._stream.options = {
                "preset": "ultrafast",
                "qp": "13",
                "g": str(max(1, round(self._fps / 2))),
                "threads": str(self._threads),
            }
            context = self._stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = ColorRange.MPEG.value
        # Pictures whose height is no multiple of 4 are copied, because PyAV cannot use their buffers.
        wrap = av.VideoFrame.from_ndarray if len(picture) % 6 else av.VideoFrame.from_numpy_buffer
        self._container.mux(self._stream.encode(wrap(picture, format="yuv420p")))

    def __exit__(self, *error: Any) -> Any:
        return self._stack.__exit__(*error)

    def _flush(self, *error: Any) -> None:
        """Write the encoder's last frames; on the stack, so that an error here also leaves no file."""
        if error[0] is None and self._stream is not None:
            self._container.mux(self._stream.encode())
