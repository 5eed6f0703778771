"""Checkpoints on the hub: which file is fetched, what is recorded, and that each failure is one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from helpers.checkpoints import Fetch, assert_holds, network, sha256, torch_bytes
from helpers.hub import Hub, commit
from helpers.project import BUNDLED, ROOT
from searchlight.agents import downloads, hub
from searchlight.agents.policy_file import read_metadata

WEIGHTS = [torch_bytes(network(seed=seed)) for seed in range(3)]
ZOO = {
    "README.md": b"# ppo",
    "ppo-BreakoutNoFrameskip-v4/policy.optimizer.pth": b"Adam",
    "ppo-BreakoutNoFrameskip-v4/policy.pth": WEIGHTS[0],
    "train_eval_metrics.zip": b"curves",
}
SNAPSHOTS = {f"rl_model_{step}_steps.zip": WEIGHTS[n] for n, step in enumerate((20_000, 100_000, 40_000))}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub with one repository that has two commits; HF_ENDPOINT names it."""
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    # No waiting between attempts.
    monkeypatch.setattr("huggingface_hub.file_download.time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=lambda _: None))
    with Hub("me/agent", {"policy.pth": WEIGHTS[0]}) as running:
        running.push("second", {"policy.pth": WEIGHTS[1], "log.txt": b""})
        running.tags["v1"] = commit("first")
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint + "/")
        Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield running
        running.shutdown()


@pytest.mark.parametrize(
    ("checkpoint", "name", "seed"),
    [
        ("hub:me/agent", "second", 1),
        ("hub:me/agent/policy.pth", "second", 1),
        ("hub:me/agent@main", "second", 1),
        ("hub:me/agent@v1", "first", 0),
        ("hub:me/agent@v*", "first", 0),
        (f"hub:me/agent@{commit('first')}/policy.pth", "first", 0),
        ("hub:me/agent/*.pth", "second", 1),
    ],
)
def test_file_of_a_revision_is_fetched_and_recorded(
    fetch: Fetch, server: Hub, checkpoint: str, name: str, seed: int
) -> None:
    path = fetch(checkpoint)
    assert_holds(path, network(seed=seed))
    about = read_metadata(path)
    assert about["source"] == f"hub:me/agent@{commit(name)}/policy.pth"
    assert about["sha256"] == sha256(WEIGHTS[seed])
    file = "/policy.pth" if checkpoint.endswith("/policy.pth") else "/*.pth" if checkpoint.endswith("pth") else ""
    pinned = [] if len(checkpoint) > 50 else [f"checkpoint: hub:me/agent@{commit(name)}{file}"]
    assert [notice.partition("  ")[2] for notice in fetch.notices] == pinned


def test_nothing_but_info_and_the_file_is_asked_for(fetch: Fetch, server: Hub) -> None:
    fetch("hub:me/agent")
    file = f"/me/agent/resolve/{commit('second')}/policy.pth"
    assert server.asked == ["GET /api/models/me/agent", f"HEAD {file}", f"GET {file}"]
    assert server.tokens == []


def test_highest_step_of_snapshots_and_of_revisions_is_taken(fetch: Fetch, server: Hub) -> None:
    server.push("snapshots", SNAPSHOTS)
    assert_holds(fetch("hub:me/agent"), network(seed=1))
    fetch.output.unlink()
    assert_holds(fetch("hub:me/agent/rl_model_?0000_steps.zip"), network(seed=2))
    for n, step in enumerate((20, 100, 40)):
        server.push(f"at {step}", {"model.pth": WEIGHTS[n]}, branch=f"step-{step}")
    assert_holds(fetch("hub:me/agent@step-*"), network(seed=1))


def test_agent_of_the_zoo_is_chosen_by_name(fetch: Fetch, server: Hub) -> None:
    server.push("unzipped", ZOO)
    assert_holds(fetch("hub:me/agent"), network(seed=0))
    fetch.output.unlink()
    server.push("zoo", {**ZOO, "agent.pt": b"TorchScript", "ppo-BreakoutNoFrameskip-v4.zip": WEIGHTS[2]})
    assert_holds(fetch("hub:me/agent"), network(seed=2))
    assert_holds(fetch("hub:me/agent/ppo-BreakoutNoFrameskip-v4/policy.pth"), network(seed=0))


