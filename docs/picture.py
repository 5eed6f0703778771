"""Make the README's picture from the default run: three moments of the demo, actor blue and critic amber.

Also prints where this clip's saliency lies, which the README says in words. The places of ball and paddle are read from
the console's memory (bytes as in the Atari ARI and OCAtari projects).
"""

from pathlib import Path

import av
import numpy as np
import searchlight
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
CLIP = ROOT / "results" / "clips" / "demo"
MOMENTS = (15, 175, 201)
SHRINK = 2
MARGIN = 8  # pixels around an object: the side of a window


def picture() -> None:
    """Write docs/breakout.png."""
    with av.open(str(CLIP / "erase.both.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    gap = np.full((frames[0].shape[0], 4 * SHRINK, 3), 255, np.uint8)
    parts = [part for moment in MOMENTS for part in (frames[moment], gap)][:-1]
    whole = Image.fromarray(np.concatenate(parts, axis=1))
    whole.reduce(SHRINK).save(ROOT / "docs" / "breakout.png", optimize=True)


def box(x: int, y: int, width: int, height: int, margin: int) -> tuple[slice, slice]:
    """Return a box with a margin, in the rows that the agent sees; they begin at 35."""
    rows = slice(max(0, y - 35 - margin), max(0, y - 35 + height + margin))
    return rows, slice(max(0, x - margin), max(0, x + width + margin))


def figures(method: str) -> None:
    """Print for each map how bright the ball is (its mean over the map's), and the shares of ball and paddle."""
    clip = searchlight.open_clip(CLIP / f"{method}.zarr.zip").load()
    for layer in ("actor", "critic"):
        maps = clip[layer].values
        # The rows that the agent sees.
        maps = maps[:, 35:195] if maps.shape[1] == 210 else maps.repeat(2, axis=1).repeat(2, axis=2)
        ratios, on_ball, on_paddle = [], [], []
        for saliency, frame, ram in zip(
            maps, clip["frame"].values[:, 35:195], clip["ram"].values.astype(int), strict=True
        ):
            ball, paddle = (ram[99] - 49, ram[101] + 9, 2, 4), (ram[72] - 47, 189, 16, 4)
            if not saliency.any() or not frame[box(*ball, 0)].any():
                continue  # no map, or no ball in play
            ratios.append(saliency[box(*ball, 0)].mean() / saliency.mean())
            near_ball, near_paddle = np.zeros((2, *saliency.shape), bool)
            near_ball[box(*ball, MARGIN)] = near_paddle[box(*paddle, MARGIN)] = True
            near_paddle &= ~near_ball
            on_ball.append(saliency[near_ball].sum() / saliency.sum())
            on_paddle.append(saliency[near_paddle].sum() / saliency.sum())
        shares = f"{np.mean(on_ball):.0%} on the ball, {np.mean(on_paddle):.0%} on the paddle"
        print(f"{method}, {layer}: the ball {np.median(ratios):.2g} times the mean; {shares} ({len(ratios)} frames)")


if __name__ == "__main__":
    picture()
    for name in ("erase", "greydanus"):
        figures(name)
