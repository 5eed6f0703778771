"""The one exception that a user is meant to see."""

import errno

# What a disk says that is full, and what it says that may not be written to or is failing.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
OF_DISKS = FULL | {errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}


class SearchlightError(Exception):
    """A mistake or a fault that one line can explain: the file or key, what was found, what is allowed."""


def damaged(path: object, found: object) -> SearchlightError:
    """Return the error that a result is not what was written: its file, and what was found in it."""
    found = one_line(found) if isinstance(found, BaseException) else found
    return SearchlightError(f"{path}: damaged, delete it and run again ({found})")


def printable(name: str) -> str:
    """Return a stranger's name as it may be printed: on one line, without codes that a terminal would obey."""
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def one_line(error: BaseException) -> str:
    """Return the message of any exception folded into one line."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
