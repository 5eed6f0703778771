"""The frame around every job: its log, its one-line error, its number of threads."""

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


# Option of prctl, PR_SET_PDEATHSIG.
_PARENT_DEATH_SIGNAL = 1
# Parameters of glibc's mallopt: arrays of up to 32 MiB come from the heap, and freed memory is kept.
_MALLOPT = {-3: 32 * 1024**2, -1: 2**30, -2: 64 * 1024**2}


@contextmanager
def job(name: str, log: str | Path, threads: int = 1, lineage: str | None = None) -> Iterator[Callable[[str], None]]:
    """Run a job: its output and that of its libraries goes to ``log``; a failure is one line on the terminal.

    The number of threads of numerical libraries is set here, before they are imported. On an error the line names the
    log, and the process exits with 1. The log gets the traceback of any error but a ``SearchlightError``. ``lineage``
    is written into all results of the job.

    Yields:
        A function that writes one line for the user, to the log and to the terminal. An interactive terminal gets no
        line, because Snakemake's progress display would overwrite it. There, the logger shows the log of a failed job.
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
            with suppress(OSError):  # a full disk or a closed terminal must not keep the line from the other
                os.write(place, text)  # in one call, so that lines of parallel jobs do not mix

    try:
        yield notice
    except SearchlightError as error:
        # A user's mistake needs no traceback, and Snakemake's logger shows a failed job's log on the terminal.
        if error.__cause__ is not None:
            with suppress(OSError):  # the log's disk may be full
                print(f"cause: {type(error.__cause__).__name__}: {one_line(error.__cause__)}")
        notice(f"{one_line(error)} (log: {log})")
        sys.exit(1)
    except Exception as error:
        if getattr(error, "errno", None) not in OF_DISKS:  # disk errors are no bugs, so they need no traceback
            with suppress(OSError):
                traceback.print_exc()
        notice(f"{type(error).__name__}: {one_line(error)} (log: {log})")
        sys.exit(1)
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:  # the disk is full: the log is cut off, and the job's result is unaffected
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _end_with_parent() -> None:
    """Make the kernel kill this job when its Snakemake is killed, because it would disturb the next run."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # only Linux has it
    if prctl is not None:
        prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def limit_threads(threads: int) -> None:
    """Set the number of threads and the memory allocation of numerical libraries, before they are imported."""
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Make malloc keep freed memory, because new mappings in every forward pass take half of its time."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # only glibc has it
    if mallopt is not None:
        for parameter, value in _MALLOPT.items():
            mallopt(parameter, value)
