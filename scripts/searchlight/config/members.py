"""Members of registries that a job's results depend on: those that the settings name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from searchlight import measures
from searchlight.agents import networks, preprocessings, wrappers
from searchlight.config import environments
from searchlight.config.models import Settings
from searchlight.measures import games
from searchlight.registry import name_and_arguments
from searchlight.saliency import fills, gradients, perturbers, scorers


def members_of(
    settings: Settings,
    agent: str | None,
    perturbation: str | None = None,
    method: str | None = None,
    measures_named: Iterable[str] = (),
) -> dict[str, list[str | Path] | None]:
    """Return the members of each registry that a job may load, for ``searchlight.fingerprint.digest_of_code``.

    Args:
        settings: the config.
        agent: the job's agent, or None.
        perturbation: the job's perturbation, or None.
        method: the job's method, or None; it determines the perturbation.
        measures_named: the job's measures.
    """
    members: dict[str, list[str | Path] | None] = {measures.FOLDER: list(measures_named)}
    if agent is not None:
        network, preprocessing = settings.agents[agent].network, settings.agents[agent].preprocessing
        members[networks.FOLDER] = networks.files_of(network)
        members[preprocessings.FOLDER] = [name_and_arguments(preprocessing)[0]]
        members[wrappers.FOLDER] = [name_and_arguments(settings.agents[agent].wrappers)[0]]
        env = settings.agents[agent].env
        # A user's own environment may be of any game.
        game = None if env is None else environments.game(env)
        members[games.FOLDER] = None if game is None else [game]
    if method is not None:
        scorer, gradient = settings.methods[method].scorer, settings.methods[method].gradient
        perturbation = settings.methods[method].perturbation
        if scorer is not None:
            members[scorers.FOLDER] = list(scorer)
        if gradient is not None:
            members[gradients.FOLDER] = list(gradient)
            members[fills.FOLDER] = list(gradients.base(gradient) or {})
    if perturbation is not None:
        members[fills.FOLDER] = list(settings.perturbations[perturbation].fill)
        members[perturbers.FOLDER] = list(settings.perturbations[perturbation].perturber)
    return members
