"""A real Slurm on this machine, for tests: started with a folder of its own for all its state, and stopped whole.

Run as a script, it installs Slurm where that is missing, from Debian's packages.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

PACKAGES = ("slurm-wlm", "munge")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
SEARCHED = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
CPUS = 2
# Prefix of a command that the kernel kills when the tests end.
TIED = ("setpriv", "--pdeathsig", "KILL")

# Memory is measured every second, and a step that uses more than its job asked for is killed. A job that ends
# stays listed, so that its state can be asked for without a database. The node's GPU is one in name only.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherParams=OverMemoryKill
JobAcctGatherFrequency=task=1
AccountingStorageType=accounting_storage/none
SchedulerParameters=batch_sched_delay=0,bf_interval=1
MinJobAge=3600
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=16000 Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Return which of Slurm's programs are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=SEARCHED) is None]


def install() -> None:
    """Install what is missing, where the machine and the user allow it; say what to type where not."""
    absent = missing()
    if not absent:
        return
    command = ["apt-get", "install", "--yes", "--quiet", *PACKAGES]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(f"Slurm: found no {', '.join(absent)}; install it, on Debian as root: {' '.join(command)}")
    subprocess.run(["apt-get", "update", "--quiet"], check=True)
    subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=True)


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Ask for a condition until it holds.

    Raises:
        TimeoutError: it did not come to hold in time.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s until {what}")
        time.sleep(0.1)


class LocalSlurm:
    """A cluster of one node.

    Attributes:
        environment: what a process needs in its environment to use this Slurm.
    """

    def __init__(self, folder: Path) -> None:
        """Prepare a Slurm whose keys, state and logs lie in ``folder``, which must exist."""
        self.folder = folder
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        host = socket.gethostname().partition(".")[0]
        for name in ("munge", "state", "spool", "bin"):
            (folder / name).mkdir()
            (folder / name).chmod(0o755)
        key = folder / "munge" / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        ports = _free_ports(2)
        configuration = folder / "slurm.conf"
        configuration.write_text(
            CONFIGURATION.format(
                host=host,
                user=getpass.getuser(),
                folder=folder,
                cpus=CPUS,
                controller_port=ports[0],
                node_port=ports[1],
            )
        )
        (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
        # Snakemake takes Slurm's variables from the environment of the srun in its jobs; this one puts them back.
        srun = folder / "bin" / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={configuration} exec {shutil.which("srun", path=SEARCHED)} "$@"\n')
        srun.chmod(0o755)
        path = os.pathsep.join([str(folder / "bin"), SEARCHED])
        self.environment = {**os.environ, "PATH": path, "SLURM_CONF": str(configuration)}

    def start(self) -> None:
        """Start the daemons, and wait until a job can run."""
        munge = self.folder / "munge"
        files = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        self._start("munged", "--foreground", "--force", *(f"--{name}={munge / file}" for name, file in files.items()))
        wait_until((munge / "socket").exists, "munged listens")
        self._start("slurmctld", "-D")
        self.start_node()

    def start_node(self) -> None:
        """Start the node's daemon, and wait until jobs can be sent to it."""
        self._start("slurmd", "-D")
        wait_until(lambda: self.ask("sinfo", "-h", "-o", "%T") in ("idle", "mixed", "allocated"), "the node is up")

    def kill_node(self) -> None:
        """Kill the node's daemon, but not the jobs that it has started."""
        daemon = self._daemons.pop("slurmd")
        daemon.kill()
        daemon.wait()

    def stop(self) -> None:
        """Kill all that was started with this Slurm: its daemons, its jobs, and what they started."""
        while ours := self._processes():
            for process in ours:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(ours)
        for daemon in self._daemons.values():
            daemon.wait()

    def ask(self, *command: str) -> str:
        """Return what a command of Slurm's prints, or nothing where it fails."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    def jobs(self) -> dict[int, str]:
        """Return the state of every job by its number, in the order in which they were submitted."""
        rows = (row.split() for row in self.ask("squeue", "-t", "all", "-h", "-o", "%i %T").splitlines())
        return dict(sorted((int(number), state) for number, state in rows))

    def _start(self, program: str, *arguments: str) -> None:
        command = [*TIED, shutil.which(program, path=SEARCHED), *arguments]
        with (self.folder / f"{program}.log").open("ab") as log:
            self._daemons[program] = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def _processes(self) -> list[psutil.Process]:
        ours = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and self._started(process):
                    ours.append(process)
        return ours

    def _started(self, process: psutil.Process) -> bool:
        if process.name() == "slurmstepd":  # its environment is not readable, but it listens in the node's folder
            return any(one.laddr.startswith(str(self.folder)) for one in process.net_connections("unix"))
        return process.environ().get("SLURM_CONF") == self.environment["SLURM_CONF"]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


if __name__ == "__main__":
    install()
