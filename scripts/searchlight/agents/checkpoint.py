"""From an agent's published checkpoint to safetensors: fetched, verified, read as weights alone.

Checkpoints come from strangers. The digest is verified before anything is opened, archives are never unpacked (one
member is read, up to a size limit, from an archive none of whose names leaves its folder), and pickles are read with
``weights_only=True``. Nothing downstream of this module unpickles.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from searchlight.agents import networks
from searchlight.agents.policy import Policy
from searchlight.agents.sources import LINEAGE, METADATA, RENEWED, local_path
from searchlight.errors import SearchlightError, damaged, one_line
from searchlight.store.files import PARTIAL, digest_of, written_whole
from searchlight.store.records import declared

if TYPE_CHECKING:
    import requests

MAX_BYTES = 2 * 1024**3
_NESTED = ("state_dict", "model", "model_state_dict")
_DEEPEST = 8
_CHECKSUM = "crc32"
_SUFFIXES = (".tar", ".pt", ".pth", ".safetensors")


def fetch_checkpoint(
    checkpoint: str,
    member: str | None,
    sha256: str | None,
    bundled: str | Path,
    output: str | Path,
    notice: Callable[[str], None],
    *,
    network: str | None = None,
    renewed: bool = False,
) -> None:
    """Fetch a checkpoint and write its weights and where they are from as safetensors.

    Args:
        checkpoint: path, address, or ``bundled:NAME``.
        member: name or pattern of a file in a zip archive.
        sha256: digest that the file must have; where None, the one found is said.
        bundled: folder of the checkpoints that ship with the project.
        output: path of the safetensors to write.
        notice: says one line to the user.
        network: name of the network that the checkpoint holds; where None, it is found by the tensors.
        renewed: it takes the place of one with another digest, behind the same address.

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
        if _is_archive(path):
            path, member = extract_member(path, member, Path(folder), checkpoint)
        elif member is not None:
            raise SearchlightError(f"{checkpoint}: found member '{member}', but the file is not a zip archive")
        tensors = read_tensors(path, checkpoint)
    network = networks.find({name: array.shape for name, array in tensors.items()}, checkpoint, network)
    policy = networks.build(network, tensors, checkpoint)
    metadata = {
        "source": checkpoint,
        "member": member,
        "sha256": digest,
        "network": network,
        "actions": policy.actions,
        **({RENEWED: True} if renewed else {}),
        **({LINEAGE: declared()} if declared() is not None else {}),
    }
    with written_whole(output) as partial:
        # One entry, since the order of several is not kept, and equal weights should be equal bytes.
        # Not by save_file, which lets nobody else read the file, whatever the umask.
        checked = {**metadata, _CHECKSUM: _checksum(tensors, metadata)}
        partial.write_bytes(save(tensors, {METADATA: json.dumps(checked, sort_keys=True)}))


def read_policy(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what ``fetch_checkpoint`` wrote, verified: weights by name, and source, member, sha256, network, actions.

    Raises:
        SearchlightError: the file is missing, cut off, or not what was written.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
            metadata = json.loads(file.metadata()[METADATA])
        checksum = metadata.pop(_CHECKSUM)
        found = _checksum(tensors, metadata)
    except (FileNotFoundError, PermissionError) as error:
        raise SearchlightError(f"{path}: cannot be read: {one_line(error)}") from error
    except Exception as error:  # whatever safetensors, json or numpy make of a damaged file
        raise damaged(path, error) from error
    if found != checksum:
        raise damaged(path, f"found the checksum {found}, allowed: {checksum}")
    for key in (RENEWED, LINEAGE):
        metadata.pop(key, None)
    return tensors, metadata


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Return what ``read_policy`` does, but for the weights."""
    return read_policy(path)[1]


def load_policy(path: str | Path) -> Policy:
    """Load the policy that ``fetch_checkpoint`` wrote, ready to be evaluated.

    Raises:
        SearchlightError: the file is missing or damaged.
    """
    tensors, metadata = read_policy(path)
    return networks.build(metadata["network"], tensors, str(path))


def _checksum(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> str:
    """Return a checksum of weights and of what is recorded with them; safetensors have none."""
    described = {name: [array.dtype.str, array.shape] for name, array in tensors.items()}
    checksum = zlib.crc32(json.dumps([described, metadata], sort_keys=True).encode())
    for name in sorted(tensors):
        checksum = zlib.crc32(np.ascontiguousarray(tensors[name]), checksum)
    return f"{checksum:08x}"


def download(address: str, folder: Path) -> Path:
    """Download a file into a folder, with progress in the log, tried up to four times.

    Raises:
        SearchlightError: it could not be had whole.
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
    """Refuse what leads from https to plain http, and what is too large, before it is read."""
    target = response.headers.get("Location", "")
    if response.is_redirect and response.url.startswith("https://") and target.lower().startswith("http://"):
        raise ValueError(f"found a redirect to {target}, allowed: https://")
    if int(response.headers.get("Content-Length", "0") or 0) > MAX_BYTES:
        raise ValueError(f"found over {MAX_BYTES} bytes, allowed: less")


def extract_member(archive: Path, member: str | None, folder: Path, source: str) -> tuple[Path, str]:
    """Copy one member of a zip archive into ``folder``, under a name of our own.

    Args:
        archive: the zip file.
        member: a name or pattern; of several matches the one with the highest step number. None: any weights.
        folder: where to put it.
        source: how errors call the archive.

    Returns:
        The path of the copy, and the member's name.

    Raises:
        SearchlightError: a name leaves the archive's folder, none or several members fit, or one is too large.
    """
    target = folder / "member"
    try:
        with zipfile.ZipFile(archive) as file:
            chosen = _choose(file, member, source)
            # zipfile stops at the size that was just checked, whatever the compressed data say.
            with file.open(chosen) as content, target.open("wb") as copy:
                shutil.copyfileobj(content, copy)
    except SearchlightError:
        raise
    except Exception as error:  # zipfile and its decompressors raise many kinds; all mean the same to the user
        raise SearchlightError(f"{source}: cannot be read as a zip archive: {one_line(error)}") from error
    return target, chosen


def _choose(file: zipfile.ZipFile, member: str | None, source: str) -> str:
    names = [entry.filename for entry in file.infolist() if not entry.is_dir()]
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in re.split(r"[/\\]", name) or ":" in name.split("/")[0]:
            raise SearchlightError(f"{source}: found the member '{_shown(name)}', allowed: names inside the archive")
    if member is None:
        matches = [name for name in names if name.endswith(_SUFFIXES)]
    elif member in names:
        matches = [name for name in names if name == member]
    else:
        matches = [name for name in names if fnmatch.fnmatchcase(name, member)]
    chosen = _highest_step(matches, source, member, names)
    if file.getinfo(chosen).file_size > MAX_BYTES:
        raise SearchlightError(f"{source}: {_shown(chosen)}: found over {MAX_BYTES} bytes, allowed: less")
    return chosen


def read_tensors(path: Path, source: str) -> dict[str, np.ndarray]:
    """Return the float32 weights of a checkpoint file by name, sorted; ``source`` is how errors call it.

    Raises:
        SearchlightError: the file is cut off, is no checkpoint, or asks to run code.
    """
    with path.open("rb") as file:
        is_safetensors = file.read(9)[8:] == b"{"
    state = _read_safetensors(path, source) if is_safetensors else _read_torch(path, source)
    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): array for name, array in state.items()}
    for name, array in state.items():
        if not np.isfinite(array).all():
            raise SearchlightError(f"{source}: found numbers that are not finite in {_shown(name)}, allowed: none")
    return {name: np.ascontiguousarray(state[name], dtype=np.float32) for name in sorted(state)}


