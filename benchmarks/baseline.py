"""Two other ways to make maps. Speed is measured against both, and tests compare maps with them.

The XAITK notebook's way uses its classes, one forward a mask, and a thread a frame. A competent user's way makes masks
once, applies them by numpy, and runs forwards in batches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from searchlight.agents.policy import Memory, Policy
from searchlight.agents.policy_file import load_policy
from searchlight.store.zarr import load
from xaitk_saliency import GenerateClassifierConfidenceSaliency, PerturbImage
from xaitk_saliency.impls.gen_classifier_conf_sal.occlusion_scoring import OcclusionScoring
from xaitk_saliency.impls.gen_classifier_conf_sal.rise_scoring import RISEScoring
from xaitk_saliency.impls.gen_classifier_conf_sal.squared_difference_scoring import SquaredDifferenceScoring
from xaitk_saliency.impls.perturb_image.rise import RISEGrid
from xaitk_saliency.impls.perturb_image.sliding_radial import SlidingRadial
from xaitk_saliency.impls.perturb_image.sliding_window import SlidingWindow
from xaitk_saliency.utils.masking import occlude_image_batch

Maps = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A way to perturb and score, as a user of xaitk-saliency would write it.

    Attributes:
        perturber: makes the masks, anew for each frame.
        scorer: makes the maps.
        on_screen: whether the screen is perturbed, or the observation.
        fill: what hides pixels, from the image; None is black.
    """

    perturber: PerturbImage
    scorer: GenerateClassifierConfidenceSaliency
    on_screen: bool
    fill: Callable[[np.ndarray], np.ndarray] | None = None


CASES = {
    "notebook": Case(SlidingWindow((5, 5), (5, 5)), OcclusionScoring(), on_screen=True),
    "upstream": Case(
        SlidingRadial((1, 1), (5, 5), (5, 5)),
        SquaredDifferenceScoring(),
        on_screen=False,
        fill=lambda image: gaussian_filter(image, 3),
    ),
    # threads=0, because with more threads a seed does not give the same masks again.
    "rise": Case(RISEGrid(1000, 8, 0.5, seed=0, threads=0), RISEScoring(0.5), on_screen=False),
}


def notebook_policy(path: Path) -> Policy:
    """Return a policy with the notebook's own activation, torch's."""
    policy = load_policy(path)
    policy.pointwise = torch.nn.functional.elu
    return policy


def prepro(screen: np.ndarray) -> np.ndarray:
    """The notebook's preprocessing, (80, 80) float32."""
    return cv2.resize(src=screen[35:195].mean(2), dsize=(80, 80)).astype(np.float32) / 255.0


