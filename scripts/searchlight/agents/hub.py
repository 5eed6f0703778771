"""Downloads from the Hugging Face hub, or from the server that ``HF_ENDPOINT`` names.

A file goes into a folder of the caller. Nothing is kept in the home folder. Private repositories need the user's token:
``HF_TOKEN``, or what ``hf auth login`` has stored.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from searchlight.agents.archives import refuse_outside
from searchlight.agents.downloads import check_answer
from searchlight.agents.snapshots import highest_step, only_checkpoint
from searchlight.agents.sources import DATA, MAX_BYTES, POLICY
from searchlight.config.checkpoints import OnHub
from searchlight.errors import SearchlightError, one_line, printable

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo

# Seconds until a server that says nothing is given up.
_TIMEOUT = 60


def fetch_from_hub(wanted: OnHub, checkpoint: str, folder: Path) -> tuple[Path, OnHub]:
    """Download a checkpoint from the hub into a folder.

    Args:
        wanted: the repository, and which revision and file of it.
        checkpoint: the checkpoint of the config, for errors.
        folder: folder of the download.

    Returns:
        The file's path; and its repository, commit and path on the hub.

    Raises:
        SearchlightError: there is no such repository, revision or file, it may not be read, or the download failed.
    """
    # The library reads these when it is imported. Xet is another protocol with a cache of its own. Telemetry stores
    # a list in the home folder.
    os.environ |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    from huggingface_hub import HfApi, set_client_factory

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT", "").rstrip("/") or None)
    with _one_line_errors(checkpoint, wanted, api.endpoint):
        set_client_factory(_client)
        info = api.model_info(
            wanted.repository, revision=_revision(api, wanted, checkpoint), files_metadata=True, timeout=_TIMEOUT
        )
        found = _choose(info, wanted, checkpoint)
        paths = [
            api.hf_hub_download(
                found.repository, name, revision=found.revision, local_dir=folder / "hub", tqdm_class=_progress()
            )
            for name in _with_data(info, str(found.file))
        ]
        return Path(paths[0]), found


def _with_data(info: ModelInfo, file: str) -> list[str]:
    """Return a file; and with ``policy.pth`` the ``data`` beside it, which says what the weights do not."""
    data = str(PurePosixPath(file).with_name(DATA))
    beside = PurePosixPath(file).name == POLICY and data in {one.rfilename for one in info.siblings or []}
    return [file, data] if beside else [file]


def _revision(api: HfApi, wanted: OnHub, checkpoint: str) -> str | None:
    """Return the revision, or of a pattern the branch or tag with the highest step."""
    if wanted.revision is None or not has_magic(wanted.revision):
        return wanted.revision
    refs = api.list_repo_refs(wanted.repository)
    names = sorted({ref.name for ref in [*refs.branches, *refs.tags]})
    matches = [name for name in names if fnmatchcase(name, wanted.revision)]
    return highest_step(matches, f"{checkpoint}: revision '{wanted.revision}'", names)


def _choose(info: ModelInfo, wanted: OnHub, checkpoint: str) -> OnHub:
    """Return the file that is wanted, of those that a repository has."""
    sizes = {file.rfilename: file.size for file in info.siblings or []}
    refuse_outside(sizes, f"{checkpoint}: found the file", "names inside the repository")
    names = sorted(sizes)
    if wanted.file is None:
        file = only_checkpoint(names, wanted.repository.partition("/")[2], f"{checkpoint}: no file asked for")
    elif wanted.file in names:
        file = wanted.file
    else:
        matches = [name for name in names if fnmatchcase(name, wanted.file)]
        file = highest_step(matches, f"{checkpoint}: file '{wanted.file}'", names)
    if (sizes[file] or 0) > MAX_BYTES:
        raise SearchlightError(f"{checkpoint}: {printable(file)}: found over {MAX_BYTES} bytes, allowed: less")
    found = OnHub(wanted.repository, info.sha, file)
    if not found.is_pinned:
        raise SearchlightError(f"{checkpoint}: the server names no commit, allowed: a server that speaks as the hub")
    return found


@contextmanager
def _one_line_errors(checkpoint: str, wanted: OnHub, endpoint: str) -> Iterator[None]:
    """Turn errors of the library into one line."""
    from huggingface_hub import errors

    try:
        yield
    except SearchlightError:
        raise
    except errors.GatedRepoError as error:
        todo = f"accept its terms at {endpoint}/{wanted.repository}, and set HF_TOKEN"
        raise SearchlightError(f"{checkpoint}: gated, {todo}") from error
    except errors.RepositoryNotFoundError as error:
        todo = "private ones need HF_TOKEN"
        raise SearchlightError(f"{checkpoint}: no repository {wanted.repository} at {endpoint} ({todo})") from error
    except errors.RevisionNotFoundError as error:
        allowed = "a commit, branch or tag"
        raise SearchlightError(f"{checkpoint}: no revision '{wanted.revision}', allowed: {allowed}") from error
    except errors.OfflineModeIsEnabled as error:
        raise SearchlightError(f"{checkpoint}: found HF_HUB_OFFLINE, allowed: a run without it, or a path") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        raise SearchlightError(f"{checkpoint}: download failed: {endpoint} answered with status {status}") from error
    except Exception as error:  # the client and the parser of answers raise many kinds; all mean the same to the user
        reason = printable(one_line(error))
        raise SearchlightError(f"{checkpoint}: download from {endpoint} failed: {reason}") from error


def _client() -> Any:
    """Return the library's client, which also checks each answer before its content is read."""
    from huggingface_hub.utils._http import default_client_factory

    client = default_client_factory()
    client.timeout = _TIMEOUT
    client.event_hooks = {**client.event_hooks, "response": [_check_response]}
    return client


def _check_response(response: Any) -> None:
    redirect = response.headers.get("Location") if response.has_redirect_location else None
    check_answer(str(response.url), redirect, response.headers.get("Content-Length"))


def _progress() -> type[Any]:
    """Return a progress bar that stops a download that is larger than the server has said."""
    from tqdm.auto import tqdm

    class Limited(tqdm):  # type: ignore[type-arg]
        received = 0

        def update(self, n: float | None = 1) -> bool | None:
            self.received += int(n or 0)
            if self.received > MAX_BYTES:
                raise ValueError(f"found over {MAX_BYTES} bytes, allowed: less")
            return super().update(n)

    return Limited
