"""Saliency maps from responses: cheap, because the network does not run again.

The scorers in ``searchlight.saliency.scorers`` are computed for all outputs at once. Any other plug-in of
xaitk-saliency runs through xaitk's interface.

As in the XAITK notebook, an actor map is the sum of the absolute maps of the actor's outputs. A critic map is the
absolute map of the critic's one output. A map without signal is all zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from searchlight import registry
from searchlight.agents import preprocessings
from searchlight.errors import SearchlightError
from searchlight.saliency import plugins, scorers
from searchlight.saliency.hidden_sums import HiddenSums
from searchlight.saliency.maps import MapsWriter
from searchlight.saliency.masks import Masks, masks_of
from searchlight.store.blocks import runs
from searchlight.store.zarr import CHUNK_FRAMES, create, load

Scorer = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _through_xaitk(masks: Masks, name: str, arguments: dict[str, Any]) -> Scorer:
    plugin = plugins.build("scorer", name, arguments)
    dense = masks.dense(0, len(masks))

    def score(reference: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
        maps = [np.asarray(plugin(ref, outputs, dense)) for ref, outputs in zip(reference, perturbed, strict=True)]
        for one in maps:
            if one.dtype.kind not in "buif":
                raise SearchlightError(f"{name}: found a map of type {one.dtype}, allowed: numbers")
            if one.ndim not in (2, 3) or one.shape[-2:] != masks.shape or not one.size:
                height, width = masks.shape
                raise SearchlightError(
                    f"{name}: found a map of the shape {one.shape}, allowed: ({height}, {width}) or (1 or more, "
                    f"{height}, {width})"
                )
        summed = np.stack([np.abs(one).reshape(-1, *masks.shape).sum(axis=0) for one in maps])
        return np.where(np.isfinite(summed), summed, 0).astype(np.float32)

    return score


def make_scorer(scorer: dict[str, dict[str, Any]], masks: Masks) -> Scorer:
    """Return a function that makes saliency maps.

    Args:
        scorer: ``{NAME: {argument: value}}`` as ``searchlight.saliency.plugins.check`` returns it.
        masks: masks of the perturbation.

    Returns:
        A function of reference outputs (frame, output) and perturbed outputs (frame, mask, output) that returns one
        map a frame, (frame, height, width) float32: the sum over outputs of the absolute maps.

    Raises:
        SearchlightError: the plug-in cannot be built.
    """
    ((name, arguments),) = scorer.items()
    if registry.file_of(scorers.FOLDER, name) is None:
        return _through_xaitk(masks, name, arguments)
    chosen, sums = registry.choose(scorers.FOLDER, scorer), HiddenSums(masks)

    def score(reference: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
        cells = np.abs(chosen.module.maps(sums, reference, perturbed, chosen.arguments)).sum(axis=1)
        return sums.on_pixels(cells.astype(np.float32))

    return score


def score_block(responses_path: str | Path, output: str | Path, *, scorer: dict[str, dict[str, Any]]) -> None:
    """Write the saliency maps of one block.

    Args:
        responses_path: store written by ``searchlight.saliency.perturb``.
        output: path of the store to write. ``actor`` and ``critic`` (time, y, x) float32 are the unscaled maps, of
            the perturbed image's size. ``actor_peak`` and ``critic_peak`` (time,) float32 are their largest values.
            ``effective_masks`` (time,) int64 is copied from the responses. The attribute ``coverage`` is the fraction
            of the agent's pixels that at least one mask hides. The attribute ``caution`` is the scorer's ``CAUTION``,
            if it has one. The attribute ``made_by`` describes the method in words.
        scorer: scorer of the config.

    Raises:
        SearchlightError: a plug-in cannot be built, or its masks or maps are invalid.
    """
    with load(responses_path) as responses, create(output) as writer:
        perturbation = responses.attributes["perturbation"]
        preprocessing = preprocessings.build(
            responses.attributes["preprocessing"], tuple(responses.attributes["screen"])
        )
        masks = masks_of(perturbation, preprocessing)
        score = make_scorer(scorer, masks)
        given, length = responses.attributes["output"], responses.shape("time")[0]
        maps = MapsWriter(writer, masks.shape, length)
        for rows in runs(0, length, CHUNK_FRAMES):
            outputs, value = responses.read(given, rows), responses.read("value", rows)
            reference = responses.read(f"reference_{given}", rows)
            reference_value = responses.read("reference_value", rows)
            maps.append(score(reference, outputs), score(reference_value[:, None], value[..., None]))
        for name in ("effective_masks", "time"):
            array = writer.array(name, ("time",), (), np.int64, (length,), responses.about(name))
            array.append(responses.read(name))
        top, bottom, left, right = preprocessing.seen
        covered = masks.covered
        if perturbation["space"] == "screen":
            covered = covered[top:bottom, left:right]
        space, hidden_by = perturbation["space"], responses.attributes["hidden_by"]
        made_by = f"{next(iter(perturbation['perturber']))} on the {space}, {hidden_by}, {next(iter(scorer))}"
        about = {"scorer": scorer, "coverage": float(covered.mean()), "space": space, "made_by": made_by}
        writer.attributes({**responses.attributes, **about, **scorers.caution(scorer)})
