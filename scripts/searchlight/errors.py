"""The exception for errors that users read, and functions for its text."""

import errno

# Error numbers of a full disk, then also those of a disk that is write-protected or failing.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
OF_DISKS = FULL | {errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}

# Characters of an error that quotes an untrusted file.
LONGEST = 200


class SearchlightError(Exception):
    """A mistake or a fault that one line can explain: the file or key, what was found, what is allowed."""


def damaged(path: object, found: object) -> SearchlightError:
    """Return the error for a damaged result; it names the file and what was found in it."""
    found = one_line(found) if isinstance(found, BaseException) else found
    return SearchlightError(f"{path}: damaged, delete it and run again ({found})")


def printable(name: str) -> str:
    """Return a name from an untrusted file on one line, with control characters escaped."""
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def quoted(error: BaseException) -> str:
    """Return what ``one_line`` returns, escaped and cut, of an error that may quote an untrusted file."""
    text = printable(one_line(error))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def one_line(error: BaseException) -> str:
    """Return the message of any exception folded into one line."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
