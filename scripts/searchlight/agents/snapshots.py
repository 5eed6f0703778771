"""Which of several files is the checkpoint: chosen by name, in a folder, in an archive or in a repository.

Several snapshots of one training differ in a number, the step. Of these, the highest is taken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from glob import escape
from pathlib import PurePosixPath

from searchlight.errors import SearchlightError, printable

# Suffixes of files that hold weights alone.
SUFFIXES = (".tar", ".pt", ".pth", ".safetensors", ".cleanrl_model")
# What stands in names without being a step: versions of environments, seeds, and algorithms and libraries.
_NO_STEPS = re.compile(r"-v[0-9]+|seed[-_]?[0-9]+|(?<![a-z])(a2c|a3c|c51|ppo2|r2d2|sb3)(?![a-z0-9])", re.IGNORECASE)
# Folders named after a step, as in `rl_model_1000_steps/policy.pth`.
_STEP_FOLDER = re.compile(
    r"[0-9]+[-_]?steps?|(steps?|checkpoint|ckpt|epoch|iter(ation)?|update)[-_]?[0-9]+", re.IGNORECASE
)
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}
# The curves of a training, which rl-baselines3-zoo keeps beside its agents.
_CURVES = "train_eval_metrics.zip"


def only_checkpoint(names: Sequence[str], home: str, wanted: str) -> str:
    """Return the one checkpoint among the files of a folder or repository.

    A folder of rl-baselines3-zoo has ``{env}.zip``, ``best_model.zip`` and ``rl_model_{steps}_steps.zip``, of which the
    first that exists is taken. An unzipped agent of stable-baselines3 has ``policy.pth``.

    Args:
        names: paths of the files, relative to the folder. Files in folders inside it count if no other file fits;
            hidden ones never.
        home: name of the folder or repository, such as ``BreakoutNoFrameskip-v4_1``.
        wanted: beginning of the line of an error.

    Raises:
        SearchlightError: no file fits, or several that are not snapshots of one training.
    """
    ranks = [
        (f"{escape(home)}.zip", f"{escape(re.sub(r'_[0-9]+$', '', home))}.zip"),
        ("best_model.zip",),
        ("rl_model_*_steps.zip",),
        ("*.cleanrl_model",),
        ("*.zip",),
        ("policy.pth",),
        tuple(f"*{suffix}" for suffix in SUFFIXES),
    ]
    files = [name for name in names if not PurePosixPath(name).name.startswith((".", _CURVES))]
    for inside in ([name for name in files if "/" not in name], files):
        for patterns in ranks:
            matches = [name for name in inside if any(fnmatchcase(PurePosixPath(name).name, one) for one in patterns)]
            if len({re.sub("[0-9]+[kKmM]?", "", name) for name in matches}) > 1:
                raise _several(matches, wanted)
            if matches:
                return highest_step(matches, wanted, names)
    raise _none(names, wanted)


def highest_step(matches: Sequence[str], wanted: str, names: Sequence[str]) -> str:
    """Return the match with the highest step, which its name or its folder's name tells.

    Args:
        matches: paths of the files that fit.
        wanted: beginning of the line of an error.
        names: paths of all files, for the error that none fits.

    Raises:
        SearchlightError: there is no match, several of one step, or several in different folders.
    """
    if not matches:
        raise _none(names, wanted)
    if len(matches) == 1:
        return matches[0]
    units = {name: _unit(PurePosixPath(name)) for name in matches}
    highest = max(step_of(unit.name) for unit in units.values())
    best = [name for name, unit in units.items() if step_of(unit.name) == highest]
    if len(best) > 1 or len({unit.parent for unit in units.values()}) > 1:
        raise _several(matches, wanted)
    return best[0]


def _unit(path: PurePosixPath) -> PurePosixPath:
    """Return what the step of a checkpoint stands in: its file, or its folder if that is named after a step."""
    return path.parent if _STEP_FOLDER.search(path.parent.name) and step_of(path.name) < 0 else path


def step_of(name: str) -> int:
    """Return the step in a file's name: its last number, of up to 18 digits; -1 if it has none.

    ``900k`` and ``2M`` are thousands and millions. Versions (``Pong-v4``), seeds (``seed1``) and
    algorithms (``a2c``) are no steps.
    """
    numbers = re.findall(r"([0-9]{1,18})(?:([kKmM])(?![A-Za-z]))?", _NO_STEPS.sub("", name))
    return int(numbers[-1][0]) * _FACTORS[numbers[-1][1].lower()] if numbers else -1


def _none(names: Sequence[str], wanted: str) -> SearchlightError:
    return SearchlightError(f"{wanted}, allowed: {_some(names)}")


def _several(matches: Sequence[str], wanted: str) -> SearchlightError:
    return SearchlightError(f"{wanted}: several fit, name one of: {_some(matches)}")


def _some(names: Sequence[str]) -> str:
    if not names:
        return "none, it is empty"
    shown = ", ".join(printable(name) for name in sorted(names)[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown
