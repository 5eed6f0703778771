"""Results in a bucket: the same run, with an S3 server on this machine in place of the folder of results."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from helpers.project import Project, new_project
from helpers.small import edited
from moto.server import ThreadedMotoServer

pytestmark = pytest.mark.workflow

SMALL = (("clips/small/frames", [6, 9]), ("clips/small/max_steps", 12), ("clips/small/methods", ["occlusion"]))
CONFIG = edited(*SMALL)
STORAGE = ("--default-storage-provider", "s3", "--default-storage-prefix", "s3://bucket/a/folder")


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    """An S3 server, whose address is in the environment as users set it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "127.0.0.1")
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("AWS_ACCESS_KEY_ID", "name")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "word")
        yield
    server.stop()


@pytest.fixture(scope="module")
def remote(server: None, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a finished run whose results are in the bucket."""
    project = new_project(tmp_path_factory.mktemp("remote") / "project")
    project.completed(*STORAGE, config=CONFIG)
    return project


def stored() -> dict[str, bytes]:
    """Return all that is in the bucket, by its path in the folder that was asked for."""
    bucket = boto3.resource("s3", region_name="us-east-1").Bucket("bucket")
    return {item.key.removeprefix("a/folder/"): item.get()["Body"].read() for item in bucket.objects.all()}


def results(contents: dict[str, bytes]) -> dict[str, bytes]:
    """Return the results without what differs from run to run."""
    return {path: text for path, text in contents.items() if not path.startswith(("results/logs", "results/bench"))}


def test_run_in_a_bucket_equals_local_run(remote: Project, tmp_path: Path) -> None:
    local = new_project(tmp_path / "local")
    local.completed(config=CONFIG)
    made = [path for path in (local.folder / "results").rglob("*") if path.is_file()]
    expected = {path.relative_to(local.folder).as_posix(): path.read_bytes() for path in made}
    assert stored().keys() == expected.keys()
    assert results(stored()) == results(expected)
    # No result is left on this machine, and no file of the project is in the bucket.
    assert not (remote.folder / "results").exists()
    assert not list((remote.folder / ".snakemake" / "storage").rglob("*.zarr.zip"))


def test_second_run_and_fresh_checkout_plan_nothing(remote: Project, tmp_path: Path) -> None:
    fresh = new_project(tmp_path / "fresh")
    for path in fresh.folder.rglob("*"):
        os.utime(path)
    for project in (remote, fresh):
        done = project.snakemake(*STORAGE, "--dry-run", config=CONFIG)
        assert "Nothing to be done" in done.stdout + done.stderr, done.stdout + done.stderr


def test_fresh_checkout_with_another_config_plans_what_differs(remote: Project, tmp_path: Path) -> None:
    fresh = new_project(tmp_path / "fresh")
    other = edited(*SMALL, ("methods/occlusion/scale", "none"))
    done = fresh.snakemake(*STORAGE, "--dry-run", config=other)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    planned = re.findall(r"^ (perturb|score|collect|render|page) +\d+", text, re.MULTILINE)
    assert planned == ["collect", "render", "page"], text
