"""From an agent's published checkpoint to safetensors: fetched, verified, read as weights alone.

Checkpoints are untrusted. The digest is verified before the file is opened. The modules for archives and weights have
checks of their own. No later step of the workflow reads a pickle.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchlight.agents import networks
from searchlight.agents.archives import extract_member, is_archive
from searchlight.agents.policy_file import write_policy
from searchlight.agents.prefixes import fitting
from searchlight.agents.sources import MAX_BYTES, PINNED, local_path
from searchlight.agents.weights import read_weights
from searchlight.errors import SearchlightError, one_line, printable
from searchlight.store.files import PARTIAL, digest_of

if TYPE_CHECKING:
    import numpy as np
    import requests


def fetch_checkpoint(
    checkpoint: str,
    member: str | None,
    sha256: str | None,
    bundled: str | Path,
    output: str | Path,
    notice: Callable[[str], None],
    network: str | None = None,
    pinned: str | None = None,
) -> None:
    """Fetch a checkpoint, and write its weights and their source as safetensors.

    Args:
        checkpoint: path, address, or ``bundled:NAME``.
        member: name or pattern of a file in a zip archive.
        sha256: digest that the file must have; if None, the user is told the digest found.
        bundled: folder of the checkpoints that ship with the project.
        output: path of the safetensors to write.
        notice: function that shows one line to the user.
        network: name of the network that the checkpoint holds; if None, the tensors determine it.
        pinned: the pin that is in the lineage of the weights, which is recorded with them.

    Raises:
        SearchlightError: the file is missing, has another digest, cannot be read as weights, or holds a network of
            another architecture.
    """
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f"{PARTIAL}{output.name}.") as folder:
        path = local_path(checkpoint, bundled) or download(checkpoint, Path(folder))
        if not path.is_file():
            raise SearchlightError(f"{path}: no such file{_bundled_names(checkpoint, bundled)}")
        digest = digest_of(path)
        if sha256 is not None and digest != sha256:
            raise SearchlightError(f"{checkpoint}: found sha256 {digest}, allowed: {sha256}")
        if sha256 is None and not checkpoint.startswith("bundled:"):
            notice(f"{checkpoint} is not pinned; to pin it, add under its agent:  sha256: {digest}")
        if is_archive(path, member):
            path, member = extract_member(path, member, Path(folder), checkpoint)
        elif member is not None:
            raise SearchlightError(f"{checkpoint}: found member '{member}', but the file is not a zip archive")
        weights = read_weights(path, checkpoint if member is None else f"{checkpoint}: {printable(member)}")
    tensors = fitting(weights.tensors, lambda tensors: networks.fits(_shapes(tensors), network))
    network = networks.find(_shapes(tensors), checkpoint, network)
    policy = networks.build(network, tensors, checkpoint)
    about = {
        "source": checkpoint,
        "member": member,
        "sha256": digest,
        "network": network,
        "actions": policy.actions,
        PINNED: pinned,
    }
    write_policy(output, tensors, about)


def _shapes(tensors: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in tensors.items()}


def download(address: str, folder: Path) -> Path:
    """Download a file into a folder, with progress in the log, tried up to four times.

    Raises:
        SearchlightError: the download failed.
    """
    import pooch
    import requests

    name = "download"
    registry = pooch.create(folder, base_url="", registry={name: None}, urls={name: address}, retry_if_failed=3)
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=60, hooks={"response": _refuse_response})
    try:
        return Path(registry.fetch(name, downloader=downloader))
    except (requests.RequestException, OSError, ValueError) as error:
        raise SearchlightError(f"{address}: download failed: {one_line(error)}") from error


def _refuse_response(response: requests.Response, **_: Any) -> None:
    """Refuse redirects from https to plain http, and files that are too large, before the content is read."""
    target = response.headers.get("Location", "")
    if response.is_redirect and response.url.startswith("https://") and target.lower().startswith("http://"):
        raise ValueError(f"found a redirect to {target}, allowed: https://")
    if int(response.headers.get("Content-Length", "0") or 0) > MAX_BYTES:
        raise ValueError(f"found over {MAX_BYTES} bytes, allowed: less")


def _bundled_names(checkpoint: str, bundled: str | Path) -> str:
    if not checkpoint.startswith("bundled:"):
        return ""
    return ", allowed: " + ", ".join(f"bundled:{path.stem}" for path in sorted(Path(bundled).glob("*.safetensors")))
