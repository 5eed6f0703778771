"""Playing one seeded episode into a store.

``frame[t]`` is the screen that the agent sees at decision ``t``, and ``memory_*[t]`` its memory before that screen. The
network's outputs, such as ``logits[t], value[t]``, can therefore be computed again from the store alone. The attribute
``output`` names the array with the network's output for each action.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from tqdm import tqdm

from searchlight import __version__
from searchlight.agents import preprocessings
from searchlight.agents.environment import describe_environment, game_of, make_environment, screen_of
from searchlight.agents.policy import Output, Policy, channels_first
from searchlight.agents.policy_file import load_policy, read_metadata
from searchlight.agents.preprocessing import Preprocessing
from searchlight.errors import SearchlightError, one_line
from searchlight.store.zarr import CHUNK_FRAMES, Variable, Writer, create


@dataclass(frozen=True)
class Outcome:
    """How an episode went: its number of steps, its score, and how it ended."""

    steps: int
    score: float
    ended: str


def play_episode(
    policy_path: str | Path,
    output: str | Path,
    *,
    agent: str,
    env: str,
    preprocessing: str | dict[str, dict[str, Any]],
    actions: str,
    seed: int,
    max_steps: int,
) -> Outcome:
    """Play one episode and write it as a store.

    Args:
        policy_path: safetensors written by ``searchlight.agents.checkpoint``.
        output: path of the store.
        agent: name of the agent in the config.
        env: gymnasium id of an Atari environment.
        preprocessing: name, or name with arguments, as in the config.
        actions: ``greedy`` or ``sampled``.
        seed: seed of the environment and of the sampled actions.
        max_steps: largest number of decisions.

    Raises:
        SearchlightError: the environment does not exist, or the policy does not fit its actions or observations.
    """
    policy = load_policy(policy_path)
    environment = make_environment(env, f"agents.{agent}.env")
    try:
        description = describe_environment(environment)
        meanings = description["action_meanings"]
        prepared = preprocessings.build(preprocessing, screen_of(environment), f"agents.{agent}.preprocessing")
        check_takes(policy, prepared, f"agents.{agent}")
        if policy.actions != len(meanings):
            raise SearchlightError(
                f"agents.{agent}: the checkpoint's network has {policy.actions} actions, but env "
                f"'{env}' has {len(meanings)}: {', '.join(meanings)}"
            )
        if actions == "sampled" and not policy.output.softmax:
            raise SearchlightError(
                f"agents.{agent}.actions: found 'sampled', allowed: greedy, because {policy.output.name} are no logits"
            )
        with create(output) as writer:
            outcome = _play(policy, environment, writer, prepared, actions, seed, max_steps)
            writer.attributes(
                {
                    **description,
                    "agent": agent,
                    "checkpoint": read_metadata(policy_path),
                    "preprocessing": preprocessing,
                    "output": policy.output.name,
                    "actions": actions,
                    "seed": seed,
                    "max_steps": max_steps,
                    "total_reward": outcome.score,
                    "ended": outcome.ended,
                    "versions": {
                        "searchlight": __version__,
                        **{name: version(name) for name in ("ale-py", "gymnasium", "torch")},
                    },
                }
            )
    finally:
        environment.close()
    return outcome


@torch.inference_mode()
def check_takes(policy: Policy, preprocessing: Preprocessing, key: str) -> None:
    """Check that a network takes the observations of a preprocessing; ``key`` is the agent's in the config.

    Raises:
        SearchlightError: the network needs observations of another size.
    """
    height, width = preprocessing.shape
    try:
        channels = preprocessing.channels * preprocessing.stack
        policy.step(torch.zeros(1, channels, height, width), policy.initial_memory())
    except RuntimeError as error:
        raise SearchlightError(
            f"{key}: the checkpoint's network does not take the {height}x{width} observations of its preprocessing "
            f"({one_line(error)})"
        ) from error


@torch.inference_mode()
def _play(
    policy: Policy,
    environment: gymnasium.Env,
    writer: Writer,
    preprocessing: Preprocessing,
    actions: str,
    seed: int,
    max_steps: int,
) -> Outcome:
    ale = game_of(environment).ale
    generator = np.random.default_rng(seed)
    frame, _ = environment.reset(seed=seed)
    memory = policy.initial_memory()
    sizes = {name: array.shape[1] for name, array in memory.items()}
    recorder = _Recorder(writer, preprocessing.screen, policy.output, policy.actions, sizes)
    steps, score, ended = 0, 0.0, "max_steps"
    with tqdm(total=max_steps, unit=" steps", mininterval=1, file=sys.stderr) as progress:
        while steps < max_steps:
            observation = preprocessing.picture(frame)[None]
            given, value, after = policy.step(channels_first(observation), memory)
            outputs, probability = given[0].numpy(), torch.softmax(given[0], dim=0).numpy()
            if actions == "greedy":
                action = int(outputs.argmax())
            else:
                action = int(np.searchsorted(np.cumsum(probability, dtype=np.float64), generator.random()))
                action = min(action, len(probability) - 1)  # the probabilities' rounded sum may fall short of 1
            row = {
                "frame": frame,
                "ram": ale.getRAM(),
                "action": action,
                "lives": ale.lives(),
                policy.output.name: outputs,
                "probability": probability,
                "value": value[0].item(),
                **{f"memory_{name}": array[0].numpy() for name, array in memory.items()},
            }
            frame, reward, terminated, truncated, _ = environment.step(action)
            recorder.add({**row, "reward": float(reward)})
            memory = after
            steps += 1
            score += float(reward)
            progress.update()
            progress.set_postfix_str(f"score {score:g}", refresh=False)
            if terminated or truncated:
                ended = "terminated" if terminated else "truncated"
                break
    recorder.flush()
    return Outcome(steps, score, ended)


class _Recorder:
    """Rows of an episode, written a chunk at a time, so that an episode of any length needs little memory."""

    def __init__(
        self, writer: Writer, screen: tuple[int, int], output: Output, actions: int, memory: dict[str, int]
    ) -> None:
        layout: dict[str, tuple[tuple[str, ...], tuple[int, ...], Any, str]] = {
            "frame": (("y", "x", "channel"), (*screen, 3), np.uint8, "screen seen at this decision, RGB"),
            "ram": (("byte",), (128,), np.uint8, "memory of the console at this decision"),
            "action": ((), (), np.int64, "index of the action taken"),
            "reward": ((), (), np.float64, "reward that followed"),
            "lives": ((), (), np.int64, "lives left at this decision"),
            output.name: (("action_index",), (actions,), np.float32, output.long_name),
            "probability": (("action_index",), (actions,), np.float32, f"softmax of the {output.name}"),
            "value": ((), (), np.float32, "critic's estimate of the return"),
        }
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
