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

from searchlight import measures
from searchlight.config.environments import own_code
from searchlight.config.members import members_of
from searchlight.config.models import Settings
from searchlight.config.views import LAYERS
from searchlight.errors import SearchlightError
from searchlight.fingerprint import digest_of_code, lineage
from searchlight.saliency import fills, gradients

# Fields of paths that stand for each method, and for each measure, of a clip.
_OF_METHODS = frozenset({"method", "perturbation", "window", "gradient", "of_method"})
_OF_MEASURES = frozenset({"measure", "of_clip", "of_method"})
# Fields that a method or a measure may lack: a path with such a field then stands for no file.
_SOME = frozenset(
    {"perturbation", "window", "gradient", "of_clip", "of_method", "measured", "uses_maps", "uses_frames"}
)
# Keys of an agent that say how it plays.
_PLAYED = ("env", "wrappers", "preprocessing", "actions", "network")


class Names(NamedTuple):
    """Names that identify a job. A name is None if neither the job's path nor the config gives it.

    ``of_clip`` and ``of_method`` are the measure, if it has the part of that name; ``measured`` is the clip, if it has
    measures. ``uses_maps`` is the method, if the measure uses the clip's maps of it. ``uses_frames`` is the clip, if
    the measure is taken on its frames.
    """

    clip: str | None = None
    agent: str | None = None
    seed: str | None = None
    method: str | None = None
    perturbation: str | None = None
    window: str | None = None
    gradient: str | None = None
    measure: str | None = None
    of_clip: str | None = None
    of_method: str | None = None
    measured: str | None = None
    uses_maps: str | None = None
    uses_frames: str | None = None


