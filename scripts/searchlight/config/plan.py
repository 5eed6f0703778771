"""What jobs read, what they are given, and the lineage of what they make: all from the names in their paths.

A path names what a job is about: a clip, a method, an agent. The config says the rest: a clip's agent and seed, a
method's perturbation, a perturbation's background. So rules write paths and settings with names in braces, and a
``Plan`` fills them in.

A lineage is a short text that changes with the settings and the code of a rule, and with the lineages of the rules
before it, back to the checkpoint. So a result is out of date when its lineage has changed. Dates cannot tell it: after
a clock went wrong, or where an older file came back, an edit has the older date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple

from searchlight.config.members import members_of
from searchlight.config.models import Settings
from searchlight.config.views import LAYERS
from searchlight.errors import SearchlightError
from searchlight.fingerprint import digest_of_code, lineage
from searchlight.saliency import fills


class Names(NamedTuple):
    """What a job is about. Names that neither its path nor the config gives are None."""

    clip: str | None = None
    agent: str | None = None
    seed: str | None = None
    method: str | None = None
    perturbation: str | None = None
    window: str | None = None


class _Rule(NamedTuple):
    """What the lineage of a rule's results is made of."""

    after: Sequence[str]
    with_code: bool
    given: Mapping[str, Any]


class Plan:
    """What follows from a config for the jobs of all rules.

    Wildcards are those of Snakemake, or any mapping of names.
    """

    def __init__(self, settings: Settings, scripts: Path) -> None:
        """Take a config, and the folder of the rules' scripts."""
        self._settings = settings
        self._scripts = scripts
        self._rules: dict[str, _Rule] = {}
        self._values = {**settings.model_dump(mode="json"), "episodes": {}, "windows": {}}
        for clip in settings.clips.values():
            agent = settings.agents[clip.agent].model_dump(mode="json", include={"env", "preprocessing", "actions"})
            episode = {"agent": clip.agent, "seed": clip.seed, "max_steps": clip.max_steps, **agent}
            self._values["episodes"].setdefault(clip.agent, {})[str(clip.seed)] = episode
        for perturbation in settings.perturbations:
            window = self._window(perturbation)
            self._values["windows"][str(window)] = window
        # Thousands of jobs ask for the same.
        self._complete = cache(self._complete)  # type: ignore[method-assign]
        self._code = cache(self._code)  # type: ignore[method-assign]
        self.lineage = cache(self.lineage)  # type: ignore[method-assign]

    def names(self, wildcards: Mapping[str, str]) -> Names:
        """Return the names in a path, and those that follow from them."""
        return self._complete(Names(*(wildcards.get(name) for name in Names._fields)))

    def _complete(self, names: Names) -> Names:
        clip, agent, seed, method, perturbation, window = names
        if clip is not None:
            agent, seed = self._settings.clips[clip].agent, str(self._settings.clips[clip].seed)
        if method is not None:
            perturbation = self._settings.methods[method].perturbation
        if perturbation is not None:
            found = self._window(perturbation)
            window = None if found is None else str(found)
        return Names(clip, agent, seed, method, perturbation, window)

    def _window(self, perturbation: str) -> int | str | None:
        """Return the decisions that a perturbation's background is drawn from, or None where it has none."""
        return fills.window(self._settings.perturbations[perturbation].fill)

    def each_method(self, names: Names) -> list[Names]:
        """Return names once for each method of their clip, where they have a clip and no method."""
        if names.clip is None or names.method is not None:
            return [names]
        return [self._complete(names._replace(method=method)) for method in self._settings.clips[names.clip].methods]

    def paths(self, pattern: str, names: Names, blocks: Iterable[int | str] = ()) -> list[str]:
        """Return the paths that a pattern such as ``results/clips/{clip}/{method}.zarr.zip`` stands for.

        One for each method of the clip, where ``names`` has none, and each layer and block; none where the pattern has
        a ``{window}`` and the perturbation needs no background.

        Args:
            pattern: a path with names in braces.
            names: what is known of them.
            blocks: for a pattern with ``{block}``.
        """
        fields = fields_of(pattern)
        each = self.each_method(names) if fields & {"method", "perturbation", "window"} else [names]
        each = [one for one in each if one.window is not None] if "window" in fields else each
        numbers = blocks if "block" in fields else (None,)
        layers = LAYERS if "layer" in fields else (None,)
        return [
            pattern.format(**one._asdict(), block=block, layer=layer)
            for one in each
            for block in numbers
            for layer in layers
        ]

    def setting(self, path: str) -> Callable[[Names], Any]:
        """Return the function for what the config says at a path such as ``methods/{method}/scale``.

        For a clip without a method, it returns a list with what each method has.
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
                raise SearchlightError(f"config: found no {path.format(**names._asdict())}")
            found = found[key]
        return found

    def tracked(self, rule: str, after: Sequence[str] = (), with_code: bool = True, **given: Any) -> dict[str, Any]:
        """Return what a rule's jobs are given as ``params:``, and among it the lineage of what they make.

        Args:
            rule: its name, which is its script's.
            after: the rules that make what it reads.
            with_code: whether its results are out of date when its code has changed.
            given: settings: values, or functions of names as ``setting`` returns them.
        """
        self._rules[rule] = _Rule(after, with_code, given)
        params = {name: self._of_wildcards(what) if callable(what) else what for name, what in given.items()}
        return {**params, "lineage": self._of_wildcards(partial(self.lineage, rule))}

    def _of_wildcards(self, function: Callable[[Names], Any]) -> Callable[[Mapping[str, str]], Any]:
        return lambda wildcards: function(self.names(wildcards))

    def lineage(self, rule: str, names: Names) -> str:
        """Return the lineage of what a rule makes."""
        after, with_code, given = self._rules[rule]
        before = {
            parent: sorted({self.lineage(parent, one) for one in self.each_method(names)})
            for parent in after
            if parent != "background" or names.window is not None
        }
        values = {name: what(names) if callable(what) else what for name, what in given.items()}
        code = self._code(rule, names.agent, names.perturbation, names.method) if with_code else None
        return lineage(code, before, values)

    def _code(self, rule: str, agent: str | None, perturbation: str | None, method: str | None) -> str:
        """Return a digest of what a rule's script runs, with the files of registries that the config names for it."""
        members = members_of(self._settings, agent, perturbation, method)
        return digest_of_code(self._scripts / f"{rule}.py", members)


@cache
def fields_of(pattern: str) -> frozenset[str]:
    """Return the names in braces of a pattern."""
    return frozenset(name for _, name, _, _ in Formatter().parse(pattern) if name)
