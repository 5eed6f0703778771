"""The XAITK notebook's loop, re-stated: its classes, one forward a mask, its frame and memory indices."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from searchlight.policy import load_policy
from searchlight.store import load
from xaitk_saliency.impls.gen_classifier_conf_sal.occlusion_scoring import OcclusionScoring
from xaitk_saliency.impls.perturb_image.sliding_window import SlidingWindow
from xaitk_saliency.utils.masking import occlude_image_batch


def prepro(screen: np.ndarray) -> np.ndarray:
    """The notebook's preprocessing, (80, 80) float32."""
    return cv2.resize(src=screen[35:195].mean(2), dsize=(80, 80)).astype(np.float32) / 255.0


@torch.inference_mode()
def notebook_maps(policy_path: Path, episode_path: Path, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the notebook's actor and critic map, (210, 160), of what the notebook calls frame ``frame``.

    It keeps the screen after each step, so its ``ins[i]`` is our ``frame[i + 1]``; it keeps the memory after each
    step, so its ``hx[i - 1]`` is our ``memory_h[i]``.
    """
    policy = load_policy(policy_path)
    with load(episode_path) as episode:
        screen = episode.read("frame", slice(frame + 1, frame + 2))[0]
        memory = {
            name: torch.from_numpy(episode.read(f"memory_{name}", slice(frame, frame + 1)))
            for name in policy.architecture.memory
        }

    def outputs(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, value, _ = policy.step(torch.from_numpy(prepro(image))[None, None], memory)
        return value.numpy(), logits[0].numpy()

    ref_value, ref_logits = outputs(screen)
    masks = SlidingWindow(window_size=(5, 5), stride=(5, 5))(screen)
    values, logits = zip(*(outputs(image) for image in occlude_image_batch(screen, masks)), strict=True)
    generate = OcclusionScoring()
    actor = np.sum(np.abs(generate(ref_logits, np.stack(logits), masks)), axis=0)
    critic = np.abs(generate(ref_value, np.stack(values), masks)[0])
    return actor / actor.max(), critic
