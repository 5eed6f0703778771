"""Which files of registries the results of an agent depend on: those that its settings name."""

from __future__ import annotations

from searchlight.agents import networks, preprocessings
from searchlight.config.models import Settings
from searchlight.registry import name_and_arguments
from searchlight.saliency import fills, perturbers, scorers


def members_of(
    settings: Settings, agent: str | None, perturbation: str | None = None, method: str | None = None
) -> dict[str, list[str] | None]:
    """Return the members of each registry that a job may load, for ``searchlight.fingerprint.digest_of_code``.

    Args:
        settings: the config.
        agent: whose results the job makes, if it is about one.
        perturbation: that it is about, if it is about one.
        method: likewise; its perturbation is then known.
    """
    members: dict[str, list[str] | None] = {}
    if agent is not None:
        network, preprocessing = settings.agents[agent].network, settings.agents[agent].preprocessing
        # Which network a checkpoint holds is known when it was fetched, unless the config says it.
        members[networks.FOLDER] = None if network is None else [network]
        members[preprocessings.FOLDER] = [name_and_arguments(preprocessing)[0]]
    if method is not None:
        members[scorers.FOLDER] = list(settings.methods[method].scorer)
        perturbation = settings.methods[method].perturbation
    if perturbation is not None:
        members[fills.FOLDER] = list(settings.perturbations[perturbation].fill)
        members[perturbers.FOLDER] = list(settings.perturbations[perturbation].perturber)
    return members
