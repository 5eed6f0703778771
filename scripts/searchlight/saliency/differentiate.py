"""Saliency maps from gradients, block by block: the network runs again, and torch computes its gradients.

A map lies on the observation's pixels. At each pixel it is the sum of absolute values over the channels of the stack,
and over the actions where every action is explained. Pictures that a young stack does not have yet get no map.

The frame is the unit of arithmetic, as in ``searchlight.saliency.perturb``. It takes few passes, so this runs on the
CPU alone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from searchlight import registry
from searchlight.agents import networks, preprocessings
from searchlight.agents.policy import channels_first
from searchlight.agents.policy_file import load_policy
from searchlight.agents.preprocessing import PreparedFrame
from searchlight.errors import SearchlightError
from searchlight.saliency import fills, gradients
from searchlight.saliency.background import Backgrounds
from searchlight.saliency.explained import Explained
from searchlight.saliency.maps import MapsWriter
from searchlight.saliency.recorded import Stacks, about_episode, check_recorded, memory_at
from searchlight.store.blocks import frames_of, runs
from searchlight.store.zarr import CHUNK_FRAMES, Variable, create, load

Of = Literal["chosen_action", "every_action"]
_OF = {"chosen_action": "advantage of the chosen action", "every_action": "advantages of all actions"}


def differentiate_block(
    policy_path: str | Path,
    episode_path: str | Path,
    output: str | Path,
    *,
    gradient: dict[str, dict[str, Any]],
    of: Of,
    block: int,
    block_size: int,
    background_path: str | Path | None = None,
    threads: int = 1,
    network: networks.Spec | None = None,
) -> None:
    """Write the saliency maps of one block by a gradient.

    Args:
        policy_path: safetensors written by ``searchlight.agents.checkpoint``.
        episode_path: store written by ``searchlight.agents.rollout``.
        output: path of the store to write, as ``searchlight.saliency.score`` writes it: ``actor`` and ``critic``
            (time, y, x) float32 are the unscaled maps, of the observation's size; ``actor_peak`` and ``critic_peak``
            (time,) float32 are their largest values. There are no masks, so there is no ``effective_masks``. The
            attribute ``made_by`` describes the method in words, ``compared`` what the gradient is of. Maps are not
            ``signed``.
        gradient: ``{NAME: {argument: value}}`` of the config.
        of: what the actor's map explains: the advantage of the action with the highest output, or of each action.
        block: index of the block.
        block_size: frames in a block.
        background_path: store written by ``searchlight.saliency.background``; only for gradients with a window.
        threads: number of torch's threads.
        network: the agent's network in the config.

    Raises:
        SearchlightError: the policy does not reproduce a frame's recorded outputs, or cannot be differentiated.
    """
    torch.set_num_threads(threads)
    policy, of_base = load_policy(policy_path, network), gradients.base(gradient)
    # Only gradients with a base use it.
    fill = fills.build({"level": 0} if of_base is None else of_base)
    chosen = registry.choose(gradients.FOLDER, gradient)
    with ExitStack() as stack:
        episode = stack.enter_context(load(episode_path))
        backgrounds = None if background_path is None else Backgrounds(stack.enter_context(load(background_path)))
        about = about_episode(episode, policy_path)
        length, height, width, _ = episode.shape("frame")
        frames = frames_of(block, block_size, length)
        preprocessing = preprocessings.build(episode.attributes["preprocessing"], (height, width))
        rows = slice(frames.start, frames.stop)
        given = episode.attributes["output"]
        recorded = {name: episode.read(name, rows) for name in (given, "value")}
        memory = {name: torch.from_numpy(episode.read(f"memory_{name}", rows)) for name in policy.initial_memory()}
        stacks = Stacks(episode, preprocessing, frames)
        writer = stack.enter_context(create(output))
        maps = MapsWriter(writer, preprocessing.shape, len(frames))
        for run in runs(frames.start, frames.stop, CHUNK_FRAMES):
            found = []
            for frame, made_of, screens in stacks.of(range(run.start, run.stop)):
                prepared, row = preprocessing.prepare(screens), frame - frames.start
                stored = {name: array[row] for name, array in recorded.items()}
                padding = preprocessing.channels * (preprocessing.stack - len(screens))
                actions = [int(stored[given].argmax())] if of == "chosen_action" else list(range(policy.actions))
                explained = Explained(policy, memory_at(memory, row), actions, padding)
                behind = None if backgrounds is None else np.stack([backgrounds.nearest(one) for one in made_of])
                base = partial(base_of, fill, prepared, preprocessing.channels, padding, behind)
                scene = gradients.Scene(_tensor(prepared.observation), explained, padding, base)
                where = f"{episode_path}: frame {frame}"
                check_recorded([one.numpy() for one in explained.outputs(scene.observation)], stored, where)
                try:
                    found.append(maps_of(chosen.module.attributions(scene, chosen.arguments)))
                except SearchlightError as error:
                    raise SearchlightError(f"{where}: {chosen.name}: {error}") from error
            maps.append(*(np.stack(layer) for layer in zip(*found, strict=True)))
        what = {"long_name": "decision of the episode"}
        writer.variable("time", Variable(("time",), np.array(frames, np.int64), what))
        told = {
            "gradient": gradient,
            "of": of,
            "space": "observation",
            "made_by": f"{gradients.words(gradient)}, of the {_OF[of]} and of the value",
            "compared": _OF[of],
            "signed": False,
        }
        writer.attributes({**about, **told, "block": block, "block_size": block_size})


def maps_of(attributions: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps of actor and critic, (height, width) float32: sums of absolute values.

    Args:
        attributions: (number, channel, height, width), the value's last.
    """
    summed = attributions.abs().sum(dim=1)
    return summed[:-1].sum(dim=0).numpy(), summed[-1].numpy()


def base_of(
    fill: Callable[[fills.Scene], np.ndarray],
    prepared: PreparedFrame,
    channels: int,
    padding: int,
    backgrounds: np.ndarray | None,
) -> Tensor:
    """Return an observation (channel, height, width) in which each picture is its fill; padding stays zeros.

    Args:
        fill: the fill, built.
        prepared: the frame.
        channels: number of channels of a picture.
        padding: number of oldest channels that hold no picture.
        backgrounds: (picture, H, W, 3) uint8, the background of each picture's screen; only for fills with a window.
    """
    base = prepared.observation.copy()
    pictures = base[:, :, padding:]
    pictures[...] = fills.of_observation(fill, pictures, prepared, channels, backgrounds)
    return _tensor(base)


def _tensor(observation: np.ndarray) -> Tensor:
    """Return an observation as networks take it, (channel, height, width)."""
    return channels_first(observation[None])[0].contiguous()
