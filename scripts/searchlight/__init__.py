"""Searchlight: where Atari agents look.

Pure functions over arrays, and the few places where they meet files. Nothing here knows Snakemake: each rule's
script reads its inputs and parameters, calls one function of this package and names the output.
"""

__version__ = "0.1.0"
