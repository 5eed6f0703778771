"""Inputs, parameters and lineages of jobs, derived from the names in their paths.

A path names a job's clip, method or agent. The config gives the other names: a clip's agent and seed, a method's
perturbation or gradient, and the background that it needs. Rules write paths and settings with names in braces, and a
``Plan`` fills them in.

A lineage is a digest of a rule's settings and code, and of the earlier rules' lineages, back to the checkpoint.
A result is out of date when its lineage has changed. File dates are no reliable sign, because clocks go wrong and
restored files have old dates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple

from searchlight.config.environments import own_code
from searchlight.config.members import members_of
from searchlight.config.models import Settings
from searchlight.config.views import LAYERS
from searchlight.errors import SearchlightError
from searchlight.fingerprint import digest_of_code, lineage
from searchlight.saliency import fills, gradients

# Keys of an agent that say how it plays.
_PLAYED = ("env", "wrappers", "preprocessing", "actions", "network")


class Names(NamedTuple):
    """Names that identify a job. A name is None if neither the job's path nor the config gives it."""

    clip: str | None = None
    agent: str | None = None
    seed: str | None = None
    method: str | None = None
    perturbation: str | None = None
    window: str | None = None
    gradient: str | None = None


class _Rule(NamedTuple):
    """Sources of the lineage of a rule's results: earlier rules, code or not, settings."""

    after: Sequence[str]
    with_code: bool
    only_with: str | None
    given: Mapping[str, Any]


