"""Agents of stable-baselines3 as it saves them: a zip, or the folder of one that was unpacked.

Of a zip only two members are read. ``policy.pth`` holds the weights; the other ``.pth`` are the optimizer's and, mostly
empty, the algorithm's. ``data`` is JSON that says what shapes do not: the algorithm, the activation, the observation.
Objects are in ``data`` twice: as text, which is read, and pickled under ``:serialized:``, which is never decoded,
because that would run code. (``save_util.py`` of stable-baselines3 writes both; gym's old spaces give shapes as text.)
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from searchlight.agents.foreign import is_zip
from searchlight.agents.sources import DATA, MAX_BYTES, POLICY, data_beside
from searchlight.errors import SearchlightError, printable, quoted

# What else a zip may store for torch; "tensors.pth" is of versions before 0.9.
COMPANIONS = ("policy.optimizer.pth", "pytorch_variables.pth", "tensors.pth")
LIBRARY = "stable-baselines3"
# Real ones have 0.2 MB.
MAX_DATA = 32 * 1024**2

# Where a policy's class is defined, then what only this algorithm stores.
_MODULES = {"recurrent": "recurrent", "qrdqn": "qrdqn", "dqn": "dqn", "": "actor_critic"}
_STORED = {
    "_last_lstm_states": "recurrent",
    "n_quantiles": "qrdqn",
    "exploration_rate": "dqn",
    "gae_lambda": "actor_critic",
}


def is_sb3(path: Path) -> bool:
    """Return whether a file is a zip of stable-baselines3."""
    if not is_zip(path):
        return False
    try:
        with zipfile.ZipFile(path) as file:
            return {POLICY, DATA} <= set(file.namelist())
    except Exception:  # zipfile raises many kinds; who reads the file as another kind says why
        return False


def read_zip(path: Path, source: str) -> tuple[IO[bytes], dict[str, Any]]:
    """Return the file of the weights in a zip of stable-baselines3, and what its ``data`` says.

    Raises:
        SearchlightError: the zip is damaged, a member is too large, or the agent does not see images.
    """
    try:
        with zipfile.ZipFile(path) as file:
            for name, most in ((POLICY, MAX_BYTES), (DATA, MAX_DATA)):
                if file.getinfo(name).file_size > most:
                    raise SearchlightError(f"{source}: {name}: found over {most} bytes, allowed: less")
            # zipfile stops at the sizes checked above, even if the compressed data are longer.
            weights, data = io.BytesIO(file.read(POLICY)), file.read(DATA)
    except SearchlightError:
        raise
    except Exception as error:  # zipfile and its decompressors raise many kinds
        raise SearchlightError(f"{source}: cannot be read as a zip: {quoted(error)}") from error
    return weights, facts_of(data, source)


def read_beside(path: Path, source: str) -> dict[str, Any]:
    """Return what the ``data`` beside an unpacked ``policy.pth`` says; nothing if there is none.

    Raises:
        SearchlightError: ``data`` is too large, or the agent does not see images.
    """
    data = data_beside(path)
    if data is None:
        return {}
    if data.stat().st_size > MAX_DATA:
        raise SearchlightError(f"{source}: {DATA}: found over {MAX_DATA} bytes, allowed: less")
    return facts_of(data.read_bytes(), source)


def facts_of(data: bytes, source: str) -> dict[str, Any]:
    """Return what ``data`` says about a network, in plain values; a key is absent if it is not said.

    Returns:
        ``library``; ``algorithm`` (``actor_critic``, ``dqn``, ``qrdqn`` or ``recurrent``); ``activation``, the
        class's name in lower case; ``quantiles``; ``normalize_images``, whether the network sees 0..1 in place of
        0..255; ``observation``, the shape that the network sees; ``extractor``, the name of the class of the
        convolutions, if the user gave one.

    Raises:
        SearchlightError: ``data`` is no JSON, or the agent does not see images.
    """
    try:
        saved = _table(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise SearchlightError(f"{source}: {DATA}: cannot be read as JSON: {quoted(error)}") from error
    space, settings = _table(saved.get("observation_space")), _table(saved.get("policy_kwargs"))
    shape = _numbers(space.get("_shape", space.get("shape")))
    if space and (shape is None or len(shape) != 3):
        found = f"{_class_name(space.get(':type:'))}{'' if shape is None else f' of shape {shape}'}"
        raise SearchlightError(
            f"{source}: found a {LIBRARY} agent that observes a {found} ({_policy_name(saved)}), allowed: one that "
            "sees images (CnnPolicy)"
        )
    quantiles = saved.get("n_quantiles", settings.get("n_quantiles"))
    facts = {
        "library": LIBRARY,
        "algorithm": _algorithm(saved),
        "activation": _class_name(settings["activation_fn"]).lower() if "activation_fn" in settings else None,
        "quantiles": int(quantiles) if re.fullmatch(r"[0-9]{1,6}", str(quantiles)) else None,
        "normalize_images": _normalized(space, settings),
        "observation": shape,
        "extractor": _class_name(_extractor(settings)) if "features_extractor_class" in settings else None,
    }
    return {key: value for key, value in facts.items() if value is not None}


def _algorithm(saved: Mapping[str, Any]) -> str | None:
    module = str(_table(saved.get("policy_class")).get("__module__"))
    if module.startswith(("stable_baselines3.", "sb3_contrib.")):
        return next(algorithm for part, algorithm in _MODULES.items() if part in module)
    return next((algorithm for key, algorithm in _STORED.items() if key in saved), None)  # a policy of the user's own


def _normalized(space: Mapping[str, Any], settings: Mapping[str, Any]) -> bool | None:
    """Return whether the network sees 0..1: stable-baselines3 divides bytes by 255, and other numbers never."""
    if not space:
        return None
    if space.get("dtype") == "uint8":
        return str(settings.get("normalize_images", True)) == "True"
    highest = {float(number) for number in re.findall(r"[0-9]+(?:\.[0-9]*)?", str(space.get("high")))}
    return highest == {1.0}


def _extractor(settings: Mapping[str, Any]) -> Any:
    """Return the text of the class of the convolutions; some versions write a table about a class."""
    given = settings["features_extractor_class"]
    return given.get(":type:", given) if isinstance(given, Mapping) else given


def _policy_name(saved: Mapping[str, Any]) -> str:
    """Return the name of the policy's class, from the text of its constructor; MlpPolicy is short for such names."""
    found = re.match(r"<function (\w{1,40})\.__init__", str(_table(saved.get("policy_class")).get("__init__")))
    return found.group(1) if found else "policy of an unknown class"


def _class_name(text: Any) -> str:
    """Return ``Box`` for the text ``<class 'gym.spaces.box.Box'>``."""
    return printable(str(text).removesuffix("'>").rpartition(".")[2])[:40]


def _numbers(shape: Any) -> list[int] | None:
    """Return a shape, from JSON or from text like ``[4, 84, 84]`` and ``(4, 84, 84)``."""
    if not re.fullmatch(r"[\[(]([0-9]{1,6}(, |,?(?=[\])])))*[\])]", str(shape)):
        return None
    return [int(number) for number in re.findall("[0-9]+", str(shape))]


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
