"""Searchlight: where Atari agents look.

``config`` and ``store`` are the lowest layers; ``agents`` play, ``saliency`` makes maps, ``measures`` say how far to
believe them, ``clips`` shows them. A rule's script calls one function of the module with the rule's name.
``open_episode`` and ``open_clip`` open results.

Most functions are pure and take arrays; few read or write files. No module here imports Snakemake: each rule's script
reads its inputs and parameters, calls one function of this package and names the output.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from searchlight.api import open_clip, open_episode

__all__ = ["open_clip", "open_episode"]
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    # The import of api is lazy because jobs need no xarray, and their code digest must not cover api.
    if name in __all__:
        return getattr(import_module("searchlight.api"), name)
    raise AttributeError(f"module 'searchlight' has no attribute '{name}'")