class Plan:
    """Paths, parameters and lineages of the jobs of all rules, for one config.

    Wildcards are Snakemake's, or any mapping of names.
    """

    def __init__(self, settings: Settings, scripts: Path) -> None:
        """Make a plan from a config and the folder of the rules' scripts."""
        self._settings = settings
        self._scripts = scripts
        self._rules: dict[str, _Rule] = {}
        self._values = {**settings.model_dump(mode="json"), "episodes": {}, "windows": {}}
        for clip in settings.clips.values():
            agent = settings.agents[clip.agent].model_dump(mode="json", include=set(_PLAYED))
            episode = {"agent": clip.agent, "seed": clip.seed, "max_steps": clip.max_steps, **agent}
            self._values["episodes"].setdefault(clip.agent, {})[str(clip.seed)] = episode
        # Digests of the user's own files that register an environment.
        self._values["environment_code"] = {
            name: own_code(agent.env) for name, agent in settings.agents.items() if agent.env is not None
        }
        found = [fills.window(one.fill) for one in settings.perturbations.values()]
        found += [gradients.window(one.gradient) for one in settings.methods.values() if one.gradient is not None]
        self._values["windows"] = {str(window): window for window in found if window is not None}
        # Results are cached, because thousands of jobs share them.
        self._complete = cache(self._complete)  # type: ignore[method-assign]
        self._code = cache(self._code)  # type: ignore[method-assign]
        self.lineage = cache(self.lineage)  # type: ignore[method-assign]

    def names(self, wildcards: Mapping[str, str]) -> Names:
        """Return the names in a path, and those that the config derives from them."""
        return self._complete(Names(*(wildcards.get(name) for name in Names._fields)))

    def _complete(self, names: Names) -> Names:
        clip, agent, seed, method, perturbation, window, gradient = names
        if clip is not None:
            agent, seed = self._settings.clips[clip].agent, str(self._settings.clips[clip].seed)
        spec = None
        if method is not None:
            perturbation, spec = self._settings.methods[method].perturbation, self._settings.methods[method].gradient
        if spec is not None:
            gradient, found = next(iter(spec)), gradients.window(spec)
            window = None if found is None else str(found)
        if perturbation is not None:
            found = fills.window(self._settings.perturbations[perturbation].fill)
            window = None if found is None else str(found)
        return Names(clip, agent, seed, method, perturbation, window, gradient)

    def each_method(self, names: Names) -> list[Names]:
        """Return names once for each method of their clip; unchanged if they have a method or no clip."""
        if names.clip is None or names.method is not None:
            return [names]
        return [self._complete(names._replace(method=method)) for method in self._settings.clips[names.clip].methods]

    def paths(self, pattern: str, names: Names, blocks: Iterable[int | str] = (), rule: str | None = None) -> list[str]:
        """Return the paths that a pattern such as ``results/clips/{clip}/{method}.zarr.zip`` stands for.

        There is one path for each layer and block. If ``names`` has no method, each method of the clip gives its own
        paths. A pattern with ``{window}`` gives no path for a method without background, and one with
        ``{perturbation}`` none for a gradient.

        Args:
            pattern: a path with names in braces.
            names: the job's names.
            blocks: the blocks, for a pattern with ``{block}``.
            rule: the rule that makes the files, which may make none for a method; None for any.
        """
        fields = fields_of(pattern)
        each = self.each_method(names) if fields & {"method", "perturbation", "window"} else [names]
        needed = fields & {"perturbation", "window"}
        each = [one for one in each if None not in [getattr(one, name) for name in needed] and self._makes(rule, one)]
        numbers = blocks if "block" in fields else (None,)
        layers = LAYERS if "layer" in fields else (None,)
        return [
            pattern.format(**one._asdict(), block=block, layer=layer)
            for one in each
            for block in numbers
            for layer in layers
        ]

    def _makes(self, rule: str | None, names: Names) -> bool:
        """Return whether a rule makes anything for these names."""
        needed = self._rules[rule].only_with if rule in self._rules else None
        return needed is None or getattr(names, needed) is not None

    def setting(self, path: str) -> Callable[[Names], Any]:
        """Return a function from names to the config's value at a path such as ``methods/{method}/scale``.

        For names of a clip without a method, the function returns a list with the value of each method.
        """
        per_method = "method" in fields_of(path)

        def of(names: Names) -> Any:
            found = [self._value(path, one) for one in self.each_method(names)] if per_method else []
            return self._value(path, names) if not per_method else found if names.method is None else found[0]

        return of

    def _value(self, path: str, names: Names) -> Any:
        found: Any = self._values
        for key in path.format(**names._asdict()).split("/"):
            if key not in found:
                given = ", ".join(f"{name} '{value}'" for name, value in names._asdict().items() if value is not None)
                raise SearchlightError(f"config: found nothing for {given}")
            found = found[key]
        return found

    def tracked(
        self,
        rule: str,
        after: Sequence[str] = (),
        with_code: bool = True,
        only_with: str | None = None,
        **given: Any,
    ) -> dict[str, Any]:
        """Return the ``params:`` of a rule, with the lineage of its results.

        Args:
            rule: name of the rule and of its script.
            after: the rules that make its inputs.
            with_code: whether its results are out of date when its code has changed.
            only_with: a name without which the rule makes nothing, so that nothing depends on it.
            given: the settings: values, or functions of names as ``setting`` returns them.
        """
        self._rules[rule] = _Rule(after, with_code, only_with, given)
        params = {name: self._of_wildcards(what) if callable(what) else what for name, what in given.items()}
        return {**params, "lineage": self._of_wildcards(partial(self.lineage, rule))}

    def _of_wildcards(self, function: Callable[[Names], Any]) -> Callable[[Mapping[str, str]], Any]:
        return lambda wildcards: function(self.names(wildcards))

    def lineage(self, rule: str, names: Names) -> str:
        """Return the lineage of a rule's results."""
        after, with_code, _, given = self._rules[rule]
        before = {
            parent: list(dict.fromkeys(self.lineage(parent, one) for one in making))
            for parent in after
            if (making := [one for one in self.each_method(names) if self._makes(parent, one)])
        }
        values = {name: what(names) if callable(what) else what for name, what in given.items()}
        code = self._code(rule, names.agent, names.perturbation, names.method) if with_code else None
        return lineage(code, before, values)

    def _code(self, rule: str, agent: str | None, perturbation: str | None, method: str | None) -> str:
        """Return a digest of the code of a rule's script, with the registry members that the config names."""
        members = members_of(self._settings, agent, perturbation, method)
        return digest_of_code(self._scripts / f"{rule}.py", members)


@cache
def fields_of(pattern: str) -> frozenset[str]:
    """Return the names that stand in braces in a pattern."""
    return frozenset(name for _, name, _, _ in Formatter().parse(pattern) if name)
