"""The perturbers and scorers that a config may name, with their arguments.

Those of xaitk-saliency that Searchlight computes itself (masks one by one, scores vectorised) are described here
by pydantic models, so that a config is checked without importing xaitk. Any other plug-in of xaitk's
``PerturbImage`` and ``GenerateClassifierConfidenceSaliency`` interfaces is found by its name and run as it is.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import Field

from searchlight import registry
from searchlight.config.arguments import Chance, Int, PositiveFloat, PositiveInt, Table
from searchlight.errors import SearchlightError, one_line


class SlidingWindow(Table):
    """A hard rectangle slid over the image."""

    window_size: tuple[PositiveInt, PositiveInt] = Field((50, 50), description="Height and width in pixels.")
    stride: tuple[PositiveInt, PositiveInt] = Field((20, 20), description="Step down and across in pixels.")


class SlidingRadial(Table):
    """An ellipse slid over the image, its edge softened by a Gaussian where `sigma` is given."""

    radius: tuple[PositiveFloat, PositiveFloat] = Field((50, 50), description="Radius in y and x in pixels.")
    stride: tuple[PositiveInt, PositiveInt] = Field((20, 20), description="Step down and across in pixels.")
    sigma: tuple[PositiveFloat, PositiveFloat] | None = Field(
        None, description="Standard deviation of the softening in y and x in pixels."
    )


class RISEGrid(Table):
    """Random masks of `s` x `s` cells, smoothly enlarged and shifted (Petsiuk et al. 2018)."""

    n: PositiveInt = Field(description="Number of masks.")
    s: PositiveInt = Field(description="Cells along each side.")
    p1: Chance = Field(description="Probability that a cell is kept.")
    seed: Int = Field(0, ge=0, description="Seed of the masks.")


class RandomGrid(Table):
    """Random masks of cells of `s` pixels, smoothly enlarged and shifted."""

    n: PositiveInt = Field(description="Number of masks.")
    s: tuple[PositiveInt, PositiveInt] = Field(description="Height and width of a cell in pixels.")
    p1: Chance = Field(description="Probability that a cell is kept.")
    seed: Int = Field(0, ge=0, description="Seed of the masks.")


PERTURBERS: dict[str, type[Table]] = {
    model.__name__: model for model in (SlidingWindow, SlidingRadial, RISEGrid, RandomGrid)
}
# They need one fill per colour and give masks of another rank: left to a later version.
UNSUPPORTED = {"MCRISEGrid", "MCRISEScoring"}


def known(kind: str) -> dict[str, type[Table]]:
    """Return the models of the project's own of a kind, ``perturber`` or ``scorer``, by the names that users see."""
    if kind == "perturber":
        return PERTURBERS
    return {name: member.Arguments for name, member in registry.members(f"saliency/{kind}s").items()}


def xaitk_classes(kind: str) -> dict[str, type]:
    """Return every xaitk-saliency class of a kind, ``perturber`` or ``scorer``, that can be imported, by name."""
    with _quiet():
        import xaitk_saliency.impls.gen_classifier_conf_sal.squared_difference_scoring  # noqa: F401  no entry point
        from xaitk_saliency import GenerateClassifierConfidenceSaliency, PerturbImage

        interface = {"perturber": PerturbImage, "scorer": GenerateClassifierConfidenceSaliency}[kind]
        return {plugin.__name__: plugin for plugin in interface.get_impls() if plugin.__name__ not in UNSUPPORTED}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what the discovery of plug-ins says of optional packages that are not there."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def build(kind: str, name: str, arguments: dict[str, Any]) -> Any:
    """Return an instance of an xaitk-saliency plug-in.

    Raises:
        SearchlightError: there is no plug-in of that name, or it does not take these arguments.
    """
    classes = xaitk_classes(kind)
    if name not in classes:
        allowed = ", ".join(dict.fromkeys([*known(kind), *sorted(classes)]))
        raise SearchlightError(f"found '{name}', allowed: {allowed}")
    arguments = dict(arguments)
    if name in ("RISEGrid", "RandomGrid"):
        arguments["threads"] = 0  # threads share one generator: the seed would not reproduce the masks
    try:
        return classes[name](**arguments)
    except (TypeError, ValueError) as error:
        raise SearchlightError(f"{name} does not take {arguments}: {one_line(error)}") from error


def check(kind: str, spec: Any) -> dict[str, dict[str, Any]]:
    """Return a plug-in's specification, ``NAME`` or ``{NAME: {argument: value}}``, complete and in plain types.

    Raises:
        SearchlightError: the specification has another form, an unknown name or wrong arguments.
    """
    if kind == "scorer":
        name, _ = registry.name_and_value(spec)
        if registry.file_of("saliency/scorers", name) is not None:
            return registry.choose("saliency/scorers", spec).spec
    name, arguments = registry.name_and_arguments(spec)
    if name in known(kind):
        return {name: registry.complete(name, known(kind)[name], arguments)}
    build(kind, name, arguments)
    return {name: arguments}
