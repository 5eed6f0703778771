"""The agent's outputs under every mask, block by block: the only step that runs the network again.

The frame is the unit of arithmetic. A frame's results depend on that frame, on the others in its observation's stack,
on the agent's memory there, and with ``fill: background`` on the episode's background. So results are bit-identical
for any block size and number of jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from searchlight.agents import networks
from searchlight.agents.policy import Policy
from searchlight.agents.policy_file import load_policy
from searchlight.errors import SearchlightError
from searchlight.saliency import fills
from searchlight.saliency.engine import make_engine
from searchlight.saliency.patches import Patches
from searchlight.saliency.perturbation import Perturbation
from searchlight.saliency.recorded import Moment, Recorded, about_episode, check_recorded
from searchlight.saliency.whole_forwards import Evaluator
from searchlight.store.blocks import frames_of, runs
from searchlight.store.zarr import CHUNK_FRAMES, Variable, create, load

# Masks in one chunk of the store, and outputs in memory at a time.
CHUNK_MASKS = 2**14
RUN_OUTPUTS = 2**21


@torch.inference_mode()
def perturb_block(
    policy_path: str | Path,
    episode_path: str | Path,
    output: str | Path,
    *,
    perturbation: dict[str, Any],
    block: int,
    block_size: int,
    background_path: str | Path | None = None,
    threads: int = 1,
    device: str = "cpu",
    network: networks.Spec | None = None,
) -> None:
    """Write the responses to a perturbation for one block of an episode's frames.

    Args:
        policy_path: safetensors written by ``searchlight.agents.checkpoint``.
        episode_path: store written by ``searchlight.agents.rollout``.
        output: path of the store to write. The network's outputs are (time, mask, action_index); the attribute
            ``output`` holds their name, such as ``logits``. ``value`` is (time, mask). The unperturbed outputs are
            ``reference_logits`` (time, action_index) and ``reference_value`` (time,). All of these are float32.
            ``effective_masks`` (time,) int64 counts the masks that change the agent's observation. A block past the
            episode's end is empty. The attribute ``hidden_by`` describes the fill in words; ``unchanged_because``
            gives the reason why masks may change nothing.
        perturbation: ``space``, ``perturber``, ``fill``, ``stack`` and ``memory_lag`` of the config.
        block: index of the block.
        block_size: frames in a block.
        background_path: store written by ``searchlight.saliency.background``; only for fills with a window.
        threads: number of torch's threads.
        device: ``cpu`` or ``cuda``.
        network: the agent's network in the config.

    Raises:
        SearchlightError: the device does not exist, or the policy does not reproduce a frame's recorded outputs.
    """
    torch.set_num_threads(threads)
    policy = _on_device(load_policy(policy_path, network), device)
    with ExitStack() as stack:
        episode = stack.enter_context(load(episode_path))
        background = None if background_path is None else stack.enter_context(load(background_path))
        recorded = Recorded(episode, background, perturbation["memory_lag"])
        attributes = {
            **about_episode(episode, policy_path),
            "perturbation": perturbation,
            **fills.described(perturbation["fill"]),
            "block": block,
            "block_size": block_size,
        }
        frames = frames_of(block, block_size, recorded.length)
        perturbed = Perturbation(perturbation, recorded.preprocessing)
        responses = Responses(make_engine(policy, recorded.preprocessing.shape), perturbed)
        count, actions, given = len(perturbed.masks), policy.actions, recorded.given
        with create(output) as writer:
            run = max(1, min(CHUNK_FRAMES, RUN_OUTPUTS // (count * (actions + 1))))
            chunk = (min(run, len(frames)), min(count, CHUNK_MASKS))
            written = [
                writer.array(given, ("time", "mask", "action_index"), (count, actions), np.float32, (*chunk, actions)),
                writer.array("value", ("time", "mask"), (count,), np.float32, chunk),
                writer.array(
                    f"reference_{given}", ("time", "action_index"), (actions,), np.float32, (len(frames), actions)
                ),
                writer.array("reference_value", ("time",), (), np.float32, (len(frames),)),
            ]
            effective = np.zeros(len(frames), np.int64)
            for rows in runs(0, len(frames), run):
                outputs = []
                for moment in recorded.moments(frames[rows]):
                    found, effective[moment.decision - frames.start] = responses.of(moment)
                    outputs.append(found)
                for array, values in zip(written, zip(*outputs, strict=True), strict=True):
                    array.append(values)
            what = {"long_name": "number of masks that change what the agent sees"}
            writer.variable("effective_masks", Variable(("time",), effective, what))
            what = {"long_name": "decision of the episode"}
            writer.variable("time", Variable(("time",), np.array(frames, np.int64), what))
            writer.attributes(attributes)


class Responses:
    """The outputs of a network under a perturbation, frame by frame."""

    def __init__(self, engine: Evaluator, perturbation: Perturbation, check: bool = True) -> None:
        """Take an evaluator of the network; ``check`` says whether it must have played the episode."""
        self._engine, self._perturbation, self._check = engine, perturbation, check

    def of(self, moment: Moment) -> tuple[tuple[np.ndarray, ...], int]:
        """Return the responses of one frame, and how many masks change what the agent sees.

        Returns:
            Outputs (mask, action) and values (mask,); the unperturbed outputs (action,) and value (); the number.

        Raises:
            SearchlightError: the network does not reproduce the recorded outputs.
        """
        engine, masks = self._engine, self._perturbation.masks
        reference = engine.reference(moment.prepared.observation)
        if self._check:
            check_recorded(engine.outputs(reference, moment.memory), moment.outputs, moment.where)
        found = self._perturbation.patches(moment.screens, moment.prepared, moment.backgrounds)
        patches = _Counted(found)
        return engine.respond(reference, moment.earlier_memory, patches, len(masks)), patches.masks


class _Counted:
    """An iterator over patches; ``masks`` counts the masks of the patches that it has yielded."""

    def __init__(self, patches: Iterable[Patches]) -> None:
        self._patches = patches
        self.masks = 0

    def __iter__(self) -> Iterator[Patches]:
        for found in self._patches:
            self.masks += len(found.masks)
            yield found


def _on_device(policy: Policy, device: str) -> Policy:
    if device == "cuda":
        if not torch.cuda.is_available():
            raise SearchlightError(
                f"config: device: found 'cuda', but PyTorch {torch.__version__} sees no GPU here, allowed: cpu"
            )
        # Full precision and a fixed order of sums make results repeatable, and equal to the CPU's but for rounding.
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
    return policy.to(device)
