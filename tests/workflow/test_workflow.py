"""The workflow as a user meets it: real Snakemake on small real episodes."""

from __future__ import annotations

import re
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from helpers.hub import Hub, commit
from helpers.project import BUNDLED, ROOT, Project, new_project
from helpers.small import edited
from safetensors.torch import load_file
from searchlight.agents.policy_file import read_metadata
from searchlight.store.files import digest_of
from searchlight.store.zarr import load

pytestmark = pytest.mark.workflow

CLIP = "results/clips/small"
LAYERS = ("actor", "critic", "both", "side-by-side")


def arrays(path: Path) -> dict[str, np.ndarray]:
    with load(path) as store:
        return {name: store.read(name) for name in store.names()}


def stores(project: Project, folder: str) -> dict[str, dict[str, np.ndarray]]:
    """Return the contents of all stores under a folder of the results, by path."""
    root = project.folder / "results" / folder
    return {str(path.relative_to(root)): arrays(path) for path in sorted(root.rglob("*.zarr.zip"))}


def files(project: Project) -> set[str]:
    """Return all result files, hidden ones included, but for logs and benchmarks."""
    results = project.folder / "results"
    found = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    return {path for path in found if not path.startswith(("logs/", "benchmarks/", ".gitkeep"))}


def assert_equal(ours: dict[str, dict[str, np.ndarray]], others: dict[str, dict[str, np.ndarray]]) -> None:
    assert ours.keys() == others.keys()
    for path, contents in ours.items():
        assert contents.keys() == others[path].keys()
        for name, array in contents.items():
            np.testing.assert_array_equal(array, others[path][name], err_msg=f"{path}: {name}")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a finished small run, each job in a Python of its own."""
    project = new_project(tmp_path_factory.mktemp("finished") / "project")
    project.completed(config=edited(), python=sys.executable)
    return project


@pytest.fixture
def mine(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished run that a test may change."""
    return finished.copy(tmp_path / "project")


def test_run_makes_exactly_the_documented_files(finished: Project) -> None:
    expected = {"agents/breakout/policy.safetensors", "episodes/breakout/seed-1.zarr.zip"}
    expected |= {"backgrounds/breakout/seed-1/200.zarr.zip"}
    for block in (1, 2, 3):
        expected |= {f"responses/breakout/seed-1/{name}/{block}.zarr.zip" for name in ("window", "blur")}
        expected |= {f"saliency/breakout/seed-1/{name}/{block}.zarr.zip" for name in ("occlusion", "greydanus")}
    expected |= {"clips/small/frames.txt", "clips/small/gameplay.mp4", "clips/small/index.html"}
    for method in ("occlusion", "greydanus"):
        expected |= {f"clips/small/{method}.zarr.zip", *(f"clips/small/{method}.{layer}.mp4" for layer in LAYERS)}
    assert files(finished) == expected


def test_blocks_hold_their_own_frames_for_any_clip(finished: Project) -> None:
    for block in (1, 2, 3):
        path = finished.folder / f"results/responses/breakout/seed-1/window/{block}.zarr.zip"
        assert arrays(path)["time"].tolist() == list(range(8 * block, 8 * block + 8))


def test_clip_store_holds_its_frames_and_their_outputs(finished: Project) -> None:
    episode = arrays(finished.folder / "results/episodes/breakout/seed-1.zarr.zip")
    for method, shape in (("occlusion", (210, 160)), ("greydanus", (80, 80))):
        clip = arrays(finished.folder / CLIP / f"{method}.zarr.zip")
        assert clip["time"].tolist() == list(range(10, 30))
        for name in ("frame", "ram", "action", "reward", "lives", "logits", "probability", "value"):
            np.testing.assert_array_equal(clip[name], episode[name][10:30])
        np.testing.assert_array_equal(clip["score"], np.cumsum(episode["reward"])[9:29])
        for layer in ("actor", "critic"):
            assert clip[layer].shape == (20, *shape)
            assert clip[layer].min() >= 0
            assert clip[layer].max() == 1


