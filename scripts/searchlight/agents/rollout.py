"""Playing one seeded episode into a store.

``frame[t]`` is the screen that the agent sees at decision ``t``, and ``memory_*[t]`` its memory before that screen. An
observation of several pictures is made of ``frame[t-k+1]`` to ``frame[t]``, but of no frame before ``stack_begun[t]``.
The network's outputs, such as ``logits[t], value[t]``, can therefore be computed again from the store alone. The
attribute ``output`` names the array with the network's output for each action.

``reward[t]`` is all that the game gave from decision ``t`` to the next one. The first also holds what it gave before.
"""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from searchlight import __version__, registry
from searchlight.agents import networks, preprocessings
from searchlight.agents import wrappers as world_registry
from searchlight.agents.environment import describe_environment, game_of, make_environment, screen_of
from searchlight.agents.policy import Policy, channels_first
from searchlight.agents.policy_file import load_policy, read_metadata
from searchlight.agents.preprocessing import Preprocessing
from searchlight.agents.recorder import Recorder
from searchlight.agents.world import World, WorldError
from searchlight.config.environments import with_argument, written
from searchlight.errors import SearchlightError, one_line
from searchlight.store.zarr import Writer, create

UNSKIPPED = (
    "each of 60 frames a second is a decision, because neither env nor wrappers skip frames; agents that see stacks "
    "were mostly trained with wrappers: sb3, cleanrl or gymnasium"
)
# Number of actions of the console; most games use fewer.
ALL_ACTIONS = 18


@dataclass(frozen=True)
class Outcome:
    """How an episode went: its number of steps, its score, how it ended, and what a user may have overlooked."""

    steps: int
    score: float
    ended: str
    caution: str | None = None


def play_episode(
    policy_path: str | Path,
    output: str | Path,
    *,
    agent: str,
    env: str | dict[str, Any],
    wrappers: str | dict[str, dict[str, Any]] = "none",
    preprocessing: str | dict[str, dict[str, Any]],
    actions: str | dict[str, float],
    seed: int,
    max_steps: int,
    network: networks.Spec | None = None,
) -> Outcome:
    """Play one episode and write it as a store.

    Args:
        policy_path: safetensors written by ``searchlight.agents.checkpoint``.
        output: path of the store.
        agent: name of the agent in the config.
        env: gymnasium id of an Atari environment, or ``{id: …, argument: value}``.
        wrappers: name, or name with arguments, as in the config.
        preprocessing: name, or name with arguments, as in the config.
        actions: ``greedy``, ``sampled``, or ``{epsilon: …}``, the chance of a random action.
        seed: seed of the environment and of the actions that are drawn.
        max_steps: largest number of decisions.
        network: the agent's network in the config.

    Raises:
        SearchlightError: the environment does not exist, the policy does not fit its actions or observations, or
            it gives numbers that are not finite.
    """
    policy = load_policy(policy_path, network)
    environment = make_environment(env, f"agents.{agent}.env")
    try:
        description = describe_environment(environment, env)
        meanings = description["action_meanings"]
        prepared = preprocessings.build(preprocessing, screen_of(environment), f"agents.{agent}.preprocessing")
        check_preprocessing(policy, prepared, f"agents.{agent}")
        if policy.actions != len(meanings):
            fits = policy.actions == ALL_ACTIONS
            raise SearchlightError(
                f"agents.{agent}: the checkpoint's network has {policy.actions} actions, but env "
                f"'{written(env)}' has {len(meanings)}: {', '.join(meanings)}"
                + (f"; allowed: env: {with_argument(env, 'full_action_space', True)}" if fits else "")
            )
        if actions == "sampled" and not policy.output.softmax:
            raise SearchlightError(
                f"agents.{agent}.actions: found 'sampled', allowed: greedy or {{epsilon: …}}, because "
                f"{policy.output.name} are no logits"
            )
        world = world_registry.build(wrappers, environment, env, f"agents.{agent}.wrappers")
        with create(output) as writer:
            try:
                outcome = _play(policy, world, writer, prepared, actions, seed, max_steps, f"agents.{agent}")
            except WorldError as error:
                raise SearchlightError(f"agents.{agent}.wrappers: {error}") from error
            writer.attributes(
                {
                    **description,
                    "agent": agent,
                    "checkpoint": read_metadata(policy_path),
                    "wrappers": wrappers,
                    "preprocessing": preprocessing,
                    "output": policy.output.name,
                    "actions": actions,
                    "seed": seed,
                    "max_steps": max_steps,
                    "total_reward": outcome.score,
                    "ended": outcome.ended,
                    "versions": {
                        "searchlight": __version__,
                        **{name: version(name) for name in ("ale-py", "gymnasium", "opencv-python-headless", "torch")},
                    },
                }
            )
        unskipped = world.frame_skip == game_of(environment)._frameskip == 1
    finally:
        environment.close()
    if unskipped and prepared.stack > 1:
        return replace(outcome, caution=f"agents.{agent}: {UNSKIPPED}")
    return outcome


