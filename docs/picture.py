"""Make the README's picture from the default run: three moments of the demo, actor blue and critic amber."""

from pathlib import Path

import av
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
VIDEO = ROOT / "results" / "clips" / "demo" / "erase.both.mp4"
MOMENTS = (20, 150, 250)
SHRINK = 2

with av.open(str(VIDEO)) as container:
    frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
gap = np.full((frames[0].shape[0], 4 * SHRINK, 3), 255, np.uint8)
parts = [part for moment in MOMENTS for part in (frames[moment], gap)][:-1]
picture = Image.fromarray(np.concatenate(parts, axis=1))
picture.reduce(SHRINK).save(ROOT / "docs" / "breakout.png", optimize=True)
