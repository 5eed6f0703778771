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
SUFFIXES = (".tar", ".pt", ".pth", ".safetensors")
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
            if len({re.sub("[0-9]+", "", name) for name in matches}) > 1:
                raise _several(matches, wanted)
            if matches:
                return highest_step(matches, wanted, names)
    raise _none(names, wanted)


def highest_step(matches: Sequence[str], wanted: str, names: Sequence[str]) -> str:
    """Return the match with the highest step: the last number in a file's name.

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
    highest = max(map(_step, matches))
    best = [name for name in matches if _step(name) == highest]
    if len(best) > 1 or len({str(PurePosixPath(name).parent) for name in matches}) > 1:
        raise _several(matches, wanted)
    return best[0]


def _step(name: str) -> int:
    """Return the last number of the file's name, of up to 18 digits; -1 if it has no number."""
    numbers = re.findall(r"[0-9]{1,18}", PurePosixPath(name).name)
    return int(numbers[-1]) if numbers else -1


def _none(names: Sequence[str], wanted: str) -> SearchlightError:
    return SearchlightError(f"{wanted}, allowed: {_some(names)}")


def _several(matches: Sequence[str], wanted: str) -> SearchlightError:
    return SearchlightError(f"{wanted}: several fit, name one of: {_some(matches)}")


def _some(names: Sequence[str]) -> str:
    if not names:
        return "none, it is empty"
    shown = ", ".join(printable(name) for name in sorted(names)[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown
