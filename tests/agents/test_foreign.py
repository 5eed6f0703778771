"""Files that are no checkpoints: each kind has a line of its own that says what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile

import joblib
import numpy as np
import pytest
from helpers.checkpoints import FORMATS, Fetch, network, torch_bytes, zip_bytes
from helpers.sb3_zips import sb3_bytes
from hypothesis import given
from hypothesis import strategies as st
from searchlight.agents.foreign import HEAD, explain, is_weights


def tar_bytes(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        content = torch_bytes(network())
        entry = tarfile.TarInfo("agent.pt")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def joblib_bytes(compress: int) -> bytes:
    buffer = io.BytesIO()
    joblib.dump({"weights": np.zeros(3)}, buffer, compress=compress)
    return buffer.getvalue()


FOREIGN: dict[str, tuple[bytes, str]] = {
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 6758207\n", "git lfs pull"),
    "web page": (b"\xef\xbb\xbf\n<!-- page --><!DOCTYPE html>\n<html>", "/resolve/"),
    "web page in capitals": (b"<HTML><HEAD>", "found a web page"),
    "message": (b"Entry not found", "found text (Entry not found)"),
    "settings": (b'{"architectures": ["Agent"]}', "found text"),
    "tar": (tar_bytes("w"), "found a tar archive; unpack it"),
    "tar.gz": (tar_bytes("w:gz"), "found a tar.gz archive; unpack it"),
    "gz": (gzip.compress(torch_bytes(network())), "found a gzip file; unpack it"),
    "bz2": (bz2.compress(b"weights"), "found a bzip2 file; unpack it"),
    "xz": (lzma.compress(b"weights"), "found an xz file; unpack it"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(40), "found a 7z archive; unpack it"),
    "pickle": (pickle.dumps({"weights": np.zeros(3)}), "runs code when it is read"),
    "joblib": (joblib_bytes(0), "found a file of joblib"),
    "joblib, compressed": (joblib_bytes(3), "found a file of joblib"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "found an HDF5 file, as Keras"),
    "numpy": (b"\x93NUMPY\x01\x00v\x00", "found a numpy array"),
    "flax": (b"\x81\xa6params\x82\xa6Conv_0", "found weights of JAX"),
    "flax, a list": (b"\x82\xa10\x8a\xa8exp_name", "found weights of JAX"),
    "ONNX": (b"\x08\x08\x12\x07pytorch\x1a\x052.1.0", "found a model of ONNX"),
    "noise": (np.random.default_rng(0).bytes(1000), "of an unknown kind"),
    "empty": (b"", "found an empty file"),
    "cut off": (torch_bytes(network())[:800], "found a zip that is cut off"),
    "cut off, older format": (torch_bytes(network(), legacy=True)[:500], "found a file that is cut off"),
    "stable-baselines 2": (
        zip_bytes({"data": b"{}", "parameters": b"", "parameter_list": b"[]"}),
        "stable-baselines 2",
    ),
    "Keras": (zip_bytes({"config.json": b"{}", "model.weights.h5": b""}), "found a Keras model"),
    "npz": (zip_bytes({"a.npy": b"\x93NUMPY", "b.npy": b"\x93NUMPY"}), "found numpy arrays"),
}


@pytest.mark.parametrize(("data", "said"), FOREIGN.values(), ids=FOREIGN)
def test_foreign_file_says_what_it_is(fetch: Fetch, data: bytes, said: str) -> None:
    line = fetch.refused(data)
    assert said in line
    assert "weights_only" not in line


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_checkpoints_are_not_foreign(write: object) -> None:
    head = write(network())[:HEAD]  # type: ignore[operator]
    assert is_weights(head)
    assert head.startswith(b"PK") or explain(head) is None


def test_zip_of_stable_baselines3_may_hold_weights() -> None:
    assert is_weights(sb3_bytes()[:HEAD])
    assert not is_weights(zip_bytes({"monitor.csv": b"r,l,t"})[:HEAD])


@given(st.binary(max_size=600))
def test_any_first_bytes_are_explained_in_one_line(head: bytes) -> None:
    line = explain(head)
    assert line is None or line.isprintable()
    assert isinstance(is_weights(head), bool)