def _read_safetensors(path: Path, source: str) -> dict[str, np.ndarray]:
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
    except (SafetensorError, TypeError, AttributeError, OSError) as error:  # numpy lacks some types
        raise SearchlightError(f"{source}: cannot be read as safetensors: {one_line(error)}") from error


def _read_torch(path: Path, source: str) -> dict[str, np.ndarray]:
    import torch

    _refuse_large_zip(path, source)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch raise many kinds; all mean the same to the user
        reason = one_line(error).partition(". ")[0]
        raise SearchlightError(f"{source}: cannot be read as weights alone: {reason}") from error
    if not isinstance(content, Mapping):
        raise SearchlightError(f"{source}: found a {type(content).__name__}, allowed: a state dict")
    for _ in range(_DEEPEST):  # what is nested in itself has no end
        content = next((content[key] for key in _NESTED if isinstance(content.get(key), Mapping)), content)
    state = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    # A tensor can be larger than its file: one number, repeated.
    if 4 * sum(tensor.numel() for tensor in state.values()) > MAX_BYTES:
        raise SearchlightError(f"{source}: found over {MAX_BYTES} bytes of weights, allowed: less")
    try:
        return {name: tensor.detach().float().numpy() for name, tensor in state.items()}
    except (TypeError, RuntimeError) as error:  # sparse, or without data
        reason = one_line(error).partition(". ")[0]
        raise SearchlightError(f"{source}: cannot be read as arrays: {reason}") from error


def _refuse_large_zip(path: Path, source: str) -> None:
    """Refuse a torch file whose records would be large once inflated: torch writes them as they are."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as file:
            size = sum(entry.file_size for entry in file.infolist())
    except Exception as error:  # whatever a damaged directory makes of zipfile
        raise SearchlightError(f"{source}: cannot be read as a zip: {one_line(error)}") from error
    if size > MAX_BYTES:
        raise SearchlightError(f"{source}: found over {MAX_BYTES} bytes, allowed: less")


def _is_archive(path: Path) -> bool:
    """Tell a zip of checkpoints from a torch file, which is a zip too."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as file:
            return not any(name.endswith("/data.pkl") and name.count("/") == 1 for name in file.namelist())
    except Exception:  # whatever keeps it from being opened, extract_member will say
        return True


def _highest_step(matches: list[str], source: str, member: str | None, names: list[str]) -> str:
    asked = f"member '{member}'" if member else "no member asked for"
    if not matches:
        raise SearchlightError(f"{source}: {asked}, allowed: {_some(names)}")
    if len(matches) == 1:
        return matches[0]
    highest = max(map(_step, matches))
    best = [name for name in matches if _step(name) == highest]
    if len(best) > 1 or len({str(PurePosixPath(name).parent) for name in matches}) > 1:
        raise SearchlightError(f"{source}: {asked} fits several, name one of: {_some(matches)}")
    return best[0]


def _step(name: str) -> tuple[int, str]:
    """Return what orders names by the last number of the file's name, however long; those without come first."""
    numbers = re.findall(r"[0-9]+", PurePosixPath(name).name)
    if not numbers:
        return -1, ""
    digits = numbers[-1].lstrip("0")
    return len(digits), digits


def _some(names: list[str]) -> str:
    if not names:
        return "none, it is empty"
    shown = ", ".join(_shown(name) for name in sorted(names)[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown


def _shown(name: str) -> str:
    """Return a stranger's name as it may be printed: on one line, without codes that a terminal would obey."""
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def _bundled_names(checkpoint: str, bundled: str | Path) -> str:
    if not checkpoint.startswith("bundled:"):
        return ""
    return ", allowed: " + ", ".join(f"bundled:{path.stem}" for path in sorted(Path(bundled).glob("*.safetensors")))
