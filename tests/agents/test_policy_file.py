"""The file of an agent's weights."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from helpers.checkpoints import Fetch, network, torch_bytes
from searchlight.agents.policy_file import load_policy, write_policy
from searchlight.errors import SearchlightError


def test_two_fetches_are_equal_byte_for_byte(fetch: Fetch) -> None:
    assert fetch("bundled:breakout").read_bytes() == fetch("bundled:breakout").read_bytes()


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o027, 0o077])
def test_output_permissions_follow_the_umask(fetch: Fetch, umask: int) -> None:
    before = os.umask(umask)
    try:
        path = fetch(torch_bytes(network()))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_file_alone_cannot_ask_for_code(tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    spec = {"module": str(tmp_path / "evil.py"), "class": "Evil", "arguments": {}}
    write_policy(tmp_path / "policy", {"a": np.zeros(1, np.float32)}, {"network": spec})
    for asked in (None, "nature", {**spec, "class": "Other"}):
        with pytest.raises(SearchlightError, match=r"evil\.py, whose code the config does not ask for"):
            load_policy(tmp_path / "policy", asked)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(SearchlightError, match="found no class Evil"):
        load_policy(tmp_path / "policy", spec)
    assert (tmp_path / "ran").exists()
