"""OpenCV's area filter along one axis, for parts of a picture: ``cv2.resize`` with ``INTER_AREA``.

A picture of ``length`` pixels becomes one of ``size`` pixels. Each of these covers ``length / size`` pixels of the
picture, and is their mean: a pixel that is covered in part counts in part. OpenCV adds in float32, across and then
down, the first pixel first, and rounds once at the end (``modules/imgproc/src/resize.cpp``). The same order gives the
same bits. A weight of zero changes no bit, so all observed pixels may have equally many weights.
"""

from __future__ import annotations

import math

from searchlight.lazy import numpy as np

# Where less than this share of a pixel is covered, it is covered by rounding alone, and does not count.
LEAST = 1e-3


class Axis:
    """The filter along one axis, down or across.

    Attributes:
        length: number of pixels of the screen.
        size: number of observed pixels.
        starts, ends: (size,) int64, the first pixel that each observed pixel is made from, and the first after them.
        weights: (size, tap) float32, weights of the pixels from ``starts`` on.
        spans: (size + 1,) int64, the most pixels that any run of so many observed pixels is made from.
    """

    def __init__(self, length: int, size: int) -> None:
        """Compute the weights in double precision, then round them to float32, as OpenCV does."""
        self.length, self.size = length, size
        taps = [_taps(length, size, place) for place in range(size)]
        self.starts = np.array([start for start, _ in taps])
        self.ends = np.array([start + len(weights) for start, weights in taps])
        self.weights = np.zeros((size, max(len(weights) for _, weights in taps)), np.float32)
        for row, (_, weights) in zip(self.weights, taps, strict=True):
            row[: len(weights)] = weights
        runs = [(self.ends[count - 1 :] - self.starts[: size - count + 1]).max() for count in range(1, size + 1)]
        self.spans = np.array([0, *runs])

    def reached(self, ranges: np.ndarray) -> np.ndarray:
        """Return the ranges of observed pixels that ranges of the screen reach, (n, 2) each: first, and after last."""
        first, last = ranges.T
        found = [np.searchsorted(self.ends, first, side="right"), np.searchsorted(self.starts, last, side="left")]
        return np.stack(found, axis=1)

    def needed(self, ranges: np.ndarray) -> np.ndarray:
        """Return ranges of the screen that ranges of observed pixels are made from, (n, 2) each.

        Ranges of equal size give ranges of equal size. Where this is more than is needed, pixels follow; at the
        screen's end, pixels precede.
        """
        span = self.spans[ranges[:, 1] - ranges[:, 0]]
        first = self._firsts(ranges[:, 0], span)
        return np.stack([first, first + span], axis=1)

    def _firsts(self, corners: np.ndarray, span: np.ndarray) -> np.ndarray:
        """Return the first pixels of ranges of the screen, by their first observed pixels and their lengths."""
        return np.minimum(self.starts[np.minimum(corners, self.size - 1)], self.length - span)

    def count(self, span: int) -> int:
        """Return the number of observed pixels for which ``needed`` returns ranges of a length."""
        return int(np.searchsorted(self.spans, span))

    def centres(self) -> np.ndarray:
        """Return the positions of the observed pixels' centres on the screen, (size,) float64."""
        return (np.arange(self.size) + 0.5) * (self.length / self.size) - 0.5

    def means(self, pixels: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """Return the observed pixels of parts, not yet rounded.

        Args:
            pixels: (span, line, channel, n) float32, ranges of the screen from ``needed``, and the lines across them.
            corners: (n,) first observed pixel of each part.

        Returns:
            (count, line, channel, n) float32.
        """
        span, lines, channels, parts = pixels.shape
        weights, starts = self._weights_within(span, corners)
        # The channels and the parts become one long axis, as fast loops need it.
        weights = np.repeat(weights[:, :, None], channels, axis=2).reshape(*weights.shape[:2], channels * parts)
        pixels = pixels.reshape(span, lines, channels * parts)
        found = np.empty((len(starts), lines, channels * parts), np.float32)
        product = np.empty_like(found[0])
        used = np.any(weights, axis=2)
        for mean, start, taps, counts in zip(found, starts, weights, used, strict=True):
            first, *others = np.flatnonzero(counts).tolist()
            np.multiply(pixels[start + first], taps[first], out=mean)
            for tap in others:
                np.multiply(pixels[start + tap], taps[tap], out=product)
                mean += product
        return found.reshape(len(starts), lines, channels, parts)

    def _weights_within(self, span: int, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return weights for parts, by places within them.

        The n-th observed pixel of parts begins at places that differ by a pixel or two. All parts get weights from the
        first of these places on, with zeros in front.

        Returns:
            Weights (count, tap, n) float32, and the place that the first weight belongs to, (count,) int64.
        """
        found, of_part = np.unique(corners, return_inverse=True)
        count = self.count(span)
        observed = found[:, None] + np.arange(count)
        places = self.starts[observed] - self._firsts(found, np.full(len(found), span))[:, None]
        starts = places.min(axis=0)
        shifts = places - starts
        taps = np.arange(self.weights.shape[1])
        weights = np.zeros((count, len(taps) + int(shifts.max()), len(found)), np.float32)
        weights[np.arange(count)[:, None], shifts[:, :, None] + taps, np.arange(len(found))[:, None, None]] = (
            self.weights[observed]
        )
        return weights[:, :, of_part], starts


def _taps(length: int, size: int, place: int) -> tuple[int, list[float]]:
    """Return the first pixel of an observed pixel, and the weights from there on."""
    covered = 1 / (size / length)
    begin = place * covered
    end = begin + covered
    # The last observed pixel ends with the picture, whatever rounding adds.
    whole = min(covered, length - begin)
    last = min(math.floor(end), length - 1)
    first = min(math.ceil(begin), last)
    weights = [1 / whole] * (last - first)
    if end - last > LEAST:
        weights.append(min(end - last, 1.0, whole) / whole)
    if first - begin > LEAST:
        return first - 1, [(first - begin) / whole, *weights]
    return first, weights
