"""A clip's page: one HTML file that plays its videos in step, without a server or the internet.

The file contains the videos, so that it can be mailed and opened from a report.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from searchlight.clips.page.measured import notices_of, read_measures
from searchlight.config.views import LAYERS, STRIP_HEIGHT
from searchlight.store.files import read_sealed, write_text
from searchlight.store.records import mark
from searchlight.store.zarr import Reader, load

TEMPLATE = Path(__file__).with_name("page.html")
# Of clips with measures, the page has this part, too.
MEASURES = Path(__file__).with_name("measures.html")
# Layers that the page shows beside the game; the others are for slides.
SHOWN = ("actor", "critic", "both")


def write_page(
    clip_paths: Sequence[str | Path],
    gameplay: str | Path,
    videos: Sequence[str | Path],
    output: str | Path,
    *,
    clip: str,
    methods: Sequence[str],
    gains: Sequence[float],
    fps: float,
    colours: Mapping[str, str],
    measures: tuple[str | Path, str | Path] | None = None,
    taken: Sequence[str | Path] = (),
) -> None:
    """Write the page of a clip.

    Args:
        clip_paths: the clip's store for each method.
        gameplay: video of the game.
        videos: for each method, the videos of ``LAYERS``.
        output: path of the page.
        clip: name of the clip in the config.
        methods: names of the methods in the config.
        gains: factor of each method's maps in the videos.
        fps: frames per second of the videos.
        colours: ``#rrggbb`` of the ``actor`` and the ``critic`` in the layer that shows both; and of what ``raises``
            and what ``lowers`` the output in signed maps.
        measures: the two tables written by ``searchlight.clips.tabulate_measures``; None for a clip without measures.
        taken: the stores that they were made from, for what these say that a user should know.

    Raises:
        SearchlightError: a file is missing or damaged.
    """
    pages_data = {**_describe(clip_paths[0], clip, fps), "colours": dict(colours)}
    with load(clip_paths[0]) as store:
        shape = store.shape("frame")[1:3]
    embedded = {"gameplay": gameplay}
    for index, method in enumerate(methods):
        of_method = dict(zip(LAYERS, videos[index * len(LAYERS) : (index + 1) * len(LAYERS)], strict=True))
        embedded |= {f"{method}.{layer}": of_method[layer] for layer in SHOWN}
    pages_data["methods"] = [
        {"name": name, "gain": gain, **_about(path)}
        for name, gain, path in zip(methods, gains, clip_paths, strict=True)
    ]
    if measures is not None:
        said = notices_of(taken)
        pages_data["measures"] = [
            {**one, "notices": said.get(one["name"], [])} for one in read_measures(*measures, pages_data["step"])
        ]
    blocks = "\n".join(
        f'<script type="text/plain" class="video" data-name="{html.escape(name)}">{_base64(path)}</script>'
        for name, path in embedded.items()
    )
    height, width = shape
    parts = {
        "height": str(height + STRIP_HEIGHT),
        "width": str(width),
        "title": html.escape(f"{clip} – Searchlight"),
        "data": json.dumps(pages_data, allow_nan=False).replace("<", "\\u003c"),
        "videos": blocks,
        "measures": MEASURES.read_text(encoding="utf-8") if measures is not None else "",
    }
    # One substitution fills all places, so that inserted text is not searched again.
    text = re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], TEMPLATE.read_text(encoding="utf-8"))
    write_text(output, f"{text}<!-- {mark().decode()} -->\n")


def _describe(path: str | Path, clip: str, fps: float) -> dict[str, Any]:
    with load(path) as store:
        about = store.attributes
        return {
            "clip": clip,
            "fps": fps,
            "agent": about["agent"],
            "environment": about["environment"],
            "seed": about["seed"],
            "actions": about["action_meanings"],
            "step": store.read("time").tolist(),
            "score": store.read("score").tolist(),
            "action": store.read("action").tolist(),
            "value": [round(value, 4) for value in store.read("value").tolist()],
            "outputs": _outputs(store),
        }


def _outputs(store: Reader) -> dict[str, Any]:
    """Return the network's outputs for each action: the array itself, or the array that its ``shown_as`` names."""
    given = store.attributes["output"]
    shown = store.about(given).get("shown_as", given)
    values, bounds = store.read(shown), store.about(shown).get("valid_range")
    return {
        "name": shown if bounds is not None else store.about(shown)["long_name"],
        "percent": bounds is not None,
        "range": bounds or [float(values.min()), float(values.max())],
        "values": [[round(value, 4) for value in row] for row in values.tolist()],
    }


def _about(path: str | Path) -> dict[str, Any]:
    with load(path) as store:
        return {name: store.attributes[name] for name in ("made_by", "compared", "signed", "scale")}


def _base64(path: str | Path) -> str:
    return base64.b64encode(read_sealed(path)).decode("ascii")
