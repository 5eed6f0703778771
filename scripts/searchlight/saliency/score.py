"""Saliency maps from responses: cheap, because the network does not run again.

The scorers in ``searchlight.saliency.scorers`` are computed for all outputs at once. Any other plug-in of
xaitk-saliency runs through xaitk's interface.

As in the XAITK notebook, an actor map is the sum of the absolute maps of the actor's outputs. A critic map is the
absolute map of the critic's one output. Signed maps are those of one output, of the chosen action or of the value, as
they are. A map without signal is all zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from searchlight import registry
from searchlight.agents import preprocessings
from searchlight.config.outputs import Output
from searchlight.errors import SearchlightError
from searchlight.saliency import outputs, plugins, scorers
from searchlight.saliency.hidden_sums import HiddenSums
from searchlight.saliency.maps import MapsWriter
from searchlight.saliency.masks import Masks, masks_of
from searchlight.store.blocks import runs
from searchlight.store.zarr import CHUNK_FRAMES, create, load


class Scorer(Protocol):
    """A function that makes maps of outputs."""

    def __call__(self, reference: np.ndarray, perturbed: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
        """Return one map a frame, (frame, height, width) float32.

        Args:
            reference: (frame, output), the outputs.
            perturbed: (frame, mask, output), those under each mask.
            chosen: (frame,) int64, the actions to explain, for scorers that explain one of several outputs; without
                it, those with the highest output.
        """


class Scorers(NamedTuple):
    """Functions that make maps of the actor and of the critic.

    The critic's one output is the value.
    """

    actor: Scorer
    critic: Scorer


def _through_xaitk(masks: Masks, name: str, arguments: dict[str, Any]) -> Scorer:
    plugin = plugins.build("scorer", name, arguments)
    dense = masks.dense(0, len(masks))

    def score(reference: np.ndarray, perturbed: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:  # noqa: ARG001
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


def make_scorers(scorer: dict[str, dict[str, Any]], masks: Masks, *, signed: bool = False) -> Scorers:
    """Return the functions that make saliency maps.

    Args:
        scorer: ``{NAME: {argument: value}}`` as ``searchlight.saliency.plugins.check`` returns it.
        masks: masks of the perturbation.
        signed: whether maps keep their sign. The scorer must have one, and the outputs must be one.

    Returns:
        Functions whose maps are the sums over outputs of the absolute maps, or if signed, the one output's map.

    Raises:
        SearchlightError: the plug-in cannot be built.
    """
    ((name, arguments),) = scorer.items()
    if registry.file_of(scorers.FOLDER, name) is None:
        through_xaitk = _through_xaitk(masks, name, arguments)
        return Scorers(through_xaitk, through_xaitk)
    member, sums = registry.choose(scorers.FOLDER, scorer), HiddenSums(masks)

    def made_by(function: Callable[..., np.ndarray], takes_chosen: bool) -> Scorer:
        def score(reference: np.ndarray, perturbed: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
            given = {"chosen": chosen} if takes_chosen else {}
            each = function(sums, reference, perturbed, member.arguments, **given)
            cells = each[:, 0] if signed else np.abs(each).sum(axis=1)
            return sums.on_pixels(cells.astype(np.float32))

        return score

    of_actor, of_critic = member.module.maps, member.get("critic_maps")
    actor = made_by(of_actor, member.get("TAKES_CHOSEN", False))
    return Scorers(actor, actor if of_critic is None else made_by(of_critic, False))


def score_block(
    responses_path: str | Path,
    output: str | Path,
    *,
    scorer: dict[str, dict[str, Any]],
    compares: Output = "logits",
    temperature: float | None = None,
    signed: bool = False,
) -> None:
    """Write the saliency maps of one block.

    Args:
        responses_path: store written by ``searchlight.saliency.perturb``.
        output: path of the store to write. ``actor`` and ``critic`` (time, y, x) float32 are the unscaled maps, of
            the perturbed image's size. ``actor_peak`` and ``critic_peak`` (time,) float32 are their largest absolute
            values. ``effective_masks`` (time,) int64 is copied from the responses. The attribute ``coverage`` is the
            fraction of the agent's pixels that at least one mask hides. The attribute ``caution`` is the scorer's
            ``CAUTION``, if it has one. The attribute ``made_by`` describes the method in words. The attribute
            ``compared`` is the compared output in words, and ``signed`` says whether
            maps have a sign.
        scorer: scorer of the config.
        compares: what of the network's answer the actor's maps are made from, ``output`` of the method.
        temperature: divisor of Q-values that makes them logits; None without probabilities of Q-networks.
        signed: whether maps keep their sign: positive where what was hidden raises the output.

    Raises:
        SearchlightError: the network does not have this output, a plug-in cannot be built, or its masks or maps are
            invalid.
    """
    with load(responses_path) as responses, create(output) as writer:
        perturbation = responses.attributes["perturbation"]
        preprocessing = preprocessings.build(
            responses.attributes["preprocessing"], tuple(responses.attributes["screen"])
        )
        masks = masks_of(perturbation, preprocessing)
        given, length = responses.attributes["output"], responses.shape("time")[0]
        outputs.check(given, compares, temperature)
        score, maps = make_scorers(scorer, masks, signed=signed), MapsWriter(writer, masks.shape, length)
        for rows in runs(0, length, CHUNK_FRAMES):
            answers = responses.read(f"reference_{given}", rows), responses.read(given, rows)
            values = responses.read("reference_value", rows)[:, None], responses.read("value", rows)[..., None]
            maps.append(score.actor(*outputs.compared(*answers, given, compares, temperature)), score.critic(*values))
        for name in ("effective_masks", "time"):
            array = writer.array(name, ("time",), (), np.int64, (length,), responses.about(name))
            array.append(responses.read(name))
        top, bottom, left, right = preprocessing.seen
        covered = masks.covered
        if perturbation["space"] == "screen":
            covered = covered[top:bottom, left:right]
        space, hidden_by = perturbation["space"], responses.attributes["hidden_by"]
        (perturber,), (name,) = perturbation["perturber"], scorer
        compared = outputs.described(given, compares, temperature)
        how = f"{name} of the {compared}{' with its sign' if signed else ''}"
        about = {
            "scorer": scorer,
            "coverage": float(covered.mean()),
            "space": space,
            "made_by": f"{perturber} on the {space}, {hidden_by}, {how}",
            "compared": compared,
            "signed": signed,
        }
        writer.attributes({**responses.attributes, **about, **scorers.caution(scorer)})
