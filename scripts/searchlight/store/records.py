"""The lineage inside a result: at the file's end or, in safetensors, in the metadata.

Snakemake keeps its record of a result beside the project, not in the result. Results that were copied, or that another
checkout made in the same bucket, have no record. Their lineage then shows whether they fit the config. A few bytes of
the file are enough to read it, so results in a bucket need not be downloaded.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_MARK = re.compile(rb"lineage\W{1,8}([0-9a-f]{16})(?![0-9a-f])")
# Bytes that hold the lineage: at the end of a file, or at the start of safetensors, where their metadata is.
_TAIL, _HEAD = 64, 65_536
_of_job: str | None = None


def declare(lineage: str | None) -> None:
    """Set the lineage of all results that this process writes from now on."""
    global _of_job
    _of_job = lineage


def declared() -> str | None:
    """Return the lineage of the results that this process writes, or None outside of jobs."""
    return _of_job


def mark() -> bytes:
    """Return the lineage as the last bytes of a result; empty outside of jobs."""
    return f"lineage:{_of_job}".encode() if _of_job is not None else b""


def found_in(content: bytes) -> str | None:
    """Return the lineage in some bytes of a result, or None. Results of older versions have no lineage."""
    marks = _MARK.findall(content)
    return marks[-1].decode() if marks else None


def read_lineage(path: str | Path) -> str | None:
    """Return the lineage of a result; None if it has no lineage, or is cut off.

    Raises:
        OSError: the file is missing, or cannot be read.
    """
    with Path(path).open("rb") as file:
        if str(path).endswith(".safetensors"):
            return found_in(file.read(_HEAD))
        file.seek(max(0, file.seek(0, 2) - _TAIL))
        return found_in(file.read())


def lineage_in_bucket(client: Any, bucket: str, key: str) -> str | None:
    """Return the lineage of a result in an S3 bucket. Only the bytes that hold the lineage are fetched.

    Args:
        client: S3 client of boto3.
        bucket: name of the bucket.
        key: key of the result.

    Raises:
        FileNotFoundError: the bucket or the result does not exist.
    """
    part = f"bytes=0-{_HEAD - 1}" if key.endswith(".safetensors") else f"bytes=-{_TAIL}"
    try:
        answer = client.get_object(Bucket=bucket, Key=key, Range=part)
    except client.exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("NoSuchKey", "NoSuchBucket", "404"):
            raise FileNotFoundError(key) from error
        if code == "InvalidRange":  # the file is empty
            return None
        raise
    return found_in(answer["Body"].read())
