"""A job's log, its one line on failure, and its exit status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.project import ROOT

USER = "from searchlight.errors import SearchlightError;"


def run(body: str, log: Path) -> subprocess.CompletedProcess[str]:
    text = f"from searchlight.job import job\nwith job('rule', {str(log)!r}) as notice:\n    {body}\n"
    return subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT / "scripts", capture_output=True, text=True, check=False
    )


def test_job_output_goes_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "job.log"
    done = run("import os, sys; print('out'); print('err', file=sys.stderr); os.system('echo child')", log)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(log.read_text().split()) == ["child", "err", "out"]


def test_notice_goes_to_terminal_and_log(tmp_path: Path) -> None:
    done = run("notice('hello')", tmp_path / "job.log")
    assert done.stderr == (tmp_path / "job.log").read_text() == "rule: hello\n"


@pytest.mark.parametrize(
    ("body", "line", "traceback"),
    [
        (f"{USER} raise SearchlightError('key: bad\\nvalue')", "key: bad value", False),
        ("raise PermissionError(13, 'No', 'file')", "PermissionError: [Errno 13] No: 'file'", False),
        ("raise KeyError('bug')", "KeyError: 'bug'", True),
        ("raise MemoryError", "MemoryError: MemoryError", True),
    ],
)
def test_failure_is_one_line_that_names_the_log(tmp_path: Path, body: str, line: str, traceback: bool) -> None:
    log = tmp_path / "job.log"
    done = run(body, log)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"rule: {line} (log: {log})\n"
    assert ("Traceback" in log.read_text()) == traceback
    assert line in log.read_text()


def test_notice_is_not_written_over_snakemake_progress(tmp_path: Path) -> None:
    import os
    import pty

    ours, theirs = pty.openpty()
    body = f"from searchlight.job import job\nwith job('rule', {str(tmp_path / 'log')!r}) as notice: notice('hello')"
    done = subprocess.run([sys.executable, "-c", body], cwd=ROOT / "scripts", stderr=theirs, check=False)
    os.close(theirs)
    assert done.returncode == 0
    os.set_blocking(ours, False)
    with pytest.raises(OSError, match="Errno"):  # the terminal is empty
        os.read(ours, 1)
    assert (tmp_path / "log").read_text() == "rule: hello\n"


def test_numerical_libraries_use_the_threads_of_the_job(tmp_path: Path) -> None:
    body = "import torch, zarr; print(torch.get_num_threads(), zarr.config.get('threading.max_workers'))"
    run(body, tmp_path / "job.log")
    assert (tmp_path / "job.log").read_text().split() == ["1", "1"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_error_line_reaches_the_terminal_when_the_log_is_full() -> None:
    done = run(f"{USER} raise SearchlightError('bad') from ValueError('x')", Path("/dev/full"))
    assert (done.returncode, done.stderr) == (1, "rule: bad (log: /dev/full)\n")
    assert run("notice('good')", Path("/dev/full")).returncode == 0


def test_unwritable_log_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("pass", tmp_path / "file" / "log")
    assert done.returncode == 1
    assert done.stderr.startswith(f"rule: {tmp_path / 'file' / 'log'}: cannot be written: ")
    assert len(done.stderr.splitlines()) == 1
