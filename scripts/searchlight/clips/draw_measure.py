"""A measure's figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from searchlight import measures, registry
from searchlight.clips.results_of import results_of
from searchlight.store.files import written_whole
from searchlight.store.records import mark

# In inches, and pixels an inch.
SIZE, DENSITY = (9.6, 5.4), 150
# That colour-blind people can tell apart (Okabe and Ito), and others for more methods.
_COLOURS = [
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#000000"),
    *("#888888", "#332288", "#999933", "#882255", "#44aa99", "#aa4499", "#117733"),
]
STYLE: Any = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "font.size": 9,
    "legend.frameon": False,
    # Names may hold dollar signs.
    "text.parse_math": False,
    "axes.prop_cycle": f"cycler('color', {_COLOURS})",
}


def draw_measure(
    of_clip_path: str | Path | None,
    of_method_paths: Sequence[str | Path],
    output: str | Path,
    *,
    clip: str,
    name: str,
    arguments: dict[str, Any],
) -> None:
    """Draw a measure of a clip as PNG.

    Args:
        of_clip_path: store written by ``searchlight.clips.measure_clip``; None for a measure without that part.
        of_method_paths: stores written by ``searchlight.clips.measure_method``.
        output: path of the picture.
        clip: name of the clip in the config.
        name: of the measure.
        arguments: of the measure.

    Raises:
        SearchlightError: a store is missing or damaged.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    member = registry.choose(measures.FOLDER, {name: arguments})
    of_clip_paths = [] if of_clip_path is None else [of_clip_path]
    with results_of(name, of_clip_paths, of_method_paths) as results, mpl.rc_context(STYLE):
        figure = Figure(SIZE, DENSITY, layout="constrained")
        FigureCanvasAgg(figure)
        rows = member.module.table(results, member.arguments)
        member.module.draw(figure, results, rows, member.arguments)
        about = results.any.attributes
        figure.suptitle(f"{name}: {clip}, {about['agent']}, seed {about['seed']}")
        with written_whole(output) as partial:
            figure.savefig(partial, format="png", metadata={"Software": None})
            with partial.open("ab") as file:
                file.write(mark())
