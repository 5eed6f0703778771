"""NumPy, loaded when it is first used, for modules that the check of a config imports.

The import takes a tenth of a second, which ``snakemake`` would otherwise spend at every start.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as numpy
else:

    class _Unloaded(ModuleType):
        """A module that loads itself when an attribute is first used, and is an ordinary module from then on."""

        def __getattr__(self, name: str) -> Any:
            module = import_module(self.__name__)
            self.__dict__.update(module.__dict__)
            self.__class__ = ModuleType
            return getattr(module, name)

    numpy = _Unloaded("numpy")