@pytest.mark.parametrize(
    ("checkpoint", "repository", "file"),
    [
        ("sb3:ppo/Pong-v4", "sb3/ppo-Pong-v4", "ppo-Pong-v4.zip"),
        ("cleanrl:Pong-v4-dqn_atari-seed1", "cleanrl/Pong-v4-dqn_atari-seed1", "dqn_atari.cleanrl_model"),
    ],
)
def test_short_form_is_fetched_and_pinned_in_its_own_form(
    fetch: Fetch, server: Hub, checkpoint: str, repository: str, file: str
) -> None:
    server.repository = repository
    sha = server.push("published", {file: WEIGHTS[2], "other.zip": b""})
    path = fetch(checkpoint)
    assert read_metadata(path)["source"] == f"hub:{repository}@{sha}/{file}"
    assert fetch.notices[0].endswith(f"  checkpoint: {checkpoint}@{sha}")
    fetch(f"{checkpoint}@{sha}")
    assert len(fetch.notices) == 1


def test_data_beside_the_weights_of_an_unzipped_agent_is_read(fetch: Fetch, server: Hub) -> None:
    server.push("unzipped", {**ZOO, "ppo-BreakoutNoFrameskip-v4/data": b"no JSON"})
    assert "data: cannot be read as JSON" in fetch.refused("hub:me/agent")


def test_right_digest_prints_nothing_and_a_wrong_one_is_refused(fetch: Fetch, server: Hub) -> None:
    fetch("hub:me/agent", digest=sha256(WEIGHTS[1]))
    assert fetch.notices == []
    fetch.output.unlink()
    assert sha256(WEIGHTS[1]) in fetch.refused("hub:me/agent", digest="0" * 64)