class _Rule(NamedTuple):
    """Sources of the lineage of a rule's results: earlier rules, code or not, settings; and names that do not count."""

    after: Sequence[str]
    with_code: bool
    only_with: str | None
    without: Sequence[str]
    needing: Mapping[str, str]
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
        found += [
            measures.window({name: given}) for clip in settings.clips.values() for name, given in clip.measures.items()
        ]
        self._values["windows"] = {str(window): window for window in found if window is not None}
        # What maps depend on before they are shown.
        self._values["maps"] = {
            name: {
                **settings.methods[name].model_dump(mode="json", exclude={"scale", "gain", "perturbation"}),
                "perturbation": None if one.perturbation is None else self._values["perturbations"][one.perturbation],
            }
            for name, one in settings.methods.items()
        }
        # A measure of a whole episode does not depend on a clip's frames.
        self._values["measured"] = {name: _measured(clip) for name, clip in self._values["clips"].items()}
        # Results are cached, because thousands of jobs share them.
        self._complete = cache(self._complete)  # type: ignore[method-assign]
        self._code = cache(self._code)  # type: ignore[method-assign]
        self.lineage = cache(self.lineage)  # type: ignore[method-assign]

    def names(self, wildcards: Mapping[str, str]) -> Names:
        """Return the names in a path, and those that the config derives from them."""
        return self._complete(Names(*(wildcards.get(name) for name in Names._fields)))

    def _complete(self, names: Names) -> Names:
        clip, agent, seed, method, perturbation, window, gradient, measure, *_ = names
        of_clip = of_method = measured = None
        if clip is not None:
            agent, seed = self._settings.clips[clip].agent, str(self._settings.clips[clip].seed)
            measured = clip if self._settings.clips[clip].measures else None
        if clip is not None and measure is not None and measure in self._settings.clips[clip].measures:
            of_clip, of_method = (
                measure if measures.told(measure, part) is not None else None for part in ("of_clip", "of_method")
            )
            found = measures.window({measure: self._settings.clips[clip].measures[measure]})
            window = None if found is None else str(found)
        uses_frames = clip if measure is not None and measures.told(measure, "FRAMES") == "clip" else None
        uses_maps = method if measure is not None and measures.told(measure, "USES_MAPS") else None
        spec = None
        if method is not None:
            perturbation, spec = self._settings.methods[method].perturbation, self._settings.methods[method].gradient
            window = None
        if spec is not None:
            gradient, found = next(iter(spec)), gradients.window(spec)
            window = None if found is None else str(found)
        if perturbation is not None:
            found = fills.window(self._settings.perturbations[perturbation].fill)
            window = None if found is None else str(found)
        return names._replace(
            agent=agent,
            seed=seed,
            perturbation=perturbation,
            window=window,
            gradient=gradient,
            of_clip=of_clip,
            of_method=of_method,
            measured=measured,
            uses_maps=uses_maps,
            uses_frames=uses_frames,
        )

    def each(self, names: Names, fields: Iterable[str] = ("method",)) -> list[Names]:
        """Return names once for each method or measure of their clip, or both, that fields ask for.

        Names that have one already, or no clip, keep what they have. A ``window`` is one of a method or of a measure.
        """
        if names.clip is None:
            return [names]
        clip, wanted = self._settings.clips[names.clip], set(fields)
        methods: Sequence[str | None] = (
            clip.methods if wanted & _OF_METHODS and names.method is None else [names.method]
        )
        chosen: Iterable[str | None] = clip.measures if wanted & _OF_MEASURES else ()
        if names.measure is not None or not wanted & _OF_MEASURES:
            chosen = [names.measure]
        found = [(method, measure) for measure in chosen for method in methods]
        if "window" in wanted and names.method is None:
            of_measures = [names.measure] if names.measure is not None else clip.measures
            found = [*(found if names.measure is None else ()), *((None, measure) for measure in of_measures)]
        return [self._complete(names._replace(method=method, measure=measure)) for method, measure in found]

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
        each = self.each(names, fields)
        needed = fields & _SOME
        each = [one for one in each if None not in [getattr(one, name) for name in needed] and self._makes(rule, one)]
        numbers = blocks if "block" in fields else (None,)
        layers = LAYERS if "layer" in fields else (None,)
        # A method and a measure may need the same background.
        found = dict.fromkeys(
            pattern.format(**one._asdict(), block=block, layer=layer)
            for one in each
            for block in numbers
            for layer in layers
        )
        return list(found)

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
            found = [self._value(path, one) for one in self.each(names)] if per_method else []
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
        without: Sequence[str] = (),
        needing: Mapping[str, str] | None = None,
        **given: Any,
    ) -> dict[str, Any]:
        """Return the ``params:`` of a rule, with the lineage of its results.

        Args:
            rule: name of the rule and of its script.
            after: the rules that make its inputs.
            with_code: whether its results are out of date when its code has changed.
            only_with: a name without which the rule makes nothing, so that nothing depends on it.
            without: names that later rules have, but that its results do not depend on.
            needing: for some earlier rules, the name without which they do not count.
            given: the settings: values, or functions of names as ``setting`` returns them.
        """
        self._rules[rule] = _Rule(after, with_code, only_with, without, needing or {}, given)
        params = {name: self._of_wildcards(what) if callable(what) else what for name, what in given.items()}
        return {**params, "lineage": self._of_wildcards(partial(self.lineage, rule))}

    def _of_wildcards(self, function: Callable[[Names], Any]) -> Callable[[Mapping[str, str]], Any]:
        return lambda wildcards: function(self.names(wildcards))

    def lineage(self, rule: str, names: Names) -> str:
        """Return the lineage of a rule's results."""
        after, with_code, _, without, needing, given = self._rules[rule]
        if without:
            names = self._complete(names._replace(**dict.fromkeys(without)))
        before = {
            parent: list(dict.fromkeys(self.lineage(parent, one) for one in making))
            for parent in after
            if (parent not in needing or getattr(names, needing[parent]) is not None)
            and (making := [one for one in self.each(names, self._fields(parent)) if self._makes(parent, one)])
        }
        values = {name: what(names) if callable(what) else what for name, what in given.items()}
        code = None
        if with_code:
            code = self._code(rule, names.agent, names.perturbation, names.method, self._measures(names))
        return lineage(code, before, values)

    def _fields(self, rule: str) -> Sequence[str]:
        """Return the names that tell the jobs of a rule apart, beside a clip's or an agent's."""
        return (self._rules[rule].only_with or "method",)

    def _measures(self, names: Names) -> tuple[str, ...]:
        """Return the measure of a job, or all of its clip's."""
        if names.measure is not None:
            return (names.measure,)
        return () if names.clip is None else tuple(self._settings.clips[names.clip].measures)

    def _code(
        self,
        rule: str,
        agent: str | None,
        perturbation: str | None,
        method: str | None,
        measures_named: tuple[str, ...],
    ) -> str:
        """Return a digest of the code of a rule's script, with the registry members that the config names."""
        members = members_of(self._settings, agent, perturbation, method, measures_named)
        return digest_of_code(self._scripts / f"{rule}.py", members)


def _measured(clip: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return name, arguments and frames of each measure of a clip; None for those that take the whole episode."""
    return {
        name: {
            "name": name,
            "arguments": arguments,
            "frames": clip["frames"] if measures.told(name, "FRAMES") == "clip" else None,
        }
        for name, arguments in clip["measures"].items()
    }


@cache
def fields_of(pattern: str) -> frozenset[str]:
    """Return the names that stand in braces in a pattern."""
    return frozenset(name for _, name, _, _ in Formatter().parse(pattern) if name)
