"""From an agent's published checkpoint to safetensors: fetched, verified, read as weights alone.

Checkpoints are untrusted. The digest is verified before the file is opened. The modules for archives and weights have
checks of their own. No later step of the workflow reads a pickle.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from searchlight.agents import networks
from searchlight.agents.archives import extract_member, is_archive
from searchlight.agents.downloads import download
from searchlight.agents.hub import fetch_from_hub
from searchlight.agents.policy_file import write_policy
from searchlight.agents.prefixes import fitting, prefix_of_policy
from searchlight.agents.sources import PINNED, is_local, local_name, local_path, pin_line
from searchlight.agents.weights import read_weights
from searchlight.config.checkpoints import on_hub
from searchlight.errors import SearchlightError, printable
from searchlight.store.files import PARTIAL, digest_of

if TYPE_CHECKING:
    import numpy as np


def fetch_checkpoint(
    checkpoint: str,
    member: str | None,
    sha256: str | None,
    bundled: str | Path,
    output: str | Path,
    notice: Callable[[str], None],
    network: networks.Spec | None = None,
    pinned: str | None = None,
) -> None:
    """Fetch a checkpoint, and write its weights and their source as safetensors.

    Args:
        checkpoint: a path, a pattern, a folder, an address, ``bundled:NAME``, or a form of
            ``searchlight.config.checkpoints``.
        member: name or pattern of a file in a zip archive.
        sha256: digest that the file must have; if None, the user is told the digest found.
        bundled: folder of the checkpoints that ship with the project.
        output: path of the safetensors to write.
        notice: function that shows one line to the user.
        network: the network that the checkpoint holds, as in the config; if None, the tensors determine it.
        pinned: the pin that is in the lineage of the weights, which is recorded with them.

    Raises:
        SearchlightError: the file is missing, has another digest, cannot be read as weights, or holds a network of
            another architecture.
    """
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f"{PARTIAL}{output.name}.") as folder:
        path, source = _file_of(checkpoint, bundled, Path(folder))
        digest = digest_of(path)
        if sha256 is not None and digest != sha256:
            raise SearchlightError(f"{checkpoint}: found sha256 {digest}, allowed: {sha256}")
        if (line := pin_line(checkpoint, sha256, {"source": source, "sha256": digest})) is not None:
            notice(f"{checkpoint} is not pinned; to pin it, write under its agent:  {line}")
        if is_archive(path, member):
            path, member = extract_member(path, member, Path(folder), checkpoint)
        elif member is not None:
            raise SearchlightError(f"{checkpoint}: found member '{member}', but the file is not a zip archive")
        weights = read_weights(path, checkpoint if member is None else f"{checkpoint}: {printable(member)}")
    tensors = fitting(weights.tensors, lambda tensors: networks.fits(_shapes(tensors), network))
    found = networks.find(_shapes(tensors), weights.facts, checkpoint, network)
    if network is None and (prefix := prefix_of_policy(weights.tensors, tensors)) is not None:
        networks.refuse_policy_alone(found, checkpoint, prefix)
    print(f"{checkpoint}: network {found}")
    policy = networks.build(found, tensors, checkpoint)
    if (shape := weights.facts.get("observation")) is not None:
        networks.check_takes(policy, shape, checkpoint)
    about = {
        "source": source,
        "member": member,
        "sha256": digest,
        "network": found,
        "actions": policy.actions,
        PINNED: pinned,
    }
    write_policy(output, tensors, about)


def _shapes(tensors: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in tensors.items()}


def _file_of(checkpoint: str, bundled: str | Path, folder: Path) -> tuple[Path, str]:
    """Return the path of a checkpoint's file, downloaded if need be, and the source to record.

    A folder, a pattern or a repository is recorded as the file that was taken of it.
    """
    if (wanted := on_hub(checkpoint)) is not None:
        path, found = fetch_from_hub(wanted, checkpoint, folder)
        return path, str(found)
    if not is_local(checkpoint):
        return download(checkpoint, folder), checkpoint
    name = local_name(checkpoint)
    path = local_path(name, bundled)
    if not path.is_file():
        raise SearchlightError(f"{path}: no such file{_bundled_names(checkpoint, bundled)}")
    return path, name


def _bundled_names(checkpoint: str, bundled: str | Path) -> str:
    if not checkpoint.startswith("bundled:"):
        return ""
    return ", allowed: " + ", ".join(f"bundled:{path.stem}" for path in sorted(Path(bundled).glob("*.safetensors")))
