"""The file of an agent's weights."""

from __future__ import annotations

import os

import pytest
from helpers.checkpoints import Fetch, network, torch_bytes


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
