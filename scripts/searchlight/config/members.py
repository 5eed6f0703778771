"""Which files of registries the results of an agent depend on: those that its settings name."""

from __future__ import annotations

from searchlight.agents import networks, preprocessings
from searchlight.config.models import Settings
from searchlight.registry import name_and_arguments
from searchlight.saliency import fills, perturbers, scorers


def members_of(
    settings: Settings, agent: str, *, perturbation: str | None = None, method: str | None = None
) -> dict[str, list[str] | None]:
    """Return the members of each registry that a job may load, for ``searchlight.fingerprint.digest_of_code``.

    Args:
        settings: the config.
        agent: whose results they are.
        perturbation: that the results are of; None for those of an agent alone.
        method: likewise; its perturbation is then known.
    """
    member = settings.agents[agent]
    members: dict[str, list[str] | None] = {
        # Which network a checkpoint holds is known when it was fetched, unless the config says it.
        networks.FOLDER: None if member.network is None else [member.network],
        preprocessings.FOLDER: [name_and_arguments(member.preprocessing)[0]],
    }
    if method is not None:
        members[scorers.FOLDER] = list(settings.methods[method].scorer)
        perturbation = settings.methods[method].perturbation
    if perturbation is not None:
        members[fills.FOLDER] = list(settings.perturbations[perturbation].fill)
        members[perturbers.FOLDER] = list(settings.perturbations[perturbation].perturber)
    return members