def check_preprocessing(policy: Policy, preprocessing: Preprocessing, key: str) -> None:
    """Check that a network takes the observations of a preprocessing; ``key`` is the agent's in the config.

    Raises:
        SearchlightError: the network needs observations of another size. The error names what to choose.
    """
    refused = networks.refusal(policy, _shape(preprocessing))
    if refused is None:
        return
    fits: list[str] = []
    for name, stack in product(registry.names(preprocessings.FOLDER), (None, 1, 2, 3, 4)):
        spec: Any = name if stack is None else {name: {"stack": stack}}
        try:
            other = preprocessings.build(spec, preprocessing.screen)
        except SearchlightError:  # it needs or has no such arguments, or another screen
            continue
        if all(not one.startswith(f"{name} ") for one in fits) and networks.refusal(policy, _shape(other)) is None:
            fits.append(f"{name} ({_size(other)})" if stack is None else f"{name} of stack {stack} ({_size(other)})")
    allowed = f"allowed: preprocessing: {' or '.join(fits)}" if fits else f"because {one_line(refused)}"
    raise SearchlightError(
        f"{key}: the checkpoint's network does not take the {_size(preprocessing)} observations of its "
        f"preprocessing, {allowed}"
    )


def _shape(preprocessing: Preprocessing) -> tuple[int, int, int]:
    """Return the number of channels, the height and the width of observations."""
    return (preprocessing.channels * preprocessing.stack, *preprocessing.shape)


def _size(preprocessing: Preprocessing) -> str:
    return " x ".join(map(str, _shape(preprocessing)))


@torch.inference_mode()
def _play(
    policy: Policy,
    world: World,
    writer: Writer,
    preprocessing: Preprocessing,
    actions: str | dict[str, float],
    seed: int,
    max_steps: int,
    key: str,
) -> Outcome:
    generator = np.random.default_rng(seed)
    memory = policy.initial_memory()
    sizes = {name: array.shape[1] for name, array in memory.items()}
    recorder = Recorder(writer, preprocessing, policy.output, policy.actions, sizes, world.frame_skip)
    # Of the last decisions; an observation is made of them.
    pictures: deque[np.ndarray] = deque(maxlen=preprocessing.stack)
    now = world.reset(seed)
    before = now.reward
    if now.terminated or now.truncated:
        raise WorldError("found a game that is over before its first decision, allowed: another seed")
    begun, steps, score, ended = 0, 0, 0.0, "max_steps"
    with tqdm(total=max_steps, unit=" steps", mininterval=1, file=sys.stderr) as progress:
        while steps < max_steps:
            if now.begun:
                begun, memory = steps, policy.initial_memory()
            pictures.append(preprocessing.picture(now.frame))
            made_of = preprocessing.decisions(steps, begun)
            observation = preprocessing.stacked([pictures[one - steps - 1] for one in made_of])
            given, value, after = policy.step(channels_first(observation[None]), memory)
            if not (given.isfinite().all() and value.isfinite().all()):
                raise SearchlightError(
                    f"{key}: at decision {steps} the network gives {policy.output.name} and a value that are not all "
                    "finite"
                )
            outputs, probability = given[0].numpy(), torch.softmax(given[0], dim=0).numpy()
            action = _choose(actions, outputs, probability, generator)
            following = world.step(action)
            reward = before + following.reward
            recorder.add(
                {
                    "frame": now.frame,
                    "ram": now.ram,
                    "ram_before": now.ram_before,
                    "stack_begun": begun,
                    "action": action,
                    "reward": reward,
                    "lives": now.lives,
                    policy.output.name: outputs,
                    "probability": probability,
                    "value": value[0].item(),
                    **{f"memory_{name}": array[0].numpy() for name, array in memory.items()},
                }
            )
            now, memory, before = following, after, 0.0
            steps += 1
            score += reward
            progress.update()
            progress.set_postfix_str(f"score {score:g}", refresh=False)
            if now.terminated or now.truncated:
                ended = "terminated" if now.terminated else "truncated"
                break
    recorder.flush()
    return Outcome(steps, score, ended)


def _choose(
    actions: str | dict[str, float], outputs: np.ndarray, probability: np.ndarray, generator: np.random.Generator
) -> int:
    """Return the index of the action to take, from outputs (action,) and their softmax."""
    if actions == "sampled":
        action = int(np.searchsorted(np.cumsum(probability, dtype=np.float64), generator.random()))
        return min(action, len(probability) - 1)  # the probabilities' rounded sum may fall short of 1
    if isinstance(actions, dict) and generator.random() < actions["epsilon"]:
        return int(generator.integers(len(outputs)))
    return int(outputs.argmax())
