"""Places of checkpoints, apart from ``searchlight.agents.checkpoint`` because the Snakefile must not load numpy.

A checkpoint on this machine is a file, a pattern of files, or a folder of which one file is taken. Its identity in
lineages is the file's digest. The identity of a checkpoint elsewhere is its address, and its pin: the digest or the
revision that the config gives.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from searchlight.agents.snapshots import highest_step, only_checkpoint
from searchlight.config.checkpoints import on_hub, pinned_to
from searchlight.errors import SearchlightError
from searchlight.store.files import digest_of

# Members of a zip of stable-baselines3 that are read, and files of an unpacked one.
POLICY, DATA = "policy.pth", "data"
# Largest size of a checkpoint, in bytes.
MAX_BYTES = 2 * 1024**3
# Entry of the safetensors metadata in which ``searchlight.agents.policy_file`` records the source of the weights.
METADATA = "searchlight"
# Key in that record: the pin in the lineage of the weights, if there is one.
PINNED = "pinned"
# Key in that record: the lineage of the weights; ``searchlight.store.records`` finds it.
LINEAGE = "lineage"


def is_local(checkpoint: str) -> bool:
    """Return whether a ``checkpoint`` of the config is on this machine, and not at an address or on the hub."""
    return "://" not in checkpoint and on_hub(checkpoint) is None


def local_name(checkpoint: str) -> str:
    """Return the path of the one file that a path, a pattern or a folder names; ``bundled:NAME`` stays as it is.

    Raises:
        SearchlightError: no file or several files fit. A path without a pattern is not looked at.
    """
    if checkpoint.startswith("bundled:"):
        return checkpoint
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        names = [entry.name for entry in path.iterdir() if entry.is_file()]
        found = str(path / only_checkpoint(names, path.absolute().name, f"{checkpoint}: a folder, no file asked for"))
    elif glob.has_magic(checkpoint) and not path.exists():
        # Path.glob would also find hidden files, and refuses some patterns.
        matches = [match for match in glob.glob(str(path)) if Path(match).is_file()]  # noqa: PTH207
        if not matches:
            raise SearchlightError(f"{checkpoint}: no such file")
        found = highest_step(matches, checkpoint, matches)
    else:
        return checkpoint
    if "{" in found or "}" in found:
        raise SearchlightError(f"{checkpoint}: found '{found}', allowed: no braces, Snakemake takes them for wildcards")
    return found


def local_path(name: str, bundled: str | Path) -> Path:
    """Return the path of a file on this machine, of which ``local_name`` has returned the name."""
    if name.startswith("bundled:"):
        return Path(bundled) / f"{name.removeprefix('bundled:')}.safetensors"
    return Path(name).expanduser()


def existing_file(checkpoint: str, bundled: str | Path) -> Path | None:
    """Return the file on this machine that a checkpoint names, or None; the job reports why there is none."""
    if not is_local(checkpoint):
        return None
    try:
        path = local_path(local_name(checkpoint), bundled)
        return path if path.is_file() else None
    except (SearchlightError, OSError):
        return None


def data_beside(path: Path) -> Path | None:
    """Return the file that says more of an unpacked agent of stable-baselines3, beside its ``policy.pth``, or None."""
    data = path.with_name(DATA)
    return data if path.name == POLICY and data.is_file() else None


def identity(
    checkpoint: str, sha256: str | None, bundled: str | Path, recorded_there: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what tells a checkpoint from others, for the lineage of its weights.

    Weights that were fetched before they were pinned stay, if the pin fits them.

    Args:
        checkpoint: the checkpoint of the config.
        sha256: the digest of the config, or None.
        bundled: folder of the checkpoints that ship with the project.
        recorded_there: the record of the weights that were fetched before; empty if there are none.

    Returns:
        ``checkpoint``, without a revision; ``file``, the digest of a local file, and of what is read beside it, or
        None; ``pinned``, the pin or None.
    """
    path = existing_file(checkpoint, bundled)
    if path is not None:
        file = digest_of(path)
        pinned = sha256 if sha256 not in (None, file) else None
        if (data := data_beside(path)) is not None:
            file += f" {digest_of(data)}"
        return {"checkpoint": local_name(checkpoint), "file": file, PINNED: pinned}
    wanted, there = on_hub(checkpoint), recorded_there
    if wanted is None:
        there = there if there.get("source") == checkpoint else {}
        fits = sha256 in (None, there.get("sha256"))
        return {"checkpoint": checkpoint, "file": None, PINNED: there.get(PINNED) if fits else sha256}
    fetched = on_hub(there.get("source", ""))
    if fetched is None or fetched.repository != wanted.repository:
        fetched, there = None, {}
    revisions = (None, fetched.revision if fetched else None, (there.get(PINNED) or "").partition(" ")[0])
    fits = sha256 in (None, there.get("sha256")) and wanted.revision in revisions
    pin = " ".join(filter(None, (wanted.revision, sha256)))
    return {
        "checkpoint": str(wanted._replace(revision=None)),
        "file": None,
        PINNED: there.get(PINNED) if fits else pin,
    }


def pin_line(checkpoint: str, sha256: str | None, recorded_there: Mapping[str, Any]) -> str | None:
    """Return the line of the config that pins a checkpoint to what was fetched, or None if it is pinned.

    Args:
        checkpoint: the checkpoint of the config.
        sha256: the digest of the config, or None.
        recorded_there: the record of the weights that were fetched; empty if there are none.
    """
    if sha256 is not None or checkpoint.startswith("bundled:") or "sha256" not in recorded_there:
        return None
    wanted = on_hub(checkpoint)
    if wanted is None:
        return f"sha256: {recorded_there['sha256']}"
    fetched = on_hub(recorded_there.get("source", ""))
    if wanted.is_pinned or fetched is None or fetched.revision is None:
        return None
    return f"checkpoint: {pinned_to(checkpoint, fetched.revision)}"


def recorded(path: str | Path) -> dict[str, Any]:
    """Return the record of ``searchlight.agents.policy_file`` in a safetensors file: source, digest and more.

    The record is empty if the file is missing or damaged.
    """
    try:
        with Path(path).open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return json.loads(header["__metadata__"][METADATA])
    except (OSError, ValueError, KeyError, OverflowError, MemoryError):
        return {}
