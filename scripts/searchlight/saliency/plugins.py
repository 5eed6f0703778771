"""Perturbers and scorers that a config may name: the project's own, and all others of xaitk-saliency.

The project's own are in ``searchlight.saliency.perturbers`` and ``searchlight.saliency.scorers``. A config that names
only these is checked without importing xaitk. Any other plug-in of xaitk's ``PerturbImage`` and
``GenerateClassifierConfidenceSaliency`` interfaces is found by its name and runs unchanged.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from searchlight import registry
from searchlight.errors import SearchlightError, one_line

# Unsupported, because they need one fill for each colour and their masks have another rank.
UNSUPPORTED = {"MCRISEGrid", "MCRISEScoring"}


def xaitk_classes(kind: str) -> dict[str, type]:
    """Return the importable xaitk-saliency classes of a kind, ``perturber`` or ``scorer``, by name."""
    with _quiet():
        import xaitk_saliency.impls.gen_classifier_conf_sal.squared_difference_scoring  # noqa: F401  no entry point
        from xaitk_saliency import GenerateClassifierConfidenceSaliency, PerturbImage

        interface = {"perturber": PerturbImage, "scorer": GenerateClassifierConfidenceSaliency}[kind]
        return {plugin.__name__: plugin for plugin in interface.get_impls() if plugin.__name__ not in UNSUPPORTED}


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings and logs, because plug-in discovery reports every optional package that is missing."""
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
        SearchlightError: no plug-in has that name, or the plug-in does not take these arguments.
    """
    classes = xaitk_classes(kind)
    if name not in classes:
        allowed = ", ".join(dict.fromkeys([*registry.members(_folder(kind)), *sorted(classes)]))
        raise SearchlightError(f"found '{name}', allowed: {allowed}")
    try:
        return classes[name](**arguments)
    except (TypeError, ValueError) as error:
        raise SearchlightError(f"{name} does not take {arguments}: {one_line(error)}") from error


def check(kind: str, spec: Any) -> dict[str, dict[str, Any]]:
    """Return a plug-in's specification, ``NAME`` or ``{NAME: {argument: value}}``, complete and in plain types.

    Raises:
        SearchlightError: the specification has another form, an unknown name or wrong arguments.
    """
    name, _ = registry.name_and_value(spec)
    if registry.file_of(_folder(kind), name) is not None:
        return registry.choose(_folder(kind), spec).spec
    name, arguments = registry.name_and_arguments(spec)
    build(kind, name, arguments)
    return {name: arguments}


def _folder(kind: str) -> str:
    return f"saliency/{kind}s"
