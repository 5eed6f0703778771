"""Searchlight: where Atari agents look.

``config`` and ``store`` are at the bottom; ``agents`` play, ``saliency`` makes maps, ``clips`` shows them. A rule's
script calls one function of the module that bears the rule's name.

Pure functions over arrays, and the few places where they meet files. Nothing here knows Snakemake: each rule's
script reads its inputs and parameters, calls one function of this package and names the output.
"""

__version__ = "0.2.0"
