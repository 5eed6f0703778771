"""What surrounds every job: its log, its one line when it fails, its number of threads."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from searchlight.errors import OF_DISKS, SearchlightError, one_line
from searchlight.store.records import declare

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
    "ZARR_THREADING__MAX_WORKERS",
)


# Of prctl.
_PARENT_DEATH_SIGNAL = 1
# glibc's mallopt: serve arrays of up to 32 MiB from the heap, and keep what was freed.
_MALLOPT = {-3: 32 * 1024**2, -1: 2**30, -2: 64 * 1024**2}


@contextmanager
def job(name: str, log: str | Path, threads: int = 1, lineage: str | None = None) -> Iterator[Callable[[str], None]]:
    """Run a job: all that it and its libraries print goes to ``log``; a failure is one line on the terminal.

    The number of threads that numerical libraries may use is set here, before they are imported. On an error the
    line names the log, and the process exits with 1; the traceback of anything but a ``SearchlightError`` goes to
    the log. ``lineage`` is written into all results of the job.

    Yields:
        A function that says one line to the user: in the log, and on the terminal. Where that is a screen on which
        Snakemake draws its progress, the line would be drawn over; there the logger shows the log of a failed job.
    """
    _end_with_parent()
    limit_threads(threads)
    declare(lineage)
    warnings.simplefilter("ignore")  # libraries' advice to their own developers
    log = Path(log)
    sys.stdout.flush()
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    except OSError as error:
        sys.exit(f"{name}: {log}: cannot be written: {one_line(error)}")
    os.dup2(target, 1)
    os.dup2(target, 2)

    def notice(line: str) -> None:
        text = f"{name}: {line}\n".encode()
        for place in (target,) if os.isatty(terminal) else (target, terminal):
            with suppress(OSError):  # a full disk, or a terminal that is gone, keeps the line from the other no less
                os.write(place, text)  # at once, so that lines of parallel jobs do not mix

    try:
        yield notice
    except SearchlightError as error:
        # A user's mistake needs no traceback, and Snakemake's logger shows a failed job's log on the terminal.
        if error.__cause__ is not None:
            with suppress(OSError):  # of a log on a full disk
                print(f"cause: {type(error.__cause__).__name__}: {one_line(error.__cause__)}")
        notice(f"{one_line(error)} (log: {log})")
        sys.exit(1)
    except Exception as error:
        if getattr(error, "errno", None) not in OF_DISKS:  # those are nobody's mistake in the code
            with suppress(OSError):
                traceback.print_exc()
        notice(f"{type(error).__name__}: {one_line(error)} (log: {log})")
        sys.exit(1)
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:  # a full disk: the log is cut off, and the job as good as without
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _end_with_parent() -> None:
    """Let the kernel kill this job when its Snakemake is killed, so that it does not go on beside the next run's."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # only Linux has it
    if prctl is not None:
        prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def limit_threads(threads: int) -> None:
    """Set how many threads numerical libraries may use, before they are imported, and how they get memory."""
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Spare the kernel from mapping a network's large temporaries afresh in every forward: half of its time."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # only glibc has it
    if mallopt is not None:
        for parameter, value in _MALLOPT.items():
            mallopt(parameter, value)
