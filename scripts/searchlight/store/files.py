"""Files that appear whole or not at all, with their checksums and digests."""

from __future__ import annotations

import glob
import hashlib
import secrets
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from searchlight.errors import FULL, SearchlightError, damaged
from searchlight.store.records import declared, mark

# Prefix of a result's file name while it is written. A random suffix, one for each writer, follows the name.
PARTIAL = ".partial-"
# Start of an mp4 box that all players skip: its length, its kind `free`, then our own mark.
_SEAL = (16).to_bytes(4, "big") + b"freeCRC="


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``, and rename it to ``path`` once the block has succeeded.

    A job whose Snakemake was killed may still be writing the same result. The newest writer wins: it removes the
    partial files of the others, and these fail.

    Raises:
        SearchlightError: the disk is full, the folder cannot be written to, or another job has begun since.
    """
    path = Path(path)
    partial = path.with_name(f"{PARTIAL}{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for other in path.parent.glob(f"{PARTIAL}{glob.escape(path.name)}.*"):
            remove(other)
        yield partial
        try:
            partial.replace(path)
        except FileNotFoundError as error:
            raise SearchlightError(f"{path}: another job has begun to write it, allowed: one at a time") from error
    except SearchlightError:
        raise
    except Exception as error:
        # A library's error on writing may be hidden behind its error on closing.
        cause: BaseException | None = error
        while cause is not None and not _is_about(cause, partial):
            cause = cause.__context__
        if not isinstance(cause, OSError):
            raise
        raise SearchlightError(f"{path}: cannot be written: {cause.strerror}") from cause
    finally:
        if partial.exists():  # unlink fails on read-only folders even if the file is absent
            remove(partial)


def write_text(path: str | Path, text: str) -> None:
    """Write a text as a whole file, in UTF-8; raise as ``written_whole`` does."""
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _is_about(error: BaseException, partial: Path) -> bool:
    """Return whether an error is about writing the file, and not about its content."""
    if not isinstance(error, OSError):
        return False
    named = error.filename if isinstance(error.filename, str) else None
    return error.errno in FULL or (named is not None and Path(named) in (partial, *partial.parents))


def seal(path: Path) -> None:
    """Append the lineage and a checksum to a video, because mp4 has no checksum, unlike a store."""
    with path.open("r+b") as file:
        checksum = zlib.crc32(file.read())
        if declared() is not None:
            box = (8 + len(mark())).to_bytes(4, "big") + b"free" + mark()
            file.write(box)
            checksum = zlib.crc32(box, checksum)
        file.write(_SEAL + checksum.to_bytes(4, "big"))


def read_sealed(path: str | Path) -> bytes:
    """Return the content of a sealed video, verified.

    Raises:
        SearchlightError: the video is missing, cut off or damaged.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SearchlightError(f"{path}: cannot be read: {error.strerror}") from error
    length = len(content) - len(_SEAL) - 4
    if content[length:] != _SEAL + zlib.crc32(content[: max(length, 0)]).to_bytes(4, "big"):
        raise damaged(path, f"found {len(content)} bytes whose checksum is not theirs")
    return content


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def digest_of(path: Path) -> str:
    """Return the sha256 of a file, in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