def test_every_video_has_all_frames_of_the_clip(finished: Project) -> None:
    import av

    videos = sorted((finished.folder / CLIP).glob("*.mp4"))
    assert len(videos) == 9
    for path in videos:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert stream.average_rate == 10
            assert sum(1 for _ in container.decode(stream)) == 20


def test_stores_do_not_depend_on_cores_or_block_size(tmp_path: Path) -> None:
    clip = ("clips/small/frames", [13, 15])
    runs = {}
    for block_size, cores in ((64, 1), (1, 2), (7, 2)):
        project = new_project(tmp_path / f"{block_size}-{cores}")
        project.completed("--cores", str(cores), config=edited(clip, ("block_size", block_size)))
        runs[block_size, cores] = project
    reference = runs[64, 1]
    whole = {kind: stores(reference, kind) for kind in ("responses", "saliency")}
    for block_size in (1, 7):
        project = runs[block_size, 2]
        assert_equal(stores(project, "episodes"), stores(reference, "episodes"))
        assert_equal(stores(project, "clips"), stores(reference, "clips"))
        for kind, of_one_block in whole.items():
            for path, contents in stores(project, kind).items():
                block = of_one_block[f"{Path(path).parent}/0.zarr.zip"]
                for name, array in contents.items():
                    np.testing.assert_array_equal(array, block[name][contents["time"]], err_msg=f"{path}: {name}")


def write_checkpoint(path: Path, **changes: torch.Tensor) -> str:
    torch.save({**load_file(BUNDLED / "breakout.safetensors"), **changes}, path)
    return str(path)


def random_agent(folder: Path) -> dict[str, Any]:
    """Return an agent that chooses blindly, so that its game is over soon."""
    path = write_checkpoint(
        folder / "random.pt", **{"actor_linear.weight": torch.zeros(4, 256), "actor_linear.bias": torch.zeros(4)}
    )
    return {"checkpoint": path, "env": "Breakout-v0", "preprocessing": "cv2", "actions": "sampled"}


def bad_agent(**changes: Any) -> list[tuple[str, Any]]:
    agent = {"checkpoint": "bundled:breakout", "env": "Breakout-v0", "preprocessing": "cv2", **changes}
    return [("agents/bad", agent), ("clips/small/agent", "bad")]


