"""Searchlight: where Atari agents look.

``config`` and ``store`` are at the bottom; ``agents`` play, ``saliency`` makes maps, ``clips`` shows them. A rule's
script calls one function of the module that bears the rule's name. ``open_episode`` and ``open_clip`` open what was
made.

Pure functions over arrays, and the few places where they meet files. Nothing here knows Snakemake: each rule's
script reads its inputs and parameters, calls one function of this package and names the output.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from searchlight.api import open_clip, open_episode

__all__ = ["open_clip", "open_episode"]
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    # Jobs import this module too: they load no xarray, and its code is none of theirs.
    if name in __all__:
        return getattr(import_module("searchlight.api"), name)
    raise AttributeError(f"module 'searchlight' has no attribute '{name}'")
