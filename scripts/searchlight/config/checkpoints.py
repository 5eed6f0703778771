"""Checkpoints on the Hugging Face hub: the forms of ``checkpoint`` that name one, and what short forms stand for.

- ``hub:ORG/NAME[@REVISION][/FILE]``: a file of any repository.
- ``sb3:ALGORITHM/ENV[@REVISION]``: an agent of rl-baselines3-zoo, by the names of its repositories and files
  (https://github.com/DLR-RM/rl-baselines3-zoo, https://huggingface.co/sb3).
- ``cleanrl:ENV-SCRIPT-seedN[@REVISION]``: an agent of CleanRL, likewise (https://huggingface.co/cleanrl).

The short forms also tell the world and the network of the agent.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from searchlight.errors import SearchlightError

_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_REVISION = r"(?:@(?P<revision>[A-Za-z0-9_.*?-]+))?"
_COMMIT = re.compile(r"[0-9a-f]{40}")

# Each form: its pattern, and how a user writes it.
_FORMS = {
    "hub": (
        re.compile(rf"hub:(?P<repository>{_NAME}/{_NAME}){_REVISION}(?:/(?P<file>.+))?", re.DOTALL),
        "hub:ORG/NAME, hub:ORG/NAME/FILE, hub:ORG/NAME@REVISION/FILE",
    ),
    "sb3": (
        re.compile(rf"sb3:(?P<algorithm>[a-z0-9_]+)/(?P<env>(?:{_NAME}/)?[A-Za-z0-9_.-]+-v[0-9]+){_REVISION}"),
        "sb3:ALGORITHM/ENV such as sb3:ppo/BreakoutNoFrameskip-v4, with or without @REVISION",
    ),
    "cleanrl": (
        re.compile(rf"cleanrl:(?P<env>[A-Za-z0-9_.]+-v[0-9]+)-(?P<script>[a-z0-9_]+)-seed(?P<seed>[0-9]+){_REVISION}"),
        "cleanrl:ENV-SCRIPT-seedN such as cleanrl:BreakoutNoFrameskip-v4-dqn_atari-seed1, with or without @REVISION",
    ),
}
# Networks by the first words of an algorithm's or script's name. Others are found by the checkpoint's tensors.
_NETWORKS = {"a2c": "nature", "ppo": "nature", "trpo": "nature", "dqn": "q_network", "qrdqn": "q_network"}
_NETWORKS |= {"c51": "q_network"}
# Scripts of CleanRL whose checkpoints hold weights of flax.
_JAX = re.compile(r"jax|xla|cleanba")


class OnHub(NamedTuple):
    """A file of a repository on the hub.

    Attributes:
        repository: ``ORG/NAME``.
        revision: a commit, branch or tag, or a pattern of branches and tags; None for the newest commit.
        file: path or pattern of a file; None for the repository's one checkpoint.
    """

    repository: str
    revision: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        """Return the ``hub:`` form."""
        revision = "" if self.revision is None else f"@{self.revision}"
        return f"hub:{self.repository}{revision}" + ("" if self.file is None else f"/{self.file}")

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit, which cannot change, unlike branches and tags."""
        return self.revision is not None and _COMMIT.fullmatch(self.revision) is not None


def on_hub(checkpoint: str) -> OnHub | None:
    """Return the file on the hub that a ``checkpoint`` of the config names, or None if it is elsewhere.

    Raises:
        SearchlightError: the form is wrong, or the file holds no weights of torch.
    """
    found = _parts(checkpoint)
    if found is None:
        return None
    form, parts = found
    revision = parts["revision"]
    if form == "hub":
        return OnHub(parts["repository"], revision, parts["file"])
    if form == "sb3":
        name = f"{parts['algorithm']}-{parts['env'].replace('/', '-')}"
        return OnHub(f"sb3/{name}", revision, f"{name}.zip")
    name = f"{parts['env']}-{parts['script']}-seed{parts['seed']}"
    return OnHub(f"cleanrl/{name}", revision, f"{parts['script']}.cleanrl_model")


def brought(checkpoint: str) -> dict[str, Any]:
    """Return the keys of an agent that a short form stands for beside its checkpoint; none for other forms."""
    found = _parts(checkpoint)
    if found is None or found[0] == "hub":
        return {}
    form, parts = found
    algorithm = parts["algorithm"] if form == "sb3" else parts["script"]
    network = "impala" if "impala" in algorithm else _NETWORKS.get(algorithm.partition("_")[0])
    world = {"env": parts["env"], "wrappers": form, "preprocessing": form}
    return world if network is None else {**world, "network": network}


def pinned_to(checkpoint: str, commit: str) -> str:
    """Return a ``checkpoint`` on the hub with a commit as its revision, in the form in which it was given."""
    found = _parts(checkpoint)
    if found is None:
        return checkpoint
    form, parts = found
    if form == "hub":
        return str(OnHub(parts["repository"], commit, parts["file"]))
    return f"{checkpoint.partition('@')[0]}@{commit}"


def _parts(checkpoint: str) -> tuple[str, dict[str, str]] | None:
    """Return the form of a ``checkpoint`` on the hub and its parts, or None if it is elsewhere."""
    form, colon, _ = checkpoint.partition(":")
    if form not in _FORMS or not colon or "://" in checkpoint:
        return None
    pattern, written = _FORMS[form]
    match = pattern.fullmatch(checkpoint)
    if match is None or ".." in re.split(r"[/@]", checkpoint):
        raise SearchlightError(f"found '{checkpoint}', allowed: {written}")
    parts = match.groupdict()
    if form == "cleanrl" and _JAX.search(parts["script"]):
        raise SearchlightError(f"found '{checkpoint}', whose weights are of JAX, allowed: CleanRL's agents of torch")
    return form, parts
