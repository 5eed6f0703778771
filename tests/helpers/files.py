"""Stores written by tests, and a disk that is full."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from searchlight.store.zarr import Variable, create, load


def save(path: Path, variables: Mapping[str, Variable], attributes: Mapping[str, Any]) -> None:
    """Write a store of whole arrays."""
    with create(path) as writer:
        for name, variable in variables.items():
            writer.variable(name, variable)
        writer.attributes(attributes)


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As on a full disk, writing past ``size`` bytes fails, here and in processes that are started."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def edit_store(path: Path, target: Path, name: str, change: Any) -> Path:
    """Write a copy of a store with one array changed."""
    with load(path) as store:
        variables = {key: Variable(store.dimensions(key), store.read(key)) for key in store.names()}
        data = variables[name].data.copy()
        change(data)
        variables[name] = Variable(variables[name].dimensions, data)
        save(target, variables, store.attributes)
    return target
