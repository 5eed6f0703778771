"""Short games with all that a maker of maps or a measure takes, and methods."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.agents.policy_file import load_policy
from searchlight.agents.rollout import play_episode
from searchlight.measures import Scene
from searchlight.saliency import gradients, plugins
from searchlight.saliency.background import write_background
from searchlight.saliency.recorded import Moment, Recorded
from searchlight.saliency.single_maps import Maker, make_maker
from searchlight.store.zarr import load

from helpers.project import BUNDLED

WORLDS: dict[str, dict[str, Any]] = {
    "breakout": {"env": "Breakout-v0", "preprocessing": "cv2", "seed": 1},
    # Its stack begins with zeros.
    "pong": {"env": "PongNoFrameskip-v4", "wrappers": "sb3", "preprocessing": "sb3", "seed": 0},
}
WINDOWS = {"SlidingWindow": {"window_size": [20, 20], "stride": [20, 20]}}
DISCS = {"SlidingRadial": {"radius": [2, 2], "stride": [20, 20], "sigma": [3, 3]}}


def by_masks(space: str, fill: Any, scorer: Any = "SquaredDifference", **more: Any) -> dict[str, Any]:
    """Return a method by masks; ``more`` are other keys of the method or of its perturbation."""
    perturber = DISCS if space == "observation" else WINDOWS
    perturbation = {"space": space, "perturber": perturber, "fill": fill, "stack": "all", "memory_lag": 0}
    perturbation |= {name: more.pop(name) for name in ("stack", "memory_lag") if name in more}
    common = {"gradient": None, "of": None, "output": "logits", "temperature": None, "signed": False}
    return {**common, "scorer": plugins.check("scorer", scorer), "perturbation": perturbation, **more}


def by_gradient(spec: Any, of: str = "chosen_action", signed: bool = False) -> dict[str, Any]:
    """Return a method by a gradient."""
    return {"gradient": gradients.check(spec), "of": of, "signed": signed, "perturbation": None}


class Played:
    """A bundled agent with an episode and its background.

    Attributes:
        policy_path, episode_path, background_path: their files.
        policy: the network.
    """

    def __init__(self, agent: str, folder: Path, steps: int, stack: ExitStack) -> None:
        paths = (folder / name for name in ("policy", "episode", "background"))
        self.policy_path, self.episode_path, self.background_path = paths
        fetch_checkpoint(f"bundled:{agent}", None, None, BUNDLED, self.policy_path, print)
        play_episode(
            self.policy_path, self.episode_path, agent=agent, actions="greedy", max_steps=steps, **WORLDS[agent]
        )
        write_background(self.episode_path, self.background_path, window=200)
        self.policy: Any = load_policy(self.policy_path)
        self.episode, self._background = (
            stack.enter_context(load(path)) for path in (self.episode_path, self.background_path)
        )
        self.recorded = cache(self._recorded)

    def _recorded(self, lag: int = 0) -> Recorded:
        return Recorded(self.episode, self._background, lag)

    def moment(self, frame: int, lag: int = 0) -> Moment:
        """Return a moment, with the memory ``lag`` decisions earlier."""
        (found,) = self.recorded(lag).moments(range(frame, frame + 1))
        return found

    def maker(self, method: dict[str, Any], policy: Any = None) -> Maker:
        """Return what makes maps by a method, by default of the agent's own network."""
        return make_maker(policy or self.policy, self.recorded().preprocessing, method)

    def scene(self, frames: range) -> Scene:
        """Return what a measure may use."""
        return Scene(self.episode, self.recorded(), self.policy, frames, "clips.demo")


@contextmanager
def play(agent: str, folder: Path, steps: int) -> Iterator[Played]:
    """Let a bundled agent play, and close the stores afterwards."""
    with ExitStack() as stack:
        yield Played(agent, folder, steps, stack)
