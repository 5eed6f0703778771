"""Peak memory of some Python, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys

_AROUND = """
import sys
from pathlib import Path
from searchlight.job import limit_threads
limit_threads(1)
{body}
print(int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024)
"""
BLOCK = """
from searchlight.saliency.perturb import perturb_block
perturb_block({policy!r}, {episode!r}, {output!r}, perturbation={spec!r}, block={block}, block_size={size}, **{more!r})
"""


def peak_mb(body: str) -> float:
    """Return the peak memory in MB of a process that runs a text as Python, on one thread."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _AROUND.format(body=body)], stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout.split()[-1])
