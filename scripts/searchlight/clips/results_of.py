"""What the measures of a clip gave, from their stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from searchlight.measures import Results
from searchlight.store.zarr import Reader, load


@contextmanager
def results_of(
    measure: str, of_clip_paths: Iterable[str | Path], of_method_paths: Iterable[str | Path]
) -> Iterator[Results]:
    """Open what one measure gave for a clip, among the stores of several measures."""
    with ExitStack() as stack:

        def opened(paths: Iterable[str | Path]) -> list[Reader]:
            found = [stack.enter_context(load(path)) for path in paths]
            return [one for one in found if one.attributes["measure"] == measure]

        of_clip, of_methods = opened(of_clip_paths), opened(of_method_paths)
        yield Results(of_clip[0] if of_clip else None, {one.attributes["method"]: one for one in of_methods})
