"""A Python that starts with its libraries loaded: a job takes 0.2 s where its imports alone take 2 s.

`python()` is the path of a program that is called as Python is. A server, one for each process of pytest, has imported
what Snakemake and its jobs import, but nothing of the project. For each call it forks a process, which gets the
caller's arguments, folder, environment and terminal, and goes on as a fresh Python does.

Run as a script, this module is the server, or the client that stands in for the process until it ends.
"""

from __future__ import annotations

import contextlib
import functools
import marshal
import os
import resource
import select
import signal
import socket
import struct
import sys

# Modules of libraries that Snakemake, a dry run or a job imports.
HEAVY = [
    *("ale_py", "av", "cv2", "gymnasium", "numcodecs", "numpy.random", "PIL.ImageDraw", "PIL.ImageFont", "psutil"),
    *("pydantic", "requests", "safetensors.numpy", "safetensors.torch", "scipy.ndimage", "torch", "tqdm", "yaml"),
    *("xaitk_saliency.impls.gen_classifier_conf_sal.occlusion_scoring", "xaitk_saliency.impls.perturb_image.rise"),
    *("zarr", "nbformat", "pandas", "smart_open", "snakemake.cli", "snakemake.executors.dryrun", "snakemake.script"),
    *("snakemake.persistence.file", "snakemake.report.html_reporter", "snakemake_executor_plugin_slurm"),
    *("snakemake_logger_plugin_rich", "snakemake_storage_plugin_s3", "yte"),
]


@functools.cache
def python() -> str:
    """Start the server, and return the path of a program that is called as Python is.

    Python itself, where the system lacks what the server needs.
    """
    if not hasattr(os, "pidfd_open"):
        return sys.executable
    import atexit
    import shlex
    import shutil
    import subprocess
    import tempfile
    from pathlib import Path

    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # The server lives as long as its input is open.
    server = subprocess.Popen(
        [sys.executable, __file__, "serve", folder / "socket"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    atexit.register(server.communicate)
    assert server.stdout.readline() == b"ready\n"
    program = folder / "python"
    # Neither site-packages nor the environment: the client starts in 20 ms.
    client = shlex.join([sys.executable, "-I", "-S", __file__, "ask", str(folder / "socket")])
    program.write_text(f'#!/bin/sh\nexec {client} "$@"\n')
    program.chmod(0o755)
    return str(program)


def ask(address: str, arguments: list[str]) -> int:
    """Have a process forked that runs what the arguments say, and return its exit status."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        request = marshal.dumps((arguments, os.getcwd(), dict(os.environ), limit))  # noqa: PTH109  pathlib is slow
        socket.send_fds(connection, [struct.pack("I", len(request))], [0, 1, 2])
        connection.sendall(request)
        answer = connection.recv(4)
    return struct.unpack("i", answer)[0] if answer else 1


def serve(address: str) -> list[str]:
    """Fork a process for each request, until the input is closed; return in the forked process, with its arguments."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    os.write(1, b"ready\n")
    callers: dict[int, tuple[int, socket.socket]] = {}  # by what tells the end of a process
    while True:
        connections = {connection: ended for ended, (_, connection) in callers.items()}
        ready = select.select([0, listener, *callers, *connections], [], [])[0]
        if 0 in ready:
            os._exit(0)
        for ended in {connections.get(one, one) for one in ready if one is not listener}:
            child, connection = callers.pop(ended)
            if ended not in ready:  # the caller has ended before it
                os.kill(child, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            with contextlib.suppress(OSError):
                connection.sendall(struct.pack("i", status if status >= 0 else 128 - status))
            connection.close()
            os.close(ended)
        if listener in ready:
            connection, _ = listener.accept()
            request, terminal = receive(connection)
            if not request:
                connection.close()
                continue
            child = os.fork()
            if not child:
                break
            callers[os.pidfd_open(child)] = child, connection
            for descriptor in terminal:
                os.close(descriptor)
    for descriptor in (listener, connection, *(other for _, other in callers.values())):
        descriptor.close()
    for ended in callers:
        os.close(ended)
    arguments, folder, environment, limit = marshal.loads(request)  # noqa: S302  our own
    for target, source in enumerate(terminal):
        os.dup2(source, target)
        os.close(source)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    return arguments


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Return a request and the descriptors of its terminal; nothing where the client has ended before it was sent."""
    size, terminal, *_ = socket.recv_fds(connection, 4, 3)
    if len(terminal) < 3:
        return b"", []
    request = b""
    while len(request) < struct.unpack("I", size)[0]:
        part = connection.recv(2**20)
        if not part:
            for descriptor in terminal:
                os.close(descriptor)
            return b"", []
        request += part
    return request, terminal


def run(arguments: list[str]) -> None:
    """Run `-m MODULE …` or `FILE …` as Python does."""
    import random
    import runpy

    import numpy
    import torch

    # What the server has drawn when it started, every process would draw again.
    random.seed()
    numpy.random.seed()  # noqa: NPY002
    torch.seed()
    first, *others = arguments
    places = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if first == "-m":
        sys.argv, sys.path[:0] = others, [os.getcwd(), *places]  # noqa: PTH109
        runpy.run_module(others[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[:0] = arguments, [os.path.dirname(os.path.abspath(first)), *places]  # noqa: PTH100, PTH120
        runpy.run_path(first, run_name="__main__")


def status_of(arguments: list[str]) -> int:
    """Run what the arguments say to its end, and return its exit status as Python makes it."""
    import atexit
    import threading
    import traceback

    status: object = 0
    try:
        run(arguments)
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    if not isinstance(status, int | None):
        print(status, file=sys.stderr)
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    return status or 0


if __name__ == "__main__":
    role, address, *rest = sys.argv[1:]
    if role == "ask":
        sys.exit(ask(address, rest))
    import gc
    import importlib

    del sys.path[0]  # this folder, whose modules are no libraries
    for module in HEAVY:
        importlib.import_module(module)
    gc.freeze()
    given = serve(address)
    sys.executable = os.path.join(os.path.dirname(address), "python")  # noqa: PTH118, PTH120
    # Not by the interpreter's own end, which would copy all memory to free it.
    os._exit(status_of(given))
