"""Names that users give: parts of the names of files and of Snakemake's wildcards."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import StringConstraints

from searchlight.config.allowed import Allowed

# A file's name holds several names and suffixes, and a file system allows 255 characters.
PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
Name = Annotated[
    str,
    StringConstraints(pattern=rf"^{PATTERN}$"),
    Allowed("at most 64 letters, digits, '-' and '_', the first a letter or a digit"),
]

_REPEATED_END = re.compile(r"(.+?)\1{19,}$")


def repeated_end(name: str) -> str | None:
    """Return the text that a name ends in 20 times or more, or None.

    Snakemake takes a path with this repetition for a loop of rules.
    """
    found = _REPEATED_END.search(name)
    return found[1] if found else None
