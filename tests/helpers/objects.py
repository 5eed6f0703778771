"""Measures of objects taken of an episode by made-up networks and maps, without Snakemake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from searchlight.agents.policy import LOGITS, Output
from searchlight.clips.draw_measure import draw_measure
from searchlight.clips.measure_clip import write_measured
from searchlight.measures import Measured, MethodScene, Results, Row, Scene
from searchlight.measures.games import GameObject
from searchlight.saliency.recorded import Recorded
from searchlight.saliency.single_maps import Maps
from searchlight.store.zarr import Reader, load
from torch import Tensor


@dataclass
class Toy:
    """A network without memory that looks at some rows of the observation, or at none."""

    rows: range = range(0)
    output: Output = LOGITS
    actions: int = 4

    def initial_memory(self) -> dict[str, Tensor]:
        return {}

    def step(self, observations: Tensor, memory: dict[str, Tensor]) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        seen = observations[:, :, list(self.rows)]
        place = (seen * torch.arange(seen.shape[-1])).sum(dim=(1, 2, 3)) / 5000
        return torch.outer(place, torch.arange(self.actions).float()), place, memory


def scene_of(episode: Reader, policy: Any, frames: range) -> Scene:
    return Scene(episode, Recorded(episode), policy, frames, "clips.demo")


def of_method(
    member: ModuleType,
    scene: Scene,
    maps: Callable[[Any], Maps],
    space: str = "screen",
    of_clip: Reader | None = None,
    **arguments: Any,
) -> Measured:
    """Return what a member gives for a method with these maps."""
    method = MethodScene(**vars(scene), method="made up", space=space, maps=maps, maker=None, of_clip=of_clip)
    found: Measured = member.of_method(method, member.Arguments(**arguments))
    return found


def stored(measured: Measured, path: Path, measure: str, **about: Any) -> Path:
    """Write what a measure gave."""
    about = {"agent": "breakout", "seed": 1, "measure": measure, **about}
    write_measured(path, measured, about, lambda line: None, "clips.demo")
    return path


def shown(
    member: ModuleType, name: str, of_clip: Path, of_methods: dict[str, Path], picture: Path | None, **arguments: Any
) -> dict[tuple[str, str], Row]:
    """Return a member's table, by what each row is of and its quantity, and draw its figure if there is a path."""
    chosen = member.Arguments(**arguments)
    with load(of_clip) as store:
        readers = {method: load(path) for method, path in of_methods.items()}
        opened = {method: reader.__enter__() for method, reader in readers.items()}
        rows: list[Row] = member.table(Results(store, opened), chosen)
        for reader in readers.values():
            reader.__exit__(None, None, None)
    if picture is not None:
        spec = chosen.model_dump(mode="json")
        draw_measure(of_clip, list(of_methods.values()), picture, clip="demo", name=name, arguments=spec)
        assert picture.stat().st_size > 10_000
    found = {(row.of, row.quantity): row for row in rows}
    assert len(found) == len(rows)
    return found


def region(of: GameObject, rams: np.ndarray, screen: tuple[int, int]) -> np.ndarray:
    """Return where an object is seen in any of some raw frames, (H, W) bool, from their memories (n, 128) uint8."""
    seen = np.zeros(screen, bool)
    for ram in rams:
        if (box := of.box(ram)) is not None:
            seen[box.pixels] = True
    return seen
