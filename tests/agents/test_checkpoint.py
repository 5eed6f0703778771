"""From a published checkpoint to safetensors: what is fetched, what is refused, and that a refusal leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.agents import real_agent
from helpers.checkpoints import (
    Fetch,
    assert_holds,
    network,
    sha256,
    torch_bytes,
)
from helpers.project import BUNDLED
from safetensors.numpy import load_file
from searchlight.agents.policy_file import read_metadata
from searchlight.agents.sources import identity
from searchlight.errors import SearchlightError

# The agent that ships with the project


def test_bundled_agent_keeps_its_tensors_and_says_where_they_are_from(fetch: Fetch) -> None:
    source = BUNDLED / "breakout.safetensors"
    path = fetch("bundled:breakout")
    assert_holds(path, {name: torch.from_numpy(array) for name, array in load_file(source).items()})
    assert read_metadata(path) == {
        "source": "bundled:breakout",
        "member": None,
        "sha256": sha256(source.read_bytes()),
        "network": "greydanus",
        "actions": 4,
    }
    assert fetch.notices == []


def test_unknown_bundled_name_lists_the_known_ones(fetch: Fetch) -> None:
    line = fetch.refused("bundled:breakuot")
    assert "breakuot" in line
    assert "allowed: bundled:breakout" in line


REAL_AGENTS = {
    "breakout-v4.model.40.tar": "e82d5bc0d87d8e0da3772549b75efa6d486e7b47b8f7a914f0eabfb9441159b0",
    "breakout-v4.model.80.tar": "af6c793df878de5021e95af93028e11107b9840b7c92d81f770574af32f4df77",
}


@pytest.mark.parametrize(("name", "digest"), REAL_AGENTS.items(), ids=REAL_AGENTS)
def test_real_public_agent_is_read(fetch: Fetch, name: str, digest: str) -> None:
    source = real_agent(name)
    path = fetch(str(source), digest=digest)
    assert_holds(path, torch.load(source, weights_only=True))
    expected = {"source": str(source), "member": None, "sha256": digest, "network": "greydanus", "actions": 4}
    assert read_metadata(path) == expected
    assert fetch.notices == []


# The digest


def test_right_digest_prints_nothing(fetch: Fetch) -> None:
    data = torch_bytes(network())
    assert read_metadata(fetch(data, digest=sha256(data)))["sha256"] == sha256(data)
    assert fetch.notices == []


def test_wrong_digest_is_refused_before_the_file_is_opened(fetch: Fetch) -> None:
    data, other = b"not even a checkpoint", "0" * 64
    line = fetch.refused(data, digest=other)
    assert sha256(data) in line
    assert other in line


def test_missing_digest_is_printed_and_recorded(fetch: Fetch) -> None:
    data = torch_bytes(network())
    assert read_metadata(fetch(data))["sha256"] == sha256(data)
    (notice,) = fetch.notices
    assert notice.endswith(f"sha256: {sha256(data)}")
    assert notice.isprintable()


def test_refused_checkpoint_leaves_an_earlier_output_unchanged(fetch: Fetch) -> None:
    before = fetch(torch_bytes(network())).read_bytes()
    with pytest.raises(SearchlightError):
        fetch(b"no checkpoint")
    assert fetch.output.read_bytes() == before
    assert list(fetch.output.parent.iterdir()) == [fetch.output]


def test_missing_file_is_refused(fetch: Fetch) -> None:
    path = fetch.folder / "absent.tar"
    assert f"{path}: no such file" in fetch.refused(str(path))


@pytest.mark.parametrize("name", ["weights", "weights/*.tar"])
def test_folder_and_pattern_are_recorded_as_their_file(fetch: Fetch, name: str) -> None:
    for seed, step in enumerate((20, 100, 40)):
        path = fetch.folder / "weights" / f"strong.{step}.tar"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(torch_bytes(network(seed=seed)))
    output = fetch(str(fetch.folder / name))
    assert_holds(output, network(seed=1))
    assert read_metadata(output)["source"] == str(fetch.folder / "weights" / "strong.100.tar")


def test_folder_without_a_checkpoint_is_refused(fetch: Fetch) -> None:
    assert "a folder, no file asked for, allowed: none, it is empty" in fetch.refused(str(fetch.folder))


def test_actor_alone_is_not_taken_for_q_values(fetch: Fetch) -> None:
    layers = {"0": (4, 4, 8, 8), "2": (4, 4, 4, 4), "4": (4, 4, 3, 3), "7": (6, 196), "9": (3, 6)}
    names = {f"{number}.weight": torch.ones(shape) for number, shape in layers.items()}
    for prefix in ("actor.", "model.policy.", "pi.net."):
        line = fetch.refused(torch_bytes({prefix + name: tensor for name, tensor in names.items()}))
        assert f"found one network under '{prefix.split('.')[-2 if prefix[0] == 'm' else 0]}', which may give" in line
    assert (
        read_metadata(fetch(torch_bytes({f"q.net.{name}": tensor for name, tensor in names.items()})))["actions"] == 3
    )


def test_data_beside_an_unpacked_policy_is_part_of_its_identity(tmp_path: Path) -> None:
    (tmp_path / "policy.pth").write_bytes(b"weights")
    (tmp_path / "data").write_text("{}")
    name = str(tmp_path / "policy.pth")
    before = identity(name, None, BUNDLED, {})
    assert identity(name, None, BUNDLED, {}) == before
    (tmp_path / "data").write_text('{"n_quantiles": 3}')
    assert identity(name, None, BUNDLED, {})["file"] != before["file"]
