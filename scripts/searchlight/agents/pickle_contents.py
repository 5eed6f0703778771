"""What the pickle of a torch file names, told from its commands without following them.

Errors say with it why torch refused a file. Nothing is imported, built or called.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from searchlight.agents.foreign import is_zip

# Bytes of a pickle that are looked through.
_LOOKED_THROUGH = 2 * 1024**2
# Characters of a text that are kept.
LONGEST = 80
# What Python 2 called these modules; torch's pickles have protocol 2.
_OLD_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}


class Contents(NamedTuple):
    """What a pickle is made of, as far as its commands tell without being followed.

    Attributes:
        protocol: pickle's protocol.
        kind: ``table``, ``list`` or ``other``.
        named: the classes and functions that it names, each with the text before it: its key, if it is in a table.
    """

    protocol: int
    kind: str
    named: list[tuple[str, str | None]]


def look_through(file: IO[bytes]) -> Contents:
    """Return what the pickle of a torch file is made of; nothing is imported or called."""
    protocol, kind = 0, "other"
    named: list[tuple[str, str | None]] = []
    before = last = None
    try:
        for opcode, argument, _ in _commands(file):
            match opcode.name:
                case "PROTO":
                    protocol = argument
                    continue
                case "EMPTY_DICT" | "EMPTY_LIST" if kind == "other" and not named:
                    kind = "table" if opcode.name == "EMPTY_DICT" else "list"
                case "GLOBAL":
                    # torch's older format puts the word "module" before a model's class.
                    key = before if last == "module" else last
                    module, _, name = argument[:LONGEST].partition(" ")
                    named.append((f"{_OLD_MODULES.get(module, module)}.{name}", key))
                case "STACK_GLOBAL":
                    named.append((f"{before}.{last}", None))
                case "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8" | "UNICODE":
                    before, last = last, argument[:LONGEST]
                    continue
                case "BINPUT" | "LONG_BINPUT" | "MARK" | "MEMOIZE" | "FRAME":
                    continue
            before = last = None
    except Exception:  # pickletools raises many kinds; what was found until then tells enough
        return Contents(protocol, kind, named)
    return Contents(protocol, kind, named)


def _commands(file: IO[bytes]) -> Iterator[tuple[Any, Any, int | None]]:
    """Yield the commands of the pickle that holds the content of a torch file."""
    if is_zip(file):
        with zipfile.ZipFile(file) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(name) as data:
                yield from pickletools.genops(data.read(_LOOKED_THROUGH))
    else:
        file.seek(0)
        data = io.BytesIO(file.read(_LOOKED_THROUGH))
        for _ in range(3):  # torch's older format begins with a magic number, a version, and the machine
            for _ in pickletools.genops(data):
                pass
        yield from pickletools.genops(data)