def test_token_goes_to_the_hub_alone(fetch: Fetch, server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with Hub("me/agent", {"policy.pth": WEIGHTS[1]}) as other:
        Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        server.elsewhere = f"{other.endpoint}/elsewhere"
        assert_holds(fetch("hub:me/agent"), network(seed=1))
        other.shutdown()
    assert set(server.tokens) == {"Bearer hf_secret"}
    assert other.asked == ["GET /elsewhere"]
    assert other.tokens == []


# What is refused


@pytest.mark.parametrize(
    ("checkpoint", "said"),
    [
        ("hub:me/other", "no repository me/other at http://127.0.0.1:"),
        ("hub:me/agent@v2", "no revision 'v2', allowed: a commit, branch or tag"),
        ("hub:me/agent@w*", "revision 'w*', allowed: main, v1"),
        ("hub:me/agent/model.zip", "file 'model.zip', allowed: log.txt, policy.pth"),
        ("hub:me/agent/*", "file '*': several fit, name one of: log.txt, policy.pth"),
        ("hub:me/agent@v1/log.txt", "file 'log.txt', allowed: policy.pth"),
        ("hub:me/agent/log.txt", "hub:me/agent/log.txt: "),
    ],
)
def test_what_is_not_there_is_one_line(fetch: Fetch, server: Hub, checkpoint: str, said: str) -> None:
    line = fetch.refused(checkpoint)
    assert line.startswith(f"{checkpoint}: ")
    assert said in line


def test_gated_repository_says_what_to_do(fetch: Fetch, server: Hub) -> None:
    server.gated = True
    line = fetch.refused("hub:me/agent")
    assert f"accept its terms at {server.endpoint}/me/agent, and set HF_TOKEN" in line


@pytest.mark.parametrize("files", [{"README.md": b""}, {"a.pth": b"", "b.pth": b""}, {}])
def test_files_are_listed_where_none_or_several_fit(fetch: Fetch, server: Hub, files: dict[str, bytes]) -> None:
    server.push("third", files)
    assert (", ".join(files) or "it is empty") in fetch.refused("hub:me/agent")


@pytest.mark.parametrize("name", ["../evil.pth", "/evil.pth", "a/../../evil.pth", "..\\evil.pth", "C:/evil.pth"])
def test_name_outside_the_repository_is_refused(fetch: Fetch, server: Hub, name: str) -> None:
    server.push("third", {name: WEIGHTS[0]})
    assert f"found the file '{name}', allowed: names inside the repository" in fetch.refused("hub:me/agent")
    assert not list(fetch.folder.parent.rglob("evil*"))
    assert len(server.asked) == 1


def test_unprintable_names_are_escaped(fetch: Fetch, server: Hub) -> None:
    server.push("third", {"\x1b[2J.txt": b""})
    assert r"\x1b[2J.txt" in fetch.refused("hub:me/agent")


def test_listed_size_over_the_limit_is_refused(fetch: Fetch, server: Hub) -> None:
    server.sizes["policy.pth"] = hub.MAX_BYTES + 1
    assert f"policy.pth: found over {hub.MAX_BYTES} bytes" in fetch.refused("hub:me/agent")
    assert len(server.asked) == 1


@pytest.mark.parametrize("length", ["9" * 12, None], ids=["too-long", "not-given"])
def test_file_larger_than_its_listed_size_is_stopped(
    fetch: Fetch, server: Hub, monkeypatch: pytest.MonkeyPatch, length: str | None
) -> None:
    server.sizes["policy.pth"] = 10
    server.headers["Content-Length"] = length
    monkeypatch.setattr(downloads, "MAX_BYTES", 3000)
    monkeypatch.setattr(hub, "MAX_BYTES", 3000)
    server.push("third", {"policy.pth": bytes(10_000)})
    assert "failed: found over 3000 bytes, allowed: less" in fetch.refused("hub:me/agent")


def test_redirect_to_no_web_address_is_refused(fetch: Fetch, server: Hub) -> None:
    server.elsewhere = "file:///etc/passwd"
    assert "download from" in fetch.refused("hub:me/agent")


def test_redirect_from_https_to_http_is_refused() -> None:
    import httpx2

    request = httpx2.Request("GET", "https://example.org/me/agent")
    with pytest.raises(ValueError, match="found a redirect to http://"):
        hub._check_response(httpx2.Response(302, headers={"Location": "http://example.org/a"}, request=request))
    hub._check_response(httpx2.Response(302, headers={"Location": "/a"}, request=request))
    assert hub._client().event_hooks["response"] == [hub._check_response]


def test_server_that_is_no_hub_is_one_line(fetch: Fetch, server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.headers["X-Repo-Commit"] = None
    assert "hub:me/agent: download from" in fetch.refused("hub:me/agent")
    server.headers.clear()
    server.branches["main"] = "no commit"
    server.commits["no commit"] = {"policy.pth": b""}
    assert "the server names no commit" in fetch.refused("hub:me/agent")
    monkeypatch.setenv("HF_ENDPOINT", "nonsense")
    assert "download from nonsense failed" in fetch.refused("hub:me/agent")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert "download from http://127.0.0.1:1 failed" in fetch.refused("hub:me/agent")


def test_server_error_is_one_line(fetch: Fetch, server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helpers.hub._Handler.info", lambda self, revision: self.refuse(503, "Busy"))
    assert f"{server.endpoint} answered with status 503" in fetch.refused("hub:me/agent")


# In a process of its own, because the library reads its settings when it is imported.

FETCH = """
import sys
from searchlight.agents.checkpoint import fetch_checkpoint
from searchlight.errors import SearchlightError
try:
    fetch_checkpoint("hub:me/agent", None, None, sys.argv[1], sys.argv[2], print)
except SearchlightError as error:
    print(error)
"""


@pytest.mark.parametrize("offline", [False, True])
def test_nothing_is_left_in_the_home_folder(server: Hub, tmp_path: Path, offline: bool) -> None:
    home, output = tmp_path / "home", tmp_path / "output" / "policy.safetensors"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
    environment = {**kept, "HOME": str(home), "HF_ENDPOINT": server.endpoint, "PYTHONPATH": str(ROOT / "scripts")}
    environment |= {"HF_HUB_OFFLINE": "1"} if offline else {}
    command = [sys.executable, "-c", FETCH, str(BUNDLED), str(output)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert list(home.rglob("*")) == []
    if offline:
        assert done.stdout == "hub:me/agent: found HF_HUB_OFFLINE, allowed: a run without it, or a path\n"
        assert server.asked == []
    else:
        assert list(output.parent.iterdir()) == [output]
        assert_holds(output, network(seed=1))