def imresize(screen: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """What ``scipy.misc.imresize`` made of a screen, (80, 80) float32, stretched by the range of ``like`` if given."""
    grey, of = (one[35:195].mean(2) for one in (screen, screen if like is None else like))
    spread = of.max() - of.min() or 1
    stretched = np.clip((grey - of.min()) * (255 / spread) + 0.5, 0, 255).astype(np.uint8)
    halved = Image.fromarray(stretched).resize((80, 80), Image.Resampling.BILINEAR)
    return np.asarray(halved).astype(np.float32) / np.float32(255)


@torch.inference_mode()
def frame_maps(case: Case, policy: Policy, screen: np.ndarray, memory: Memory) -> Maps:
    """Return the actor's and the critic's map of one frame.

    The actor's map is the sum of its absolute maps, divided by its maximum. The critic's is its one absolute map.
    """

    def outputs(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        observation = prepro(image) if case.on_screen else image
        logits, value, _ = policy.step(torch.from_numpy(observation)[None, None], memory)
        return value.numpy(), logits[0].numpy()

    image = screen if case.on_screen else prepro(screen)
    ref_value, ref_logits = outputs(image)
    masks = case.perturber(image)
    fill = case.fill(image) if case.fill is not None else None
    images = occlude_image_batch(image, masks, fill=fill)
    values, logits = zip(*(outputs(one) for one in images), strict=True)
    actor = np.abs(case.scorer(ref_logits, np.stack(logits), masks)).reshape(-1, *image.shape[:2]).sum(axis=0)
    critic = np.abs(case.scorer(ref_value, np.stack(values), masks)).reshape(-1, *image.shape[:2])[0]
    return actor / actor.max(), critic


# Observations in one forward. The time a mask is least with this number.
BATCH = 64


def sb3(screen: np.ndarray) -> np.ndarray:
    """A picture as stable-baselines3 makes it, (84, 84) float32."""
    grey = cv2.cvtColor(screen, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (84, 84), interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255)


@torch.inference_mode()
def batched_outputs(
    policy: Policy,
    images: np.ndarray,
    masks: np.ndarray,
    fill: np.ndarray | float,
    prepare: Callable[[np.ndarray], np.ndarray] | None,
    memory: Memory,
    older: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return logits (mask, action) and values (mask,) under all masks, as a competent user would compute them.

    Args:
        policy: the agent's.
        images: the screens of the perturbed pictures, (picture, H, W, 3), or these pictures, (picture, height, width).
        masks: (mask, height, width), bool where they are hard, else float32.
        fill: what hides pixels: images of the same shape, or a level.
        prepare: what makes a picture of a screen; None for pictures.
        memory: arrays of (1, hidden).
        older: pictures before them that are not perturbed, (picture, height, width).
    """
    logits, values = [], []
    for start in range(0, len(masks), BATCH):
        weights = masks[start : start + BATCH]
        weights = weights[:, None, :, :, None] if images.ndim == 4 else weights[:, None]
        hard = weights.dtype == bool
        hidden = np.where(weights, images, fill) if hard else weights * images + (1 - weights) * fill
        hidden = hidden.astype(images.dtype)
        seen = hidden if prepare is None else np.stack([[prepare(one) for one in pictures] for pictures in hidden])
        if older is not None:
            seen = np.concatenate([np.broadcast_to(older, (len(seen), *older.shape)), seen], axis=1)
        some_logits, some_values, _ = policy.step(torch.from_numpy(seen), memory)
        logits.append(some_logits.numpy())
        values.append(some_values.numpy())
    return np.concatenate(logits), np.concatenate(values)


def read_frame(
    policy: Policy, episode_path: Path, frame: int, lag: int = 0
) -> tuple[np.ndarray, dict[str, torch.Tensor]]:
    """Return the screen of a decision, and the memory ``lag`` decisions before it."""
    with load(episode_path) as episode:
        rows = slice(frame - lag, frame - lag + 1)
        memory = {name: torch.from_numpy(episode.read(f"memory_{name}", rows)) for name in policy.initial_memory()}
        return episode.read("frame", slice(frame, frame + 1))[0], memory


def notebook_maps(policy_path: Path, episode_path: Path, frame: int) -> Maps:
    """Return the notebook's maps, (210, 160), of what the notebook calls frame ``frame``.

    The notebook keeps the screen after each step, so its ``ins[i]`` is our ``frame[i + 1]``. It also keeps the memory
    after each step, so its ``hx[i - 1]`` is our ``memory_h[i]``.
    """
    policy = notebook_policy(policy_path)
    return frame_maps(CASES["notebook"], policy, *read_frame(policy, episode_path, frame + 1, lag=1))


def maps_in_threads(case: Case, policy_path: Path, episode_path: Path, frames: range) -> list[Maps]:
    """Return the maps of some frames as the notebook's ``app`` makes them: all at once, a thread a frame."""
    policy = notebook_policy(policy_path)
    found: dict[int, Maps] = {}

    def work(frame: int) -> None:
        found[frame] = frame_maps(case, policy, *read_frame(policy, episode_path, frame))

    threads = [threading.Thread(target=work, args=[frame]) for frame in frames]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[frame] for frame in frames]