class Marker:
    """A pickle that would create a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (self.path,)


PARSED: dict[str, tuple[list[tuple[str, Any]], str]] = {
    "unknown key": ([("clips/small/colour", "red")], "config: clips.small.colour: unknown key, allowed: agent, seed"),
    "misspelt perturber": (
        [("perturbations/window/perturber", {"SlidingWindow": None, "Slidng": {}})],
        "config: perturbations.window.perturber: found",
    ),
    "wrong arguments": (
        [("perturbations/window/perturber", {"SlidingWindow": {"size": 3}})],
        "config: perturbations.window.perturber: SlidingWindow.size: unknown key, allowed: window_size, stride",
    ),
    "dangling name": ([("clips/small/methods", ["nothing"])], "config: clips.small.methods: found 'nothing'"),
    "frames backwards": ([("clips/small/frames", [30, 10])], "config: clips.small.frames: found [30, 10]"),
    "block size zero": ([("block_size", 0)], "config: block_size: found 0, allowed: greater than 0"),
    "name with a space": ([("agents/a b", {"checkpoint": "c"})], "config: agents: found the name 'a b'"),
}


# Snakemake's own lines about the files that it reads.
SNAKEMAKE_SAYS = ("Using workflow specific profile", "Config file config/config.yaml is extended")


@pytest.mark.parametrize("name", PARSED)
def test_config_mistake_is_one_line_on_the_terminal(project: Project, name: str) -> None:
    edits, expected = PARSED[name]
    done = project.snakemake(config=edited(*edits))
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if not line.startswith(SNAKEMAKE_SAYS)]
    assert len(lines) == 1
    assert lines[0].startswith(expected)
    assert done.stdout == ""
    assert files(project) == set()


def failing(case: str, folder: Path) -> tuple[list[tuple[str, Any]], str, str]:
    """Return the edits of a run that fails in a job, and the rule and the text of its one line."""
    import zipfile

    if case == "missing file":
        return bad_agent(checkpoint="nothing.tar"), "fetch_checkpoint", "nothing.tar: no such file"
    if case == "wrong digest":
        return bad_agent(sha256="0" * 64), "fetch_checkpoint", f"allowed: {'0' * 64}"
    if case == "another architecture":
        torch.save({"layer1.weight": torch.zeros(3)}, folder / "net.pt")
        return bad_agent(checkpoint=str(folder / "net.pt")), "fetch_checkpoint", "not a known network"
    if case == "malicious pickle":
        torch.save({"conv1.weight": Marker(folder / "executed")}, folder / "evil.pt")
        return bad_agent(checkpoint=str(folder / "evil.pt")), "fetch_checkpoint", "nothing of it was run"
    if case == "zip that leaves its folder":
        with zipfile.ZipFile(folder / "evil.zip", "w") as archive:
            archive.writestr("../strong.40.tar", b"x")
        return bad_agent(checkpoint=str(folder / "evil.zip")), "fetch_checkpoint", "found the member '../strong.40.tar'"
    if case == "truncated file":
        whole = Path(write_checkpoint(folder / "whole.pt")).read_bytes()
        (folder / "cut.pt").write_bytes(whole[: len(whole) // 2])
        return bad_agent(checkpoint=str(folder / "cut.pt")), "fetch_checkpoint", "found a zip that is cut off"
    if case == "no such environment":
        return bad_agent(env="Breakot-v0"), "rollout", "env: found 'Breakot-v0'"
    if case == "too few actions":
        return bad_agent(env="Pong-v4"), "rollout", "network has 4 actions, but env 'Pong-v4' has 6"
    if case == "too many actions":
        six = {"actor_linear.weight": torch.zeros(6, 256), "actor_linear.bias": torch.zeros(6)}
        path = write_checkpoint(folder / "six.pt", **six)
        return bad_agent(checkpoint=path), "rollout", "network has 6 actions, but env 'Breakout-v0' has 4"
    frames = {"frames past the end": [10, 1900], "no frames before the end": [1900, "end"]}[case]
    clip = {"max_steps": 3000, "frames": frames, "methods": ["occlusion"]}
    edits = [
        ("block_size", 1000),
        ("agents/bad", random_agent(folder)),
        *((f"clips/small/{key}", value) for key, value in clip.items()),
    ]
    return (
        [*edits, ("clips/small/agent", "bad")],
        "check_frames",
        f"clips.small.frames: found [{frames[0]}, {frames[1]}], but the episode",
    )


@pytest.mark.parametrize(
    "case",
    [
        "missing file",
        "wrong digest",
        "another architecture",
        "malicious pickle",
        "zip that leaves its folder",
        "truncated file",
        "no such environment",
        "too few actions",
        "too many actions",
        "frames past the end",
        "no frames before the end",
    ],
)
def test_failed_job_says_one_line_and_leaves_nothing(project: Project, tmp_path: Path, case: str) -> None:
    edits, rule, text = failing(case, tmp_path)
    done = project.snakemake("--keep-going", config=edited(*edits))
    assert done.returncode == 1
    output = done.stdout + done.stderr
    assert "Traceback" not in output
    # Snakemake's logger shows the log once more, folded to the terminal's width.
    whole = re.compile(rf"^{rule}: .*{re.escape(text)}.*\(log: (\S+)\)$", re.MULTILINE)
    logs = set(whole.findall(output))
    assert len(logs) == 1, output
    # Other jobs may go on, but no other rule fails.
    rules = {path.stem for path in (ROOT / "scripts").glob("*.py")}
    assert rules & set(re.findall(r"^(\w+): .* \(log: ", output, re.MULTILINE)) == {rule}, output
    assert text in (project.folder / logs.pop()).read_text()
    made_by_failed_rule = {
        "fetch_checkpoint": ("agents/",),
        "rollout": ("episodes/",),
        "check_frames": ("clips/",),
    }[rule]
    assert not [path for path in files(project) if path.startswith(made_by_failed_rule) or "partial" in path]
    assert not (tmp_path / "executed").exists()


def test_unpinned_checkpoint_prints_its_sha256_to_paste(project: Project, tmp_path: Path) -> None:
    agent = {"checkpoint": write_checkpoint(tmp_path / "mine.pt")}
    target = "results/agents/bad/policy.safetensors"
    done = project.completed(target, config=edited(*bad_agent(**agent)))
    digest = re.search(r"^agents\.bad: .*  sha256: ([0-9a-f]{64})$", done.stderr, re.MULTILINE)
    assert digest is not None
    pinned = edited(*bad_agent(**agent, sha256=digest[1]))
    done = project.snakemake(target, "--dry-run", config=pinned)
    assert "Nothing to be done" in done.stdout + done.stderr
    done = project.completed(target, "--forceall", config=pinned)
    assert "sha256" not in done.stdout + done.stderr
    wrong = project.snakemake(target, config=edited(*bad_agent(**agent, sha256="0" * 64)))
    assert wrong.returncode == 1
    assert f"allowed: {'0' * 64}" in wrong.stdout + wrong.stderr


def test_url_with_a_new_file_and_pin_is_fetched_once(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    target = "results/agents/bad/policy.safetensors"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path)) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        for bias in (1, 2):
            write_checkpoint(tmp_path / "mine.pt", **{"critic_linear.bias": torch.full((1,), bias)})
            agent = {
                "checkpoint": f"http://127.0.0.1:{server.server_port}/mine.pt",
                "sha256": digest_of(tmp_path / "mine.pt"),
            }
            config = edited(*bad_agent(**agent))
            project.completed(target, config=config)
            assert read_metadata(project.folder / target)["sha256"] == agent["sha256"]
        done = project.snakemake(target, "--dry-run", config=config)
        assert "Nothing to be done" in done.stderr, done.stderr + done.stdout
        server.shutdown()


def test_revision_on_the_hub_that_fits_plans_nothing(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    target = "results/agents/bad/policy.safetensors"
    weights = [
        Path(write_checkpoint(tmp_path / "mine.pt", **{"critic_linear.bias": torch.full((1,), bias)})).read_bytes()
        for bias in (1, 2)
    ]
    with Hub("sb3/ppo-Pong-v4", {"ppo-Pong-v4.zip": weights[0]}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        short = {"network": "greydanus", "checkpoint": "sb3:ppo/Pong-v4"}
        done = project.completed(target, config=edited(*bad_agent(**short)))
        first = commit("first")
        assert f"agents.bad: to pin its checkpoint, write  checkpoint: sb3:ppo/Pong-v4@{first}" in done.stderr
        second = hub.push("second", {"ppo-Pong-v4.zip": weights[1]})
        for place in ("sb3:ppo/Pong-v4", f"sb3:ppo/Pong-v4@{first}", f"hub:sb3/ppo-Pong-v4@{first}/ppo-Pong-v4.zip"):
            config = edited(*bad_agent(network="greydanus", checkpoint=place))
            done = project.completed(target, "--dry-run", config=config)
            assert "Nothing to be done" in done.stderr + done.stdout, place
        short["checkpoint"] += f"@{second}"
        done = project.completed(target, config=edited(*bad_agent(**short)))
        assert "to pin" not in done.stderr + done.stdout
        source = read_metadata(project.folder / target)["source"]
        assert source == f"hub:sb3/ppo-Pong-v4@{second}/ppo-Pong-v4.zip"
        hub.shutdown()


def test_snapshot_with_a_higher_step_is_fetched_again(project: Project, tmp_path: Path) -> None:
    target, logs = "results/agents/bad/policy.safetensors", tmp_path / "logs"
    logs.mkdir()
    write_checkpoint(logs / "rl_model_900_steps.zip")
    for place in (f"{logs}/rl_model_*_steps.zip", str(logs)):
        config = edited(*bad_agent(checkpoint=place))
        project.completed(target, config=config)
        assert "Nothing to be done" in project.completed(target, "--dry-run", config=config).stderr
    write_checkpoint(logs / "rl_model_1000_steps.zip", **{"critic_linear.bias": torch.ones(1)})
    project.completed(target, config=config)
    assert read_metadata(project.folder / target)["source"] == f"{logs}/rl_model_1000_steps.zip"
    (logs / "rl_model_01000_steps.zip").touch()
    done = project.snakemake(target, config=config)
    assert done.returncode == 1
    assert f"{logs}: a folder, no file asked for: several fit, name one of: rl_model_01000_steps.zip" in done.stderr


def test_short_form_fills_in_the_environment(project: Project) -> None:
    short = {"checkpoint": "sb3:ppo/PongNoFrameskip-v4", "preprocessing": "cv2", "network": "greydanus"}
    edits = [("agents/bad", short), ("clips/small/agent", "bad")]
    done = project.completed("--dry-run", "--printshellcmds", config=edited(*edits))
    assert re.search(r"^ rollout +1 *$", done.stdout + done.stderr, re.MULTILINE)
    done = project.snakemake("--dry-run", config=edited(("agents/bad", {**short, "env": None}), *edits[1:]))
    assert "config: agents.bad.env: missing" in done.stderr


def test_jobs_import_the_package_beside_the_workflow(project: Project) -> None:
    module = project.folder / "scripts/searchlight/agents/checkpoint.py"
    module.write_text(module.read_text() + "\nprint('this very copy')\n")
    project.completed("results/agents/breakout/policy.safetensors", config=edited())
    assert "this very copy" in (project.folder / "results/logs/fetch_checkpoint/breakout.log").read_text()


@pytest.mark.parametrize("target", ["results/clips/nope/index.html", "results/episodes/breakout/seed-9.zarr.zip"])
def test_targets_outside_the_config_are_refused(project: Project, target: str) -> None:
    done = project.snakemake(target, config=edited())
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert files(project) == set()


@pytest.mark.parametrize("preset", ["notebook", "upstream"])
def test_preset_plans_only_its_own_clip(project: Project, preset: str) -> None:
    done = project.completed("-n", "--configfile", f"config/{preset}.yaml")
    assert re.search(r"^ page +1 *$", done.stdout + done.stderr, re.MULTILINE)


def test_report_holds_videos_page_and_measures(mine: Project) -> None:
    import zipfile

    config = edited(("clips/small/measures", ["memory"]))
    mine.completed(config=config)
    mine.completed("--report", "report.zip", config=config)
    with zipfile.ZipFile(mine.folder / "report.zip") as archive:
        names = [Path(name).name for name in archive.namelist()]
        text = archive.read("report/report.html").decode()
    assert names.count("gameplay.mp4") == 1
    for method in ("occlusion", "greydanus"):
        for layer in LAYERS:
            assert f"{method}.{layer}.mp4" in names
    for name in ("index.html", "memory.png", "measures.csv", "measures-by-frame.csv"):
        assert name in names
    # Captions name their clip and measure, and leave no template behind.
    for caption in ("the measure <strong>memory</strong> as a picture", "its measures as a table", "along the frames"):
        assert caption in text
    assert "{{" not in text.partition("its measures as a table")[2][:2000]
