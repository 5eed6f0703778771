"""Files of torch, read as weights alone: no class that a file names is imported, no function is called.

What numpy's scalars and arrays are made of is replaced by a class that keeps nothing, because people save scores and
states of random generators beside the weights. Of anything else the error says what it is, and how its owner saves
the weights alone.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import PurePosixPath
from typing import IO, Any

from searchlight.agents.foreign import is_zip
from searchlight.agents.pickle_contents import LONGEST, look_through
from searchlight.agents.sources import MAX_BYTES
from searchlight.agents.state_dicts import find_tables
from searchlight.errors import SearchlightError, printable, quoted

# What acts when a pickle is read; nobody saves these with weights.
_ACTIVE = re.compile(
    r"builtins\.(__import__|apply|breakpoint|compile|eval|exec|execfile|getattr|globals|input|open)"
    r"|(ctypes|http|importlib|marshal|nt|os|pickle|pip|posix|pty|requests|runpy|shutil|socket|subprocess|sys|tempfile"
    r"|timeit|urllib|webbrowser)\.|_?io\.open|_?pickle\.loads?"
)
# torch allows it, and it takes any amount of memory for a few bytes of file.
_ALLOCATES = b"bytearray\n"
# A model that keeps one of its methods names this too.
_OF_MODELS = {"builtins.getattr"}


class Unread:
    """Stands for a value beside the weights that is not read, mostly numpy's; it keeps nothing of it."""

    DESCRIPTION = "of numpy, not read"

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


_UNREAD = [
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *(f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")),
    "numpy.dtype",
    "numpy.ndarray",
]


def load(file: IO[bytes], source: str) -> Any:
    """Return what a file of torch holds, on the CPU.

    Raises:
        SearchlightError: the file is cut off, or holds more than weights and plain values.
    """
    _refuse_program(file, source)
    if _holds(file, _ALLOCATES):
        raise SearchlightError(f"{source}: found a call of bytearray, which no weights need; it may be hostile")
    try:
        return _load(file, _UNREAD)
    except Exception as error:  # pickle, zip and torch raise many kinds
        # A job prints an error's cause, and torch's own text advises to switch safety off.
        raise SearchlightError(f"{source}: {_reason(file, source, error)}") from None


def _load(file: IO[bytes], unread: list[str]) -> Any:
    """Return what a file of torch holds; what has one of the names ``unread`` becomes ``Unread``."""
    import torch

    file.seek(0)
    with warnings.catch_warnings(), torch.serialization.safe_globals([(Unread, name) for name in unread]):
        warnings.simplefilter("ignore")  # on how old the file is
        return torch.load(file, map_location="cpu", weights_only=True)


def _refuse_program(file: IO[bytes], source: str) -> None:
    """Refuse TorchScript, and zips that are too large when decompressed; torch itself compresses no records."""
    if not is_zip(file):
        return
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    except Exception as error:  # zipfile raises many kinds for a damaged directory
        raise SearchlightError(f"{source}: cannot be read as a zip: {quoted(error)}") from error
    if sum(sizes.values()) > MAX_BYTES:
        raise SearchlightError(f"{source}: found over {MAX_BYTES} bytes, allowed: less")
    if any(re.fullmatch(r"[^/]+/(constants\.pkl|code/.*)", name) for name in sizes):
        raise SearchlightError(
            f"{source}: found a TorchScript program, allowed: weights alone; if you trust it, save them so: "
            f"import torch; torch.save(torch.jit.load({_last(source)}, map_location='cpu').state_dict(), 'weights.pt')"
        )


def _holds(file: IO[bytes], text: bytes) -> bool:
    """Return whether the pickle of a torch file holds a text; of the older format, the whole file is searched."""
    if is_zip(file):
        with zipfile.ZipFile(file) as archive:
            return any(_holds(archive.open(one), text) for one in archive.namelist() if one.endswith("data.pkl"))
    file.seek(0)
    before = b""
    while part := file.read(2**20):
        if text in before + part:
            return True
        before = part[-len(text) :]
    return False


def _reason(file: IO[bytes], source: str, error: Exception) -> str:
    """Return why torch refused a file, and what its owner can do."""
    refused = re.search(r"GLOBAL (\S+) (?:was not|whose module)", str(error))
    content = look_through(file)
    if isinstance(error, EOFError):
        return "found a file that is cut off; get it again"
    if refused is None and content.protocol > 2:
        return f"found pickle protocol {content.protocol}, allowed: 2, as torch.save writes where no other is asked for"
    if refused is None:
        text = re.split(r" Check the documentation|\. ", quoted(error).rpartition("WeightsUnpickler error: ")[2])[0]
        return f"cannot be read as weights alone: {text}"
    is_model = any(named.startswith("torch.nn.modules.") for named, _ in content.named)
    active = [named for named, _ in content.named if _ACTIVE.match(named) and not (is_model and named in _OF_MODELS)]
    if active:
        return (
            f"found a call of {printable(active[0])}, which no weights need; it may be hostile, nothing of it was run"
        )
    found = refused.group(1)[:LONGEST]  # torch leaves out `builtins.`
    key = next((key for named, key in content.named if named.removeprefix("builtins.") == found), None)
    what = printable(found)
    unsafe = f"torch.load({_last(source)}, map_location='cpu', weights_only=False)"
    if is_model:
        place = {"list": "[0]", "table": f"[{key or 'model'!r}]"}.get(content.kind, "")
        return (
            f"found a whole pickled model ({what}), allowed: its weights alone; if you trust it, save them where its "
            f"code is: import torch; torch.save({unsafe}{place}.state_dict(), 'weights.pt')"
        )
    weights = _expression(file, [named for named, _ in content.named])
    under = f" under '{printable(key)}'" if key else ""
    line = f"found {what}{under} beside the weights, allowed: tensors and plain values; "
    kept = f"torch.save({weights}, 'weights.pt')"
    if found == "argparse.Namespace":
        safe = unsafe.replace("=False", "=True")
        allow = "torch.serialization.add_safe_globals([argparse.Namespace])"
        return f"{line}save the weights alone: import argparse, torch; {allow}; saved = {safe}; {kept}"
    return f"{line}if you trust it, save the weights alone where its code is: import torch; saved = {unsafe}; {kept}"


def _expression(file: IO[bytes], foreign: list[str]) -> str:
    """Return the Python expression of the weights in ``saved``, what torch loads from a file.

    The file is read with nothing in place of what it names that torch does not allow.
    """
    try:
        found = find_tables(_load(file, [*_UNREAD, *foreign]))
    except Exception:  # as in `load`
        found = None
    if found is None:
        return "saved['state_dict']"  # the usual key
    inner = "saved" + "".join(f"[{key!r}]" for key in found.keys)
    if list(found.tables) != [None]:
        inner = f"{{key: {inner}[key] for key in {tuple(found.tables)!r}}}"
    if len(inner) > 2 * LONGEST:
        return "saved['state_dict']"
    tensors = "for name, value in saved.items() if isinstance(value, torch.Tensor)"
    return inner if inner != "saved" else f"{{name: value {tensors}}}"


def _last(source: str) -> str:
    """Return the last part of a path or an address as Python writes it, for a command to be typed."""
    return repr(PurePosixPath(source).name)
