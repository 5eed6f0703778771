"""What a result is made from, in a short text that changes with any of it.

A job has the lineage of its result among its parameters. So it knows by itself that it is out of date: also where
Snakemake, after a failure, finds the files that it reads missing and takes those that were made from them for enough;
and where dates are no help.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from searchlight.files import digest_of


def lineage(*parts: Any) -> str:
    """Return a digest of what a result is made from: of code, of settings in plain types, of what it reads."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def digest_of_code(files: Iterable[Path]) -> str:
    """Return a digest of a script and of the modules that it uses: of their names and contents, in whatever folder."""
    return lineage([(path.name, _digest_of(path)) for path in files])


_digest_of = cache(digest_of)
