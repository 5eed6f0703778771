"""Downloads from web addresses: complete, tried again, and refused in one line."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from helpers.checkpoints import (
    FORMATS,
    STEPS,
    Fetch,
    Network,
    archive_of,
    assert_holds,
    damaged,
    network,
    sha256,
    torch_bytes,
)
from searchlight.agents import downloads
from searchlight.agents.downloads import download
from searchlight.agents.policy_file import read_metadata


@dataclass
class Answer:
    """What a server says to one request; with ``missing`` bytes it promises more than it sends."""

    body: bytes = b""
    status: int = 200
    missing: int = 0


class Site(ThreadingHTTPServer):
    """A server on this machine that gives its answers in turn, and the last of them from then on."""

    daemon_threads = True

    def __init__(self, *answers: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.asked = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/breakout.tar"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        answer = self.server.answers[min(self.server.asked, len(self.server.answers) - 1)]
        self.server.asked += 1
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.body) + answer.missing))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name of the base class
        pass


Serve = Callable[..., Site]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start servers; between attempts nobody waits, and no proxy is asked."""
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with contextlib.ExitStack() as stack:

        def start(*answers: Answer) -> Site:
            site = stack.enter_context(Site(*answers))
            Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            stack.callback(site.shutdown)
            return site

        yield start


def test_download_is_complete(serve: Serve, tmp_path: Path) -> None:
    body = bytes(range(256)) * 500
    assert download(serve(Answer(body)).address, tmp_path).read_bytes() == body


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_checkpoint_is_fetched_from_a_url(fetch: Fetch, serve: Serve, write: Callable[[Network], bytes]) -> None:
    data = write(network())
    site = serve(Answer(data))
    path = fetch(site.address, digest=sha256(data))
    assert_holds(path, network())
    assert read_metadata(path)["source"] == site.address
    assert site.asked == 1
    assert fetch.notices == []


def test_archive_member_is_fetched_from_a_url(fetch: Fetch, serve: Serve) -> None:
    site = serve(Answer(archive_of(*STEPS)))
    path = fetch(site.address, member="breakout-v0/*.tar")
    assert_holds(path, network(seed=1))
    assert read_metadata(path)["member"] == STEPS[1]
    assert site.address in fetch.notices[0]


@pytest.mark.parametrize(
    "answer", [Answer(status=503), Answer(torch_bytes(network())[:500], missing=100)], ids=["unavailable", "cut-off"]
)
def test_download_is_retried_after_one_failure(fetch: Fetch, serve: Serve, answer: Answer) -> None:
    site = serve(answer, Answer(torch_bytes(network())))
    assert_holds(fetch(site.address), network())
    assert site.asked == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(b"<html>not here</html>", status=404), "404"),
        (Answer(status=500), "500"),
        (Answer(torch_bytes(network()), missing=1), "download failed"),
        (Answer(torch_bytes(network())[:500], missing=100_000), "download failed"),
        (Answer(missing=100), "download failed"),
    ],
    ids=["not-found", "server-error", "one-byte-short", "cut-off", "nothing-sent"],
)
def test_download_is_refused_after_four_failures(fetch: Fetch, serve: Serve, answer: Answer, said: str) -> None:
    site = serve(answer)
    line = fetch.refused(site.address)
    assert site.address in line
    assert said in line
    assert site.asked == 4


def test_unreachable_server_is_named(fetch: Fetch, serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/breakout.tar"
    assert f"{address}: download failed" in fetch.refused(address)


@pytest.mark.parametrize(
    "body",
    [
        archive_of("../evil.tar"),
        archive_of("a.pt", "b.pt"),
        archive_of("README.md"),
        damaged(entry_16=b"\0\1\2\3"),
        b"text",
    ],
    ids=["leaving-its-folder", "several", "none", "damaged", "text"],
)
def test_refused_download_names_its_url(fetch: Fetch, serve: Serve, body: bytes) -> None:
    site = serve(Answer(body))
    assert site.address in fetch.refused(site.address)


def test_download_of_another_digest_is_refused(fetch: Fetch, serve: Serve) -> None:
    data = torch_bytes(network())
    assert sha256(data) in fetch.refused(serve(Answer(data)).address, digest="0" * 64)


def test_redirect_from_https_to_http_is_refused() -> None:
    response = requests.Response()
    response.status_code, response.url = 302, "https://example.org/agent.tar"
    response.headers["Location"] = "http://example.org/agent.tar"
    with pytest.raises(ValueError, match="found a redirect to http://"):
        downloads._check_response(response)
    response.headers["Location"] = "https://example.org/other.tar"
    downloads._check_response(response)
