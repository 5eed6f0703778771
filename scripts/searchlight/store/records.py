"""What a result says of itself: its lineage, at its end or, in safetensors, among what is said of the weights.

Snakemake keeps its record of a result beside the project, not in the result. A result that was copied, or that another
checkout made in the same bucket, has none; then this tells whether it is what the config asks for. No library is
needed to read it: a few bytes of any format are enough, such as a server gives of a file that is not fetched.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_MARK = re.compile(rb"lineage\W{1,8}([0-9a-f]{16})(?![0-9a-f])")
# How many bytes hold it: of the end of a file, of the beginning of safetensors. These begin with all their metadata.
_TAIL, _HEAD = 64, 65_536
_of_job: str | None = None


def declare(lineage: str | None) -> None:
    """Set the lineage of all that this process writes from now on."""
    global _of_job
    _of_job = lineage


def declared() -> str | None:
    """Return the lineage of what this process writes, or None outside of jobs."""
    return _of_job


def mark() -> bytes:
    """Return the text that a result ends with; none outside of jobs."""
    return f"lineage:{_of_job}".encode() if _of_job is not None else b""


def found_in(content: bytes) -> str | None:
    """Return the lineage in such a part of a result; None where there is none, as in what older versions made."""
    marks = _MARK.findall(content)
    return marks[-1].decode() if marks else None


def read_lineage(path: str | Path) -> str | None:
    """Return the lineage of a result; None where it says none, or is cut off.

    Raises:
        OSError: it is missing, or cannot be read.
    """
    with Path(path).open("rb") as file:
        if str(path).endswith(".safetensors"):
            return found_in(file.read(_HEAD))
        file.seek(max(0, file.seek(0, 2) - _TAIL))
        return found_in(file.read())


def lineage_in_bucket(client: Any, bucket: str, key: str) -> str | None:
    """Return the lineage of a result in an S3 bucket, of which only the part that holds it is fetched.

    Args:
        client: of boto3.
        bucket: its name.
        key: of the result.

    Raises:
        FileNotFoundError: there is no such result.
    """
    part = f"bytes=0-{_HEAD - 1}" if key.endswith(".safetensors") else f"bytes=-{_TAIL}"
    try:
        answer = client.get_object(Bucket=bucket, Key=key, Range=part)
    except client.exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("NoSuchKey", "NoSuchBucket", "404"):
            raise FileNotFoundError(key) from error
        if code == "InvalidRange":  # it is empty
            return None
        raise
    return found_in(answer["Body"].read())
