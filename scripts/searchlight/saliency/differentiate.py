"""Saliency maps from gradients, block by block: the network runs again, and torch computes its gradients.

A map lies on the observation's pixels. At each pixel it is the sum of absolute values over the channels of the stack,
and over the actions where every action is explained. Signed maps are sums with their signs. Pictures that a young stack
does not have yet get no map.

The frame is the unit of arithmetic, as in ``searchlight.saliency.perturb``. It takes few passes, so this runs on the
CPU alone.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from searchlight import registry
from searchlight.agents import networks
from searchlight.agents.policy import Policy, channels_first
from searchlight.agents.policy_file import load_policy
from searchlight.agents.preprocessing import Preprocessing
from searchlight.errors import SearchlightError
from searchlight.saliency import fills, gradients
from searchlight.saliency.explained import Explained
from searchlight.saliency.maps import MapsWriter
from searchlight.saliency.recorded import Moment, Recorded, about_episode, check_recorded
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
    signed: bool = False,
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
            attribute ``made_by`` describes the method in words, ``compared`` what the gradient is of, and ``signed``
            says whether maps have a sign.
        gradient: ``{NAME: {argument: value}}`` of the config.
        of: what the actor's map explains: the advantage of the action with the highest output, or of each action.
        signed: whether maps keep their sign: positive where what is there raises the number. Of one action only.
        block: index of the block.
        block_size: frames in a block.
        background_path: store written by ``searchlight.saliency.background``; only for gradients with a window.
        threads: number of torch's threads.
        network: the agent's network in the config.

    Raises:
        SearchlightError: the policy does not reproduce a frame's recorded outputs, or cannot be differentiated.
    """
    torch.set_num_threads(threads)
    policy = load_policy(policy_path, network)
    with ExitStack() as stack:
        episode = stack.enter_context(load(episode_path))
        background = None if background_path is None else stack.enter_context(load(background_path))
        about = about_episode(episode, policy_path)
        recorded = Recorded(episode, background)
        gradients_of = Differentiation(policy, recorded.preprocessing, gradient, of, signed)
        frames = frames_of(block, block_size, recorded.length)
        writer = stack.enter_context(create(output))
        maps = MapsWriter(writer, recorded.preprocessing.shape, len(frames))
        for run in runs(0, len(frames), CHUNK_FRAMES):
            found = [gradients_of.maps(moment) for moment in recorded.moments(frames[run])]
            maps.append(*(np.stack(layer) for layer in zip(*found, strict=True)))
        what = {"long_name": "decision of the episode"}
        writer.variable("time", Variable(("time",), np.array(frames, np.int64), what))
        sign = " with its sign" if signed else ""
        told = {
            "gradient": gradient,
            "of": of,
            "space": "observation",
            "made_by": f"{gradients.words(gradient)}, of the {_OF[of]} and of the value{sign}",
            "compared": _OF[of],
            "signed": signed,
        }
        writer.attributes({**about, **told, "block": block, "block_size": block_size})


class Differentiation:
    """Maps by a gradient of one policy, frame by frame.

    Attributes:
        has_base: whether the gradient counts changes from another observation.
    """

    def __init__(
        self,
        policy: Policy,
        preprocessing: Preprocessing,
        gradient: dict[str, dict[str, Any]],
        of: Of,
        signed: bool = False,
    ) -> None:
        """Take a policy, its preprocessing, and the method as ``differentiate_block`` takes it."""
        self._policy, self._preprocessing, self._of, self._signed = policy, preprocessing, of, signed
        self._chosen = registry.choose(gradients.FOLDER, gradient)
        of_base = gradients.base(gradient)
        self.has_base = of_base is not None
        self._fill = fills.build({"level": 0} if of_base is None else of_base)

    def maps(self, moment: Moment) -> tuple[np.ndarray, np.ndarray]:
        """Return the maps of actor and critic, (height, width) float32.

        Raises:
            SearchlightError: the policy does not reproduce the recorded outputs, or cannot be differentiated.
        """
        scene = self._scene(moment)
        outputs = [one.numpy() for one in scene.explained.outputs(scene.observation)]
        check_recorded(outputs, moment.outputs, moment.where)
        return self.unchecked_maps(moment)

    def unchecked_maps(self, moment: Moment) -> tuple[np.ndarray, np.ndarray]:
        """Return the maps of a policy that did not play the episode; the explained actions are those of the episode."""
        try:
            attributions = self._chosen.module.attributions(self._scene(moment), self._chosen.arguments)
        except SearchlightError as error:
            raise SearchlightError(f"{moment.where}: {self._chosen.name}: {error}") from error
        return maps_of(attributions, self._signed)

    def base(self, moment: Moment) -> np.ndarray:
        """Return the observation (height, width, channel) that changes are counted from; black without one."""
        pictures = len(moment.screens)
        return fills.filled(self._fill, moment.prepared, self._preprocessing, pictures, moment.backgrounds)

    def _padding(self, moment: Moment) -> int:
        return self._preprocessing.channels * (self._preprocessing.stack - len(moment.screens))

    def _scene(self, moment: Moment) -> gradients.Scene:
        values = next(iter(moment.outputs.values()))
        actions = [int(values.argmax())] if self._of == "chosen_action" else list(range(self._policy.actions))
        explained = Explained(self._policy, moment.memory, actions, self._padding(moment))
        return gradients.Scene(
            _tensor(moment.prepared.observation),
            explained,
            self._padding(moment),
            lambda: _tensor(self.base(moment)),
        )


def maps_of(attributions: Tensor, signed: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps of actor and critic, (height, width) float32: sums of absolute values, or with their signs.

    Args:
        attributions: (number, channel, height, width), the value's last.
        signed: whether maps keep their sign.
    """
    summed = (attributions if signed else attributions.abs()).sum(dim=1)
    return summed[:-1].sum(dim=0).numpy(), summed[-1].numpy()


def _tensor(observation: np.ndarray) -> Tensor:
    """Return an observation as networks take it, (channel, height, width)."""
    return channels_first(observation[None])[0].contiguous()
