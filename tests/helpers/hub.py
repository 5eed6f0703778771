"""A server on this machine that answers as the Hugging Face hub does, as far as its client asks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Files = Mapping[str, bytes]


def commit(name: str) -> str:
    """Return a commit's hash."""
    return hashlib.sha1(name.encode()).hexdigest()  # noqa: S324  git's own


class Hub(ThreadingHTTPServer):
    """A hub with one repository.

    Attributes:
        repository: ``ORG/NAME`` of the repository.
        commits: files of each commit, by its hash.
        branches: commits by the names of branches; ``main`` is the newest.
        tags: commits by the names of tags.
        gated: whether files are refused; the info is not.
        sizes: sizes that the info tells, where they are not the files' own.
        headers: headers that answers with files have in place of the usual ones.
        elsewhere: address that answers with files redirect to.
        asked: method and path of each request, in turn.
        tokens: the header ``Authorization`` of each request that had one.
    """

    daemon_threads = True

    def __init__(self, repository: str, files: Files) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repository = repository
        self.commits: dict[str, Files] = {commit("first"): files}
        self.branches = {"main": commit("first")}
        self.tags: dict[str, str] = {}
        self.gated = False
        self.sizes: dict[str, int] = {}
        self.headers: dict[str, str | None] = {}
        self.elsewhere: str | None = None
        self.asked: list[str] = []
        self.tokens: list[str] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def push(self, name: str, files: Files, branch: str = "main") -> str:
        """Make a commit the newest of a branch, and return its hash."""
        self.commits[commit(name)] = files
        self.branches[branch] = commit(name)
        return commit(name)

    def resolved(self, revision: str) -> str | None:
        known = {**self.branches, **self.tags, **{one: one for one in self.commits}}
        return known.get(revision)


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        hub, path = self.server, unquote(urlsplit(self.path).path)
        hub.asked.append(f"{self.command} {path}")
        hub.tokens += [self.headers["Authorization"]] if "Authorization" in self.headers else []
        api, repository = f"/api/models/{hub.repository}", f"/{hub.repository}/resolve/"
        if path == "/api/agent-harnesses":  # telemetry, which the client would keep in the home folder
            self.answer(200, b'{"standardEnvVars": [], "harnesses": {}}')
        elif path == "/elsewhere":
            self.answer(200, hub.commits[hub.branches["main"]]["policy.pth"])
        elif not path.startswith((api, repository)):
            # The hub does not tell missing repositories from private ones.
            self.refuse(401, "RepoNotFound")
        elif path == f"{api}/refs":
            self.answer(200, json.dumps(self.refs()).encode())
        elif path.startswith(api):
            self.info(path.removeprefix(api).removeprefix("/revision/") or "main")
        elif hub.gated:
            self.refuse(403, "GatedRepo")
        else:
            revision, _, name = path.removeprefix(repository).partition("/")
            self.file(revision, name)

    do_HEAD = do_GET  # noqa: N815  the name that the base class calls

    def refs(self) -> dict[str, list[dict[str, str]]]:
        kinds = {"branches": self.server.branches, "tags": self.server.tags, "converts": {}}
        return {
            kind: [{"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": one} for name, one in names.items()]
            for kind, names in kinds.items()
        }

    def info(self, revision: str) -> None:
        sha = self.server.resolved(revision)
        if sha is None:
            self.refuse(404, "RevisionNotFound")
            return
        sizes = {name: len(content) for name, content in self.server.commits[sha].items()} | self.server.sizes
        siblings = [{"rfilename": name, "size": size} for name, size in sizes.items()]
        name = self.server.repository
        about: dict[str, Any] = {"_id": "0", "id": name, "modelId": name, "sha": sha, "siblings": siblings}
        self.answer(200, json.dumps({**about, "private": False, "tags": [], "downloads": 0, "likes": 0}).encode())

    def file(self, revision: str, name: str) -> None:
        sha = self.server.resolved(revision)
        if sha is None or name not in self.server.commits[sha]:
            self.refuse(404, "EntryNotFound" if sha else "RevisionNotFound")
            return
        content = self.server.commits[sha][name]
        headers = {"X-Repo-Commit": sha, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        if self.server.elsewhere is not None:
            location = {"Location": self.server.elsewhere, "X-Linked-Size": str(len(content))}
            self.answer(302, b"", headers | location)
        else:
            self.answer(200, content, headers)

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, b"", {"X-Error-Code": code})

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        usual: dict[str, str | None] = {"Content-Length": str(len(body)), **(headers or {})}
        if headers and "ETag" in headers:
            usual |= self.server.headers
        for name, value in usual.items():
            if value is not None:
                self.send_header(name, value)
        if "Content-Length" not in usual or usual["Content-Length"] is None:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name of the base class
        pass
