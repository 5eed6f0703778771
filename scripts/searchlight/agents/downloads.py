"""Downloads from web addresses, and the rules for answers of any server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from searchlight.agents.sources import MAX_BYTES
from searchlight.errors import SearchlightError, one_line

if TYPE_CHECKING:
    import requests


def download(address: str, folder: Path) -> Path:
    """Download a file into a folder, with progress in the log, tried up to four times.

    Raises:
        SearchlightError: the download failed.
    """
    import pooch
    import requests

    name = "download"
    registry = pooch.create(folder, base_url="", registry={name: None}, urls={name: address}, retry_if_failed=3)
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=60, hooks={"response": _check_response})
    try:
        return Path(registry.fetch(name, downloader=downloader))
    except (requests.RequestException, OSError, ValueError) as error:
        raise SearchlightError(f"{address}: download failed: {one_line(error)}") from error


def check_answer(address: str, redirect: str | None, length: str | None) -> None:
    """Refuse redirects from https to plain http, and files that are too large, before the content is read.

    Args:
        address: the address that was asked.
        redirect: the answer's ``Location``, if it is a redirect.
        length: the answer's ``Content-Length``, if it has one.

    Raises:
        ValueError: the answer is refused.
    """
    target = urljoin(address, redirect or "")
    if address.startswith("https://") and target.lower().startswith("http://"):
        raise ValueError(f"found a redirect to {target}, allowed: https://")
    if int(length or 0) > MAX_BYTES:
        raise ValueError(f"found over {MAX_BYTES} bytes, allowed: less")


def _check_response(response: requests.Response, **_: Any) -> None:
    redirect = response.headers.get("Location") if response.is_redirect else None
    check_answer(response.url, redirect, response.headers.get("Content-Length"))
