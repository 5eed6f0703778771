"""The store of an episode: which arrays it has, and how their rows are written."""

from __future__ import annotations

from typing import Any

import numpy as np

from searchlight.agents.policy import Output
from searchlight.agents.preprocessing import Preprocessing
from searchlight.store.zarr import CHUNK_FRAMES, Variable, Writer


class Recorder:
    """Rows of an episode, written a chunk at a time, so that an episode of any length needs little memory."""

    def __init__(
        self,
        writer: Writer,
        preprocessing: Preprocessing,
        output: Output,
        actions: int,
        memory: dict[str, int],
        frame_skip: int,
    ) -> None:
        """Lay out the arrays.

        Args:
            writer: the store.
            preprocessing: of the agent.
            output: what the agent's network gives for each action.
            actions: number of actions.
            memory: size of each array of the network's memory.
            frame_skip: the world's own; of two or more, a frame is made of two raw ones.
        """
        layout: dict[str, tuple[tuple[str, ...], tuple[int, ...], Any, str]] = {
            "frame": (("y", "x", "channel"), (*preprocessing.screen, 3), np.uint8, "screen seen at this decision, RGB"),
            "ram": (("byte",), (128,), np.uint8, "memory of the console at this decision"),
            "ram_before": (
                ("byte",),
                (128,),
                np.uint8,
                "memory of the console at the first of the screen's two frames",
            ),
            "stack_begun": ((), (), np.int64, "decision at which this observation's stack of frames was begun"),
            "action": ((), (), np.int64, "index of the action taken"),
            "reward": ((), (), np.float64, "reward that followed"),
            "lives": ((), (), np.int64, "lives left at this decision"),
            output.name: (("action_index",), (actions,), np.float32, output.long_name),
            "probability": (("action_index",), (actions,), np.float32, f"softmax of the {output.name}"),
            "value": ((), (), np.float32, output.value),
        }
        if frame_skip == 1:
            del layout["ram_before"]
        if preprocessing.stack == 1:
            del layout["stack_begun"]
        for name, size in memory.items():
            what = f"recurrent memory {name} before this decision"
            layout[f"memory_{name}"] = ((f"hidden_{name}",), (size,), np.float32, what)
        # Attributes that say how pages show the outputs.
        more: dict[str, dict[str, Any]] = {}
        if output.softmax:
            more = {output.name: {"shown_as": "probability"}, "probability": {"valid_range": [0.0, 1.0]}}
        else:
            del layout["probability"]
        self._arrays = {
            name: writer.array(
                name,
                ("time", *dimensions),
                shape,
                dtype,
                (CHUNK_FRAMES, *shape),
                {"long_name": text, **more.get(name, {})},
            )
            for name, (dimensions, shape, dtype, text) in layout.items()
        }
        self._writer = writer
        self._rows: list[dict[str, Any]] = []
        self._count = 0

    def add(self, row: dict[str, Any]) -> None:
        """Add a decision: the values of all arrays by name. Names without an array are ignored."""
        self._rows.append(row)
        if len(self._rows) == CHUNK_FRAMES:
            self._write()

    def flush(self) -> None:
        """Write the remaining rows, and the time axis."""
        self._write()
        time = Variable(("time",), np.arange(self._count), {"long_name": "decision of the episode"})
        self._writer.variable("time", time)

    def _write(self) -> None:
        if not self._rows:
            return
        self._count += len(self._rows)
        for name, array in self._arrays.items():
            array.append([row[name] for row in self._rows])
        self._rows.clear()
