"""What tests of agents share."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.checkpoints import Fetch


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    return Fetch(tmp_path)
