"""Files that are no checkpoints: what each kind is, and what its user can do.

Files are told by their first bytes or, for zips, by the names in them. Nothing is unpacked or executed.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from searchlight.errors import printable

# Number of first bytes that tell the kind of a file.
HEAD = 4096
# How torch begins its files: a zip, or a pickled magic number (before torch 1.6, and on request since).
_TORCH_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_TORCH = "allowed: files of torch, safetensors, or stable-baselines3"

_UNPACK = "unpack it, and name the checkpoint that is in it"
_STARTS = {
    b"version https://git-lfs": "found a git-lfs pointer in place of the file; run `git lfs pull` in its "
    "repository, or download the file itself",
    b"BZh": f"found a bzip2 file; {_UNPACK}",
    b"\xfd7zXZ\0": f"found an xz file; {_UNPACK}",
    b"\x28\xb5\x2f\xfd": f"found a zstd file; {_UNPACK}",
    b"\x04\x22\x4d\x18": f"found an lz4 file; {_UNPACK}",
    b"7z\xbc\xaf\x27\x1c": f"found a 7z archive; {_UNPACK}",
    b"Rar!\x1a\x07": f"found a rar archive; {_UNPACK}",
    b"\x89HDF\r\n\x1a\n": f"found an HDF5 file, as Keras writes them; {_TORCH}",
    b"\x93NUMPY": f"found a numpy array; {_TORCH}",
}
_PAGE = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype|html|head|body|\?xml)", re.IGNORECASE | re.DOTALL)


def is_zip(file: Path | IO[bytes]) -> bool:
    """Return whether a file is a zip from its first byte on; a tar whose last file is a zip only ends like one."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return is_zip(opened)
    file.seek(0)
    try:
        return file.read(2) == b"PK" and zipfile.is_zipfile(file)
    except zipfile.BadZipFile:  # a damaged directory
        return False


def is_weights(head: bytes) -> bool:
    """Return whether a file that begins with these bytes may hold weights; a zip may be torch's or stable-baselines3's.

    Of a zip, the first member's name is looked at.
    """
    if head.startswith(b"PK\3\4"):
        name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
        return name == b"data" or name.endswith((b"/data.pkl", b"/.format_version", b"policy.pth"))
    return is_safetensors(head) or _TORCH_MAGIC in head[:32]


def is_safetensors(head: bytes) -> bool:
    """Return whether a file that begins with these bytes may be of safetensors: a header's length, then JSON."""
    return head[8:9] == b"{"


def explain(head: bytes) -> str | None:
    """Return what a file that is no whole zip is, and what to do; None if it may be a checkpoint."""
    if not head:
        return "found an empty file, allowed: a checkpoint"
    for start, line in _STARTS.items():
        if head.startswith(start):
            return line
    if _PAGE.match(head.removeprefix(b"\xef\xbb\xbf")):
        return (
            "found a web page in place of the file; name the address of the file itself "
            "(GitHub: `/raw/` in place of `/blob/`, Hugging Face: `/resolve/`)"
        )
    if head.startswith(b"\x1f\x8b"):
        return f"found a {'tar.gz archive' if _is_tar(_gunzipped(head)) else 'gzip file'}; {_UNPACK}"
    if _is_tar(head):
        return f"found a tar archive; {_UNPACK}"
    if head.startswith(b"PK\3\4"):
        return "found a zip that is cut off or damaged; get it again"
    if is_safetensors(head) or _TORCH_MAGIC in head[:32]:
        return None
    return _explain_model(head) or _explain_text(head) or f"found a file of an unknown kind; {_TORCH}"


def explain_zip(names: Iterable[str]) -> str | None:
    """Return what a zip with members of these names is, and what to do; None if it is of no known kind."""
    names = set(names)
    if {"data", "parameters"} <= names:
        return (
            "found an agent of stable-baselines 2 (TensorFlow); allowed: stable-baselines3, whose zips hold policy.pth"
        )
    if "model.weights.h5" in names:
        return f"found a Keras model; {_TORCH}"
    if names and all(name.endswith(".npy") for name in names):
        return f"found numpy arrays (.npz); {_TORCH}"
    return None


def _explain_model(head: bytes) -> str | None:
    """Return what a binary file of another library is."""
    if head[0] == 0x80 or head[:2] in (b"x\x01", b"x^", b"x\x9c", b"x\xda"):
        writer = "joblib" if b"joblib" in head or head[0] != 0x80 else "pickle or joblib"
        return f"found a file of {writer}, which runs code when it is read; {_TORCH}"
    if re.match(rb"[\x81-\x8f][\xa1-\xbf]", head):  # msgpack: a small table whose first key is text
        return f"found weights of JAX (flax's msgpack); {_TORCH}"
    if re.match(rb"\x08.\x12", head, re.DOTALL):  # protobuf: ONNX begins with a version, then the producer's name
        return f"found a model of ONNX or TensorFlow; {_TORCH}"
    return None


def _explain_text(head: bytes) -> str | None:
    try:
        text = head[:60].decode()
    except UnicodeDecodeError:
        return None
    if all(character.isprintable() or character.isspace() for character in text):
        return f"found text ({printable(' '.join(text.split())[:40])}), allowed: a checkpoint"
    return None


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def _gunzipped(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except zlib.error:
        return b""
