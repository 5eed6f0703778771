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


def lineage(code: Iterable[str], *parts: Any) -> str:
    """Return a digest of what a result is made from.

    Args:
        code: paths of the script that makes it and of the modules that the script uses.
        parts: settings in plain types, and the lineages of what it reads.
    """
    files = [(Path(path).name, _digest_of(path)) for path in code]
    return hashlib.sha256(json.dumps([files, parts]).encode()).hexdigest()[:16]


_digest_of = cache(lambda path: digest_of(Path(path)))
