"""An agent's environment as the config names it: an id, or an id with arguments.

An id may stand after a module that registers it, ``my_envs:MyBreakout-v0``, which is gymnasium's own form. The module
may be the user's own, in the working directory; then its code is part of the lineage of all that the agent plays.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import ConfigDict, Field, ValidationError, field_validator

from searchlight.config.allowed import Allowed
from searchlight.config.arguments import Bool, Int, PositiveInt, Probability, Table
from searchlight.errors import SearchlightError
from searchlight.registry import WrongArgumentsError, without_nulls
from searchlight.store.files import digest_of

_MODULE = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
# Ids of gym and of ale-py before 0.12.
_LEGACY = re.compile(
    r"(?P<space>ALE/)?(?P<game>\w+?)(?P<ram>-ram)?(?P<skip>Deterministic|NoFrameskip)?-v(?P<version>\d+)"
)
# Their frame skip in `Deterministic` ids, because the lasers of Space Invaders blink every fourth frame.
_SKIP_OF_DETERMINISTIC = {"SpaceInvaders": 3}
_USUAL_SKIP = 4


class Environment(Table):
    """Arguments of an environment of ale-py, beside the `id`. Without them, they are what the id stands for."""

    id: str = Field(description="Gymnasium id of the environment.", examples=["ALE/Breakout-v5"])
    frameskip: Annotated[
        PositiveInt | tuple[PositiveInt, PositiveInt] | None,
        Allowed("a whole number greater than 0, or a range such as [2, 5]"),
    ] = Field(
        None,
        description="Frames of the game for each action. Of `[2, 5]`, a random number is drawn, 2, 3 or 4.",
    )
    repeat_action_probability: Probability | None = Field(
        None, description="Chance that the game repeats the action before (sticky actions)."
    )
    full_action_space: Bool | None = Field(
        None, description="All 18 actions of the console, in place of those that the game uses."
    )
    mode: Int | None = Field(None, ge=0, description="Mode of the game, where it has several.")
    difficulty: Int | None = Field(None, ge=0, description="Difficulty of the game, where it has several.")
    max_num_frames_per_episode: PositiveInt | None = Field(
        None, description="Frames of the game after which it is cut off (108,000 by most ids)."
    )

    @field_validator("frameskip")
    @classmethod
    def _in_order(cls, skip: int | tuple[int, int] | None) -> int | tuple[int, int] | None:
        if isinstance(skip, tuple) and skip[0] >= skip[1]:
            raise ValueError(f"found {list(skip)}, allowed: [least, one more than the most]")
        return skip


class _OwnEnvironment(Environment):
    """Arguments of a user's own environment: any more are for the environment to judge."""

    model_config = ConfigDict(extra="allow", frozen=True)


def check(spec: Any) -> str | dict[str, Any]:
    """Return an environment of the config: its id alone if it has no arguments, else ``{id: …, argument: value}``.

    Raises:
        SearchlightError: the arguments are wrong, or ale-py has no such environment any more.
    """
    spec = without_nulls(spec)
    if isinstance(spec, str):
        spec = {"id": spec}
    if not isinstance(spec, dict) or not isinstance(spec.get("id"), str):
        raise SearchlightError(f"found {spec!r}, allowed: a gymnasium id, or {{id: …, argument: value}}")
    module, colon, _ = spec["id"].rpartition(":")
    if colon and not re.fullmatch(_MODULE, module):
        raise SearchlightError(f"found '{spec['id']}', allowed: MODULE:ID, where MODULE is a name such as my_envs")
    if not colon:
        _refuse_gone(spec["id"])
    model = _OwnEnvironment if colon else Environment
    try:
        found = model(**spec).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        raise WrongArgumentsError(spec["id"], model, error) from error
    return found if len(found) > 1 else str(found["id"])


def _refuse_gone(name: str) -> None:
    """Refuse an id that ale-py no longer has, with what to write in its place.

    Gymnasium's own hint would be another id, whose frame skip differs.
    """
    found = _LEGACY.fullmatch(name)
    if found is None or (found["ram"] is None and found["skip"] != "Deterministic"):
        return
    if found["skip"] == "Deterministic":
        skip = _SKIP_OF_DETERMINISTIC.get(found["game"], _USUAL_SKIP)
        sticky = 0 if int(found["version"]) else 0.25
        place = written({"id": f"ALE/{found['game']}-v5", "frameskip": skip, "repeat_action_probability": sticky})
    else:
        place = f"{found['space'] or ''}{found['game']}{found['skip'] or ''}-v{found['version']}"
    if found["ram"]:
        raise SearchlightError(
            f"found '{name}', whose agents see no screen but the console's memory, allowed: "
            f"an environment with a screen, such as {place}"
        )
    raise SearchlightError(f"found '{name}', which ale-py no longer has, allowed: {place}")


def game(spec: str | dict[str, Any]) -> str | None:
    """Return the game of an environment, such as ``SpaceInvaders``; None if its id does not tell."""
    found = _LEGACY.fullmatch(spec if isinstance(spec, str) else spec["id"])
    return None if found is None else found["game"]


def with_argument(spec: str | dict[str, Any], name: str, value: Any) -> str:
    """Return an environment with one more argument, as one writes it in the config."""
    return written({**(spec if isinstance(spec, dict) else {"id": spec}), name: value})


def without_skip(spec: str | dict[str, Any]) -> str:
    """Return an environment like this one but without a frame skip of its own, as one writes it in the config."""
    found = _LEGACY.fullmatch(spec) if isinstance(spec, str) else None
    if found is not None and not found["space"] and found["version"] in "04":
        return f"{found['game']}NoFrameskip-v{found['version']}"
    return with_argument(spec, "frameskip", 1)


def written(spec: str | dict[str, Any]) -> str:
    """Return an environment as one writes it in the config, in one line."""
    if isinstance(spec, str):
        return spec
    return yaml.safe_dump(spec, default_flow_style=True, sort_keys=False, width=10**6).strip()


def own_module(spec: str | dict[str, Any]) -> str | None:
    """Return the module that registers an environment if the working directory has it."""
    name = spec if isinstance(spec, str) else spec["id"]
    module = name.rpartition(":")[0]
    return module if module and _files(module) else None


def own_code(spec: str | dict[str, Any]) -> dict[str, str]:
    """Return the digests of the files of the working directory that register an environment; {} if none does.

    They are one file, ``my_envs.py``, or all Python files of a folder ``my_envs``.
    """
    module = own_module(spec)
    return {path.as_posix(): digest_of(path) for path in _files(module)} if module else {}


def _files(module: str) -> list[Path]:
    folder = Path(module.partition(".")[0])
    if (folder / "__init__.py").is_file():
        return sorted(folder.rglob("*.py"))
    return [file for file in (folder.with_suffix(".py"),) if file.is_file()]
