"""What runs again after an edit: exactly what must, and with the results of a fresh run.

Each row of the table is an edit of one finished run, with the jobs that a dry run has to plan. A third of the rows is
run for real, in bundles of edits that do not touch the same jobs: what ran must be what the rows planned, and once the
results that the new config does not name are deleted, all files must equal those of a fresh run, byte for byte.
"""

from __future__ import annotations

import copy
import filecmp
import os
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers.planning import Job, job_of, plan
from helpers.project import BUNDLED, ROOT, Project, new_project
from pydantic import BaseModel
from safetensors.numpy import load_file, save
from searchlight import registry
from searchlight.config.agents import Agent
from searchlight.config.families import ClipFamily
from searchlight.config.methods import Method, Perturbation
from searchlight.config.models import Config
from searchlight.config.video import Video
from searchlight.fingerprint import closure
from searchlight.store.files import digest_of

pytestmark = pytest.mark.workflow

BREAKOUT = {"checkpoint": "bundled:breakout", "env": "Breakout-v0", "preprocessing": "cv2"}
MINE = {**BREAKOUT, "checkpoint": "mine.zip", "member": "mine.10.safetensors", "actions": "sampled"}
WINDOW = {"space": "screen", "perturber": {"SlidingWindow": {"window_size": [20, 20], "stride": [20, 20]}}, "fill": 0}
BLUR = {"space": "observation", "perturber": {"SlidingRadial": {"radius": [1, 1], "stride": [20, 20]}}}
BLUR["fill"] = "background"
OCCLUSION = {"perturbation": "window", "scorer": "OcclusionScoring", "scale": "frame"}
GREYDANUS = {"perturbation": "blur", "scorer": "SquaredDifference", "scale": "clip", "gain": 2}
ONE = {"agent": "breakout", "seed": 1, "max_steps": 28, "frames": [4, 19], "methods": ["occlusion", "greydanus"]}
TWO = {**ONE, "frames": [12, 23], "methods": ["occlusion"]}
WHOLE = {"agent": "mine", "seed": [3], "max_steps": 12, "frames": "all", "methods": ["greydanus"]}
# Two overlapping clips of one episode, and a whole episode of another agent.
BASE: dict[str, Any] = {
    "block_size": 8,
    "agents": {"breakout": BREAKOUT, "mine": MINE},
    "perturbations": {"window": WINDOW, "blur": BLUR},
    "methods": {"occlusion": OCCLUSION, "greydanus": GREYDANUS},
    "clips": {"one": ONE, "two": TWO, "whole": WHOLE},
    "video": {"zoom": 1},
}


def jobs(*given: dict[str, int], **more: int) -> dict[str, int]:
    """Return the sum of some counts of jobs by rule."""
    return dict(sum((Counter(one) for one in (*given, more)), Counter()))


# From the clips' stores on, for all clips together: `one` has two methods, `two` and `whole` have one.
FROM_RENDER = {"render": 4, "page": 3}
RENDERED = jobs(FROM_RENDER, render_gameplay=3)
FROM_COLLECT = jobs(FROM_RENDER, collect=4)
FROM_SCORE = jobs(FROM_COLLECT, score=8)
FROM_PERTURB = jobs(FROM_SCORE, perturb=8)
# Of the agents, from the episode on. How many blocks a whole episode has is known when it was played: `then`.
BREAKOUT_PLAYED = jobs(
    {"rollout": 1, "background": 1, "perturb": 6, "score": 6, "collect": 3},
    {"check_frames": 2, "render": 3, "render_gameplay": 2, "page": 2},
)
MINE_PLAYED = jobs(
    {"rollout": 1, "episode_length": 1, "check_frames": 1, "collect": 1},
    {"render": 1, "render_gameplay": 1, "page": 1},
)
MINE_BLOCKS = {"background": 1, "perturb": 2, "score": 2}
# From the responses to the perturbation with a background on, of both agents, without the backgrounds themselves.
FROM_BLUR = {"perturb": 5, "score": 5, "collect": 2, "render": 2, "page": 2}
PLAYED = jobs(BREAKOUT_PLAYED, MINE_PLAYED)
FETCHED = jobs(PLAYED, fetch_checkpoint=2)


@dataclass(frozen=True)
class Edit:
    """A row: what a user does, and what has to run.

    Attributes:
        jobs: how many jobs of each rule a dry run plans.
        config: values at keys of the config, divided by slashes; None takes an entry out.
        files: files of the project, relative to it, each with what is done to it.
        then: jobs that are known only once an episode was played.
        bundle: with which others it is run for real.
        why: what may surprise.
    """

    jobs: dict[str, int]
    config: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Callable[[Path], None]] = field(default_factory=dict)
    then: dict[str, int] = field(default_factory=dict)
    bundle: str | None = None
    why: str = ""


def commented(path: Path) -> None:
    """Add a line that changes nothing but the file, which may be a link to another's."""
    text = path.read_text(encoding="utf-8")
    path.unlink()
    path.write_text(text + ("<!-- -->\n" if path.suffix == ".html" else "# A comment.\n"), encoding="utf-8")


def archive(path: Path, *biases: float) -> None:
    """Write the bundled agent with other estimates of the return, one member for each, into a zip."""
    weights = load_file(BUNDLED / "breakout.safetensors")
    path.unlink(missing_ok=True)
    with zipfile.ZipFile(path, "w") as target:
        for number, bias in enumerate(biases, start=1):
            entry = zipfile.ZipInfo(f"mine.{10 * number}.safetensors")
            target.writestr(entry, save({**weights, "critic_linear.bias": np.full(1, bias, np.float32)}))


def renewed(path: Path) -> None:
    """Replace the weights that were fetched by others, with an old date."""
    archive(path, 5.0, 6.0)
    os.utime(path, (10**9, 10**9))


def own_environment(path: Path) -> None:
    """Write a module that registers an environment."""
    kwargs = {"game": "breakout", "frameskip": 4, "repeat_action_probability": 0.25}
    path.write_text(f"import gymnasium\n\ngymnasium.register('Mine-v0', 'ale_py.env:AtariEnv', kwargs={kwargs})\n")


def pin(folder: Path) -> str:
    """Return the digest that belongs to the agent that is there."""
    return digest_of(folder / "mine.zip")


def replaced(old: str, new: str) -> Callable[[Path], None]:
    """Return an edit that replaces a text, which a file must hold exactly once."""

    def replace(path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.unlink()
        path.write_text(text.replace(old, new), encoding="utf-8")

    return replace


CLIP = {"collect": 1, "render": 1, "page": 1}
# A clip of other frames, or of another episode.
FRAMES = {"check_frames": 1, "render_gameplay": 1}
# The method of two clips becomes a gradient.
AS_GRADIENT = {
    "methods/occlusion/perturbation": None,
    "methods/occlusion/scorer": None,
    "methods/occlusion/gradient": "gradient",
}
SLOPES = {"differentiate": 3, "collect": 2, "render": 2, "page": 2}
CONFIG: dict[str, Edit] = {
    "nothing": Edit({}),
    "block_size": Edit(jobs(FROM_COLLECT, perturb=5, score=5), {"block_size": 16}, bundle="blocks"),
    "device": Edit(FROM_PERTURB, {"device": "cuda"}, why="the same to 1e-4 only"),
    # Agents.
    "an agent more": Edit({}, {"agents/other": BREAKOUT}, why="no clip of it yet", bundle="blocks"),
    "an agent renamed": Edit(
        jobs(MINE_PLAYED, fetch_checkpoint=1),
        {"agents/mine": None, "agents/ours": MINE, "clips/whole/agent": "ours"},
        then=MINE_BLOCKS,
        why="results are kept under the agent's name, and stores hold it",
        bundle="methods",
    ),
    "an agent less, with its clip": Edit({}, {"agents/mine": None, "clips/whole": None}),
    "two agents swapped": Edit(
        FETCHED, {"agents/breakout": {**MINE, "actions": "sampled"}, "agents/mine": BREAKOUT}, then=MINE_BLOCKS
    ),
    "a checkpoint under another name": Edit(
        jobs(MINE_PLAYED, fetch_checkpoint=1),
        {"agents/mine/checkpoint": "./mine.zip"},
        then=MINE_BLOCKS,
        why="stores hold where the weights are from",
    ),
    "a checkpoint by a pattern": Edit(
        {}, {"agents/mine/checkpoint": "min*.zip"}, why="it is the same file", bundle="blocks"
    ),
    "another checkpoint behind the same name": Edit(
        jobs(MINE_PLAYED, fetch_checkpoint=1), files={"mine.zip": renewed}, then=MINE_BLOCKS, bundle="clips"
    ),
    "another member": Edit(
        jobs(MINE_PLAYED, fetch_checkpoint=1), {"agents/mine/member": "mine.20.safetensors"}, then=MINE_BLOCKS
    ),
    "a pin": Edit({}, {"agents/mine/sha256": pin}, bundle="clips", why="it is what was fetched"),
    "a pin that does not fit": Edit(
        jobs(MINE_PLAYED, fetch_checkpoint=1), {"agents/mine/sha256": "0" * 64}, why="to be told so by the first job"
    ),
    "env": Edit(BREAKOUT_PLAYED, {"agents/breakout/env": "BreakoutNoFrameskip-v4"}),
    "env with arguments": Edit(
        BREAKOUT_PLAYED, {"agents/breakout/env": {"id": "Breakout-v0", "repeat_action_probability": 0}}
    ),
    "env as a table without arguments": Edit({}, {"agents/breakout/env": {"id": "Breakout-v0"}}, bundle="clips"),
    "env by the user's own module": Edit(
        MINE_PLAYED,
        {"agents/mine/env": "my_envs:Mine-v0"},
        files={"my_envs.py": own_environment},
        then=MINE_BLOCKS,
    ),
    "wrappers": Edit(
        BREAKOUT_PLAYED, {"agents/breakout/env": "BreakoutNoFrameskip-v4", "agents/breakout/wrappers": "sb3"}
    ),
    "wrappers: none, written out": Edit({}, {"agents/breakout/wrappers": "none"}, bundle="clips"),
    "preprocessing": Edit(BREAKOUT_PLAYED, {"agents/breakout/preprocessing": "imresize"}),
    "network": Edit(
        jobs(MINE_PLAYED, fetch_checkpoint=1),
        {"agents/mine/network": "greydanus"},
        then=MINE_BLOCKS,
        why="of several networks that fit the tensors, it may be another one",
    ),
    "network of the user's own file": Edit(
        jobs(MINE_PLAYED, fetch_checkpoint=1),
        {"agents/mine/network": {"module": "mine.py", "class": "Mine"}},
        files={"mine.py": lambda path: path.write_text("")},
        then=MINE_BLOCKS,
    ),
    "actions": Edit(MINE_PLAYED, {"agents/mine/actions": "greedy"}, then=MINE_BLOCKS),
    "actions with a chance": Edit(MINE_PLAYED, {"agents/mine/actions": {"epsilon": 0.1}}, then=MINE_BLOCKS),
    # Perturbations.
    "a perturbation more": Edit({}, {"perturbations/other": WINDOW}, bundle="blocks"),
    "a perturbation renamed": Edit(
        {"perturb": 3, "score": 3, "collect": 2, "render": 2, "page": 2},
        {"perturbations/window": None, "perturbations/pane": WINDOW, "methods/occlusion/perturbation": "pane"},
        why="responses are kept under its name, and the maps are made from files of another name",
    ),
    "a perturbation less, with its method": Edit(
        {"page": 1},
        {
            "perturbations/blur": None,
            "methods/greydanus": None,
            "clips/one/methods": ["occlusion"],
            "clips/whole": None,
        },
        why="the page shows what is left",
    ),
    "two perturbations swapped": Edit(FROM_PERTURB, {"perturbations/window": BLUR, "perturbations/blur": WINDOW}),
    "space": Edit(
        FROM_BLUR,
        {"perturbations/blur/space": "screen", "perturbations/blur/fill": 9},
    ),
    "perturber": Edit(
        {"perturb": 3, "score": 3, "collect": 2, "render": 2, "page": 2},
        {"perturbations/window/perturber/SlidingWindow/stride": [30, 20]},
    ),
    "fill": Edit(
        {"perturb": 3, "score": 3, "collect": 2, "render": 2, "page": 2},
        {"perturbations/window/fill": 9},
        bundle="methods",
    ),
    "fill: mean": Edit(
        {"perturb": 3, "score": 3, "collect": 2, "render": 2, "page": 2},
        {"perturbations/window/fill": "mean"},
    ),
    "fill: background": Edit(
        {"perturb": 3, "score": 3, "collect": 2, "render": 2, "page": 2},
        {"perturbations/window/fill": "background"},
        why="the other perturbation has made the background",
    ),
    "fill: background, with its number of decisions": Edit(
        {},
        {"perturbations/blur/fill": {"background": 200}},
        why="it is what the word is short for",
        bundle="methods",
    ),
    "fill: background of fewer decisions": Edit(
        jobs(FROM_BLUR, background=2), {"perturbations/blur/fill": {"background": 10}}
    ),
    "fill: background of the whole episode": Edit(
        jobs(FROM_BLUR, background=2), {"perturbations/blur/fill": {"background": "episode"}}
    ),
    "fill: no background": Edit(FROM_BLUR, {"perturbations/blur/fill": 0.5}, why="the one that is there is unused"),
    "stack": Edit(FROM_BLUR, {"perturbations/blur/stack": "newest"}),
    "memory_lag": Edit(FROM_BLUR, {"perturbations/blur/memory_lag": 1}),
    # Methods.
    "a method more": Edit({}, {"methods/other": OCCLUSION}, why="no clip shows it", bundle="blocks"),
    "a method more that is shown, with a background of its own": Edit(
        jobs(CLIP, background=1, perturb=2, score=2),
        {
            "perturbations/erase": {**WINDOW, "fill": {"background": 10}},
            "methods/erase": {**OCCLUSION, "perturbation": "erase"},
            "clips/two/methods": ["occlusion", "erase"],
        },
        bundle="methods",
    ),
    "a method renamed": Edit(
        {"score": 3, "collect": 2, "render": 2, "page": 2},
        {
            "methods/occlusion": None,
            "methods/hidden": OCCLUSION,
            "clips/one/methods": ["hidden", "greydanus"],
            "clips/two/methods": ["hidden"],
        },
        why="maps and clips are kept under its name; the responses are the perturbation's",
    ),
    "another perturbation of a method": Edit(
        {"score": 3, "collect": 2, "render": 2, "page": 2},
        {"methods/occlusion/perturbation": "blur"},
        why="its responses are there",
    ),
    "scorer": Edit(
        {"score": 3, "collect": 2, "render": 2, "page": 2}, {"methods/occlusion/scorer": "SquaredDifference"}
    ),
    "output": Edit(
        {"score": 3, "collect": 2, "render": 2, "page": 2},
        {"methods/occlusion/output": "chosen_action"},
        bundle="methods",
        why="the responses hold what all outputs are made from",
    ),
    "output: as it is without the key": Edit({}, {"methods/greydanus/output": "logits"}, bundle="methods"),
    "temperature": Edit(
        {"score": 3, "collect": 2, "render": 2, "page": 2},
        {"methods/occlusion/output": "probabilities", "methods/occlusion/temperature": 0.5},
    ),
    "signed": Edit(
        {"score": 3, "collect": 2, "render": 2, "page": 2},
        {"methods/occlusion/output": "chosen_action", "methods/occlusion/signed": True},
        bundle="methods",
    ),
    "two scorers swapped": Edit(
        FROM_SCORE, {"methods/occlusion/scorer": "SquaredDifference", "methods/greydanus/scorer": "OcclusionScoring"}
    ),
    "gradient": Edit(
        SLOPES,
        AS_GRADIENT,
        why="one rule makes the maps in place of another, under the same name",
    ),
    "gradient of every action": Edit(SLOPES, {**AS_GRADIENT, "methods/occlusion/of": "every_action"}),
    "gradient with its sign": Edit(
        SLOPES,
        {**AS_GRADIENT, "methods/occlusion/gradient": "gradient_x_input", "methods/occlusion/signed": True},
    ),
    "gradient from a background of its own": Edit(
        jobs(SLOPES, background=1),
        {
            **AS_GRADIENT,
            "methods/occlusion/gradient": {
                "integrated_gradients": {"base": {"background": 10}, "steps": 2, "error": 9}
            },
        },
    ),
    "a gradient more, in a clip of its own": Edit(
        jobs(CLIP, FRAMES, differentiate=2),
        {
            "methods/slope": {"gradient": {"integrated_gradients": {"base": "background", "steps": 2, "error": 9}}},
            "clips/slope": {**ONE, "frames": [4, 11], "methods": ["slope"]},
        },
        bundle="methods",
        why="a perturbation has made the background",
    ),
    "scale": Edit(jobs(CLIP, CLIP), {"methods/greydanus/scale": "frame"}, bundle="methods"),
    "gain": Edit({"render": 2, "page": 2}, {"methods/occlusion/gain": 3}, bundle="methods"),
    "two gains swapped": Edit(FROM_RENDER, {"methods/occlusion/gain": 2, "methods/greydanus/gain": 1}),
    # Clips.
    "a clip more, of frames that are there": Edit(
        jobs(CLIP, FRAMES), {"clips/more": {**ONE, "frames": [9, 14], "methods": ["greydanus"]}}
    ),
    "a clip more, that overlaps two": Edit(
        jobs(CLIP, FRAMES, perturb=1, score=1),
        {"clips/more": {**ONE, "frames": [12, 27], "methods": ["greydanus"]}},
        bundle="clips",
        why="one has its first block, nobody the last",
    ),
    "a clip renamed": Edit(jobs(CLIP, FRAMES), {"clips/two": None, "clips/other": TWO}, why="its folder has its name"),
    "a clip less": Edit({}, {"clips/two": None}),
    "two clips swapped": Edit(
        jobs(CLIP, collect=1, render=1, check_frames=2, render_gameplay=2, page=1),
        {"clips/one": TWO, "clips/two": {**ONE, "methods": ["occlusion"]}},
    ),
    "agent of a clip": Edit(jobs(CLIP, FRAMES, rollout=1, perturb=2, score=2), {"clips/two/agent": "mine"}),
    "agents of a family": Edit(
        jobs(CLIP, CLIP, rollout=1, episode_length=1, check_frames=2, render_gameplay=2),
        {"clips/whole/agent": ["mine", "breakout"]},
        then=MINE_BLOCKS,
        why="with a list of agents, the clips are named after them",
    ),
    "seed": Edit(jobs(CLIP, FRAMES, rollout=1, perturb=2, score=2), {"clips/two/seed": 2}),
    "a seed more in a family": Edit(
        jobs(CLIP, FRAMES, rollout=1, episode_length=1),
        {"clips/whole/seed": [3, 4]},
        then=MINE_BLOCKS,
        bundle="clips",
    ),
    "max_steps": Edit(
        BREAKOUT_PLAYED,
        {"clips/one/max_steps": 30, "clips/two/max_steps": 30},
        why="an episode is one result, and the longer one is another; so is its background",
    ),
    "max_steps of a whole episode": Edit(
        MINE_PLAYED,
        {"clips/whole/max_steps": 20},
        then={"background": 1, "perturb": 3, "score": 3},
        why="the background of its last frames is drawn from what comes after them",
    ),
    "frames: widened": Edit(jobs(CLIP, FRAMES, collect=1, render=1, perturb=2, score=2), {"clips/one/frames": [4, 27]}),
    "frames: widened within the blocks": Edit(
        jobs(CLIP, FRAMES, collect=1, render=1), {"clips/one/frames": [2, 22]}, bundle="clips"
    ),
    "frames: narrowed": Edit(jobs(CLIP, FRAMES, collect=1, render=1), {"clips/one/frames": [9, 12]}),
    "frames: moved": Edit(jobs(CLIP, FRAMES, perturb=1, score=1), {"clips/two/frames": [20, 27]}),
    "frames: moved to what another clip has": Edit(jobs(CLIP, FRAMES), {"clips/two/frames": [0, 11]}),
    "frames: an open end": Edit(
        jobs(CLIP, FRAMES, collect=1, render=1, episode_length=1),
        {"clips/one/frames": [4, "end"]},
        then={"perturb": 2, "score": 2},
        bundle="methods",
    ),
    "frames: all": Edit(
        jobs(CLIP, FRAMES, episode_length=1),
        {"clips/two/frames": "all"},
        then={"perturb": 1, "score": 1},
        why="one has the first block",
    ),
    "frames: all, and from 0 to the end": Edit({}, {"clips/whole/frames": [0, "end"]}),
    "frames: an open end that is closed": Edit(
        jobs(CLIP, FRAMES),
        {"clips/whole/frames": [0, 11]},
        why="an end that happens to be the same is known as such by the jobs alone",
    ),
    "methods: one less": Edit({"page": 1}, {"clips/one/methods": ["greydanus"]}),
    "methods: one more": Edit(CLIP, {"clips/two/methods": ["occlusion", "greydanus"]}, bundle="clips"),
    "methods: in another order": Edit({"page": 1}, {"clips/one/methods": ["greydanus", "occlusion"]}),
    "measures": Edit(
        {"measure_clip": 2, "measure_method": 1, "tabulate_measures": 1, "draw_measure": 2, "page": 1},
        {"clips/two/measures": [{"memory": {"frames": 3}}, "objects"]},
        bundle="blocks",
        why="tests/workflow/test_measures.py edits what measures depend on",
    ),
    "measures: none, written out": Edit({}, {"clips/two/measures": []}),
    "fps": Edit({"render": 2, "render_gameplay": 1, "page": 1}, {"clips/one/fps": 12}, bundle="clips"),
    # Videos.
    "zoom": Edit(RENDERED, {"video/zoom": 2}),
    "style": Edit(FROM_RENDER, {"video/style": "notebook"}, bundle="blocks"),
    "gamma": Edit(FROM_RENDER, {"video/gamma": 0.8}, bundle="clips"),
    "gamma: as the style has it": Edit({}, {"video/gamma": 0.5}, bundle="methods"),
    "opacity": Edit(FROM_RENDER, {"video/opacity": 0.5}, bundle="blocks"),
    "highlight": Edit({}, {"video/highlight": "#00ff00"}, why="only the notebook's style has it", bundle="blocks"),
    "highlight of the notebook's style": Edit(FROM_RENDER, {"video/highlight": "#00ff00", "video/style": "notebook"}),
    "actor": Edit(FROM_RENDER, {"video/actor": "#00ff00"}),
    "critic": Edit(FROM_RENDER, {"video/critic": "#00ff00"}),
    "raises": Edit(FROM_RENDER, {"video/raises": "#00ff00"}, why="a method may be signed", bundle="blocks"),
    "lowers": Edit(FROM_RENDER, {"video/lowers": "#00ff00"}),
    "two colours swapped": Edit(FROM_RENDER, {"video/actor": "#ff2020", "video/critic": "#3060ff"}, bundle="clips"),
}

RULES: dict[str, Edit] = {
    "a parameter more": Edit(
        FROM_SCORE,
        files={"workflow/rules/saliency.smk": replaced("scorer=setting(", "more=1, scorer=setting(")},
    ),
    "more memory": Edit(
        {}, files={"workflow/rules/agents.smk": replaced("growing(500)", "growing(900)")}, bundle="blocks"
    ),
    "a comment": Edit({}, files={"workflow/rules/common.smk": commented}, bundle="blocks"),
}


# Of each script, the jobs that its edit plans.
PLANNED: dict[str, dict[str, int]] = {
    "fetch_checkpoint": FETCHED,
    "rollout": PLAYED,
    "background": jobs(FROM_BLUR, background=2),
    "perturb": FROM_PERTURB,
    "score": FROM_SCORE,
    "collect": FROM_COLLECT,
    "render": FROM_RENDER,
    "render_gameplay": {"render_gameplay": 3, "page": 3},
    "page": {"page": 3},
    # They make no results of the base config, or such that stay as they are however they are made.
    **{name: {} for name in ("measure_clip", "measure_method", "tabulate_measures", "draw_measure")},
    **{name: {} for name in ("differentiate", "check_frames", "episode_length", "list_unused", "delete_unused")},
}
# Files that are run for real, and with which others.
BUNDLED_FILES = {
    "draw_measure.py": "blocks",
    "measure_clip.py": "blocks",
    "measure_method.py": "blocks",
    "searchlight/clips/draw_measure.py": "blocks",
    "searchlight/clips/measure_clip.py": "blocks",
    "searchlight/clips/measure_method.py": "blocks",
    "searchlight/clips/results_of.py": "blocks",
    "searchlight/clips/tabulate_measures.py": "blocks",
    "searchlight/measures/_deletion.py": "blocks",
    "searchlight/measures/_regions.py": "blocks",
    "searchlight/measures/_statistics.py": "blocks",
    "searchlight/measures/faithfulness.py": "blocks",
    "searchlight/measures/interventions.py": "blocks",
    "searchlight/measures/randomisation.py": "blocks",
    "searchlight/measures/_changes.py": "blocks",
    "searchlight/measures/_twin.py": "blocks",
    "searchlight/measures/memory.py": "blocks",
    "searchlight/saliency/single_maps.py": "blocks",
    "tabulate_measures.py": "blocks",
    "searchlight/measures/games/pong.py": "blocks",
    "collect.py": "methods",
    "searchlight/clips/collect.py": "methods",
    "searchlight/clips/compose.py": "clips",
    "searchlight/clips/draw.py": "clips",
    "searchlight/clips/encode.py": "clips",
    "searchlight/clips/render.py": "clips",
    "searchlight/config/views.py": "clips",
    "searchlight/config/folders.py": "blocks",
    "searchlight/config/playable.py": "blocks",
    "searchlight/config/yaml_files.py": "blocks",
    "searchlight/agents/preprocessings/imresize.py": "blocks",
    "searchlight/agents/preprocessings/_area.py": "blocks",
    "searchlight/agents/preprocessings/_filter.py": "blocks",
    "searchlight/agents/preprocessings/_stack.py": "blocks",
    "searchlight/agents/preprocessings/cleanrl.py": "blocks",
    "searchlight/agents/preprocessings/gymnasium.py": "blocks",
    "searchlight/agents/preprocessings/rgb.py": "blocks",
    "searchlight/agents/preprocessings/sb3.py": "blocks",
    "searchlight/agents/wrappers/_baselines.py": "blocks",
    "searchlight/agents/wrappers/_skipping.py": "blocks",
    "searchlight/agents/wrappers/cleanrl.py": "blocks",
    "searchlight/agents/wrappers/gymnasium.py": "blocks",
    "searchlight/agents/wrappers/sb3.py": "blocks",
    "searchlight/config/members.py": "blocks",
    "searchlight/saliency/differentiate.py": "blocks",
    "searchlight/saliency/explained.py": "blocks",
    "searchlight/saliency/fills/blur.py": "blocks",
    "searchlight/saliency/gradients/grad_cam.py": "blocks",
    "searchlight/saliency/gradients/gradient.py": "blocks",
    "searchlight/saliency/gradients/gradient_x_input.py": "blocks",
    "searchlight/saliency/gradients/smoothgrad.py": "blocks",
    "differentiate.py": "blocks",
    "searchlight/saliency/fills/mean.py": "blocks",
    "searchlight/saliency/perturbers/rise_grid.py": "blocks",
    "searchlight/saliency/scorers/rise.py": "blocks",
    "render.py": "blocks",
    "render_gameplay.py": "methods",
    "page.py": "methods",
    "searchlight/clips/page/__init__.py": "methods",
    "searchlight/clips/page/page.html": "methods",
    "searchlight/config/consistency.py": "blocks",
    "searchlight/config/families.py": "blocks",
    "searchlight/config/agents.py": "blocks",
    "searchlight/config/chapters.py": "blocks",
    "searchlight/config/methods.py": "blocks",
    "searchlight/config/models.py": "blocks",
    "searchlight/config/registered.py": "blocks",
    "searchlight/config/video.py": "blocks",
    "searchlight/config/names.py": "blocks",
    "searchlight/config/read.py": "blocks",
    "searchlight/fingerprint.py": "blocks",
    "searchlight/config/reference.py": "blocks",
    "list_unused.py": "clips",
    "delete_unused.py": "clips",
    "searchlight/store/locks.py": "clips",
    "searchlight/store/unused.py": "clips",
    "check_frames.py": "methods",
    "episode_length.py": "methods",
    "searchlight/agents/episode_length.py": "methods",
    "searchlight/clips/check_frames.py": "methods",
}


# Of each method, the members of registries that the base config names, and what a change of its responses plans.
METHODS: dict[str, tuple[dict[str, str], dict[str, int]]] = {
    "occlusion": (
        {"fills": "level", "perturbers": "sliding_window", "scorers": "occlusion_scoring"},
        {"perturb": 3, "score": 3, "collect": 2, "render": 2, "page": 2},
    ),
    "greydanus": (
        {"fills": "background", "perturbers": "sliding_radial", "scorers": "squared_difference"},
        FROM_BLUR,
    ),
}


def uses(script: Path, file: Path, method: str) -> bool:
    """Return whether a script's results by a method depend on a file: it imports it, or its registries' members do."""
    members = {f"saliency/{folder}": [f"{name}.py"] for folder, name in METHODS[method][0].items()}
    members["agents/networks"] = [path.name for path in registry.files("agents/networks")]
    members["agents/preprocessings"] = ["cv2.py"]
    members["agents/wrappers"] = ["none.py"]
    roots = [script]
    for folder, names in members.items():
        if registry.PACKAGE / folder / "__init__.py" in closure(script):
            roots += [registry.PACKAGE / folder / name for name in names]
    return any(file == root or file in closure(root) for root in roots)


def planned_by(script: Path, file: Path) -> dict[str, int]:
    """Return what an edit of a file plans because of a script."""
    using = [method for method in METHODS if uses(script, file, method)]
    if len(using) < len(METHODS) and using:
        of_method = METHODS[using[0]][1]
        return {rule: count for rule, count in of_method.items() if rule in PLANNED[script.stem]}
    return PLANNED[script.stem] if using else {}


# Files that the same scripts use, for the same methods, are planned alike: of so many of them there is a row, and of
# those that are run for real.
ALIKE = 2


def modules() -> dict[str, Edit]:
    """Return rows of files of scripts/: an edit plans what the scripts plan that use it."""
    scripts, rows = ROOT / "scripts", {}
    alike: Counter[tuple[tuple[str, ...], ...]] = Counter()
    for path in sorted(path for kind in ("*.py", "*.html") for path in scripts.rglob(kind)):
        every = sorted(scripts.glob("*.py"))
        name = path.relative_to(scripts).as_posix()
        users = tuple(tuple(method for method in METHODS if uses(script, path, method)) for script in every)
        alike[users] += 1
        if alike[users] > ALIKE and name not in BUNDLED_FILES:
            continue
        using = [planned_by(script, path) for script in every]
        # A job that two scripts plan counts once.
        planned = dict(reduce(or_, map(Counter, using), Counter()))
        then = MINE_BLOCKS if planned.get("rollout") else {}
        if then:
            planned |= {rule: BREAKOUT_PLAYED[rule] for rule in then}
        rows[name] = Edit(planned, files={f"scripts/{name}": commented}, then=then, bundle=BUNDLED_FILES.get(name))
    return rows


MODULES = modules()
TABLE = {**CONFIG, **RULES, **MODULES}
BUNDLES = sorted({edit.bundle for edit in TABLE.values() if edit.bundle})


def edit_project(project: Project, *edits: Edit) -> None:
    """Do to a project's files what a user does."""
    config = copy.deepcopy(BASE)
    for edit in edits:
        for name, change in edit.files.items():
            change(project.folder / name)
        for key, value in edit.config.items():
            *path, last = key.split("/")
            table = config
            for part in path:
                table = table[part]
            table[last] = value(project.folder) if callable(value) else copy.deepcopy(value)
            if value is None:
                del table[last]
    path = project.folder / "config" / "config.yaml"
    path.unlink()
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


def new_base(folder: Path) -> Project:
    """Return a project without results, with the agent that is not bundled."""
    project = new_project(folder)
    archive(project.folder / "mine.zip", 1.0, 2.0)
    edit_project(project)
    return project


def benchmarks(project: Project) -> dict[Job, int]:
    """Return when each job was last run."""
    found = (project.folder / "results" / "benchmarks").rglob("*.tsv")
    return {job_of(path.relative_to(project.folder)): path.stat().st_mtime_ns for path in found}


def results(project: Project) -> dict[str, Path]:
    """Return all files of the results, but for the log of the files that were deleted."""
    root = project.folder / "results"
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path for name, path in found.items() if name != "logs/delete_unused.log"}


def count(planned: set[Job]) -> dict[str, int]:
    return dict(Counter(job.partition("/")[0] for job in planned))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished run that all rows are edits of."""
    project = new_base(tmp_path_factory.mktemp("reruns") / "finished")
    project.completed()
    return project


@pytest.fixture(scope="module")
def plans(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[set[Job]]]]:
    """The dry runs of all rows, already started."""
    folder = tmp_path_factory.mktemp("plans")
    with ThreadPoolExecutor(2) as workers:
        started = {}
        for number, (name, edit) in enumerate(TABLE.items()):
            # Links, not copies: a dry run writes nothing, and an edited file is a new one.
            project = Project(folder / str(number))
            shutil.copytree(finished.folder, project.folder, copy_function=os.link)
            edit_project(project, edit)
            started[name] = workers.submit(plan, project.folder)
        yield started
        workers.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", TABLE)
def test_dry_run_plans_exactly_the_expected_jobs(plans: dict[str, Future[set[Job]]], name: str) -> None:
    assert count(plans[name].result()) == TABLE[name].jobs


@pytest.mark.parametrize("bundle", BUNDLES)
def test_edited_run_runs_planned_jobs_and_equals_a_fresh_run(
    finished: Project, plans: dict[str, Future[set[Job]]], tmp_path: Path, bundle: str
) -> None:
    rows = {name: edit for name, edit in TABLE.items() if edit.bundle == bundle}
    planned = set().union(*(plans[name].result() for name in rows))
    edited, fresh = finished.copy(tmp_path / "edited"), new_base(tmp_path / "fresh")
    for project in (edited, fresh):
        edit_project(project, *rows.values())
    before = benchmarks(edited)
    for project, target in ((edited, "all"), (fresh, "all"), (edited, "delete_unused")):
        project.completed(target)
    ran = {job for job, stamp in benchmarks(edited).items() if stamp != before.get(job)}
    assert planned <= ran
    assert count(ran - planned) == jobs(*(edit.then for edit in rows.values()))
    assert plan(edited.folder) == set()
    assert results(edited).keys() == results(fresh).keys()
    for name, path in results(edited).items():
        if not name.startswith(("logs/", "benchmarks/")):
            assert filecmp.cmp(path, results(fresh)[name], shallow=False), name


def test_a_third_of_the_rows_is_run() -> None:
    assert 3 * sum(edit.bundle is not None for edit in TABLE.values()) >= len(TABLE) >= 25


def test_rows_edit_every_key_of_the_config() -> None:
    models: dict[str, type[BaseModel]] = {
        "agents": Agent,
        "perturbations": Perturbation,
        "methods": Method,
        "clips": ClipFamily,
        "video": Video,
    }
    keys = set(Config.model_fields) - set(models)
    keys |= {f"{table}.{key}" for table, model in models.items() for key in model.model_fields}
    edited = {key.split("/")[0] for edit in CONFIG.values() for key in edit.config}
    for edit in CONFIG.values():
        for table, *path in (key.split("/") for key in edit.config):
            # `video/zoom`, but `clips/one/fps`; a whole entry that is replaced edits no key of its own.
            edited |= {f"{table}.{path[0]}"} if table == "video" else {f"{table}.{key}" for key in path[1:2]}
    assert keys - edited == set()


def test_edit_of_a_gradient_runs_it_again(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "project")
    edit_project(project, Edit({}, AS_GRADIENT))
    project.completed()
    assert plan(project.folder) == set()
    page = (project.folder / "results/clips/two/index.html").read_text()
    assert '"made_by": "gradient, of the advantage of the chosen action and of the value"' in page
    unused = project.snakemake("list_unused").stdout.split()
    assert sum(path.startswith("results/responses/breakout/seed-1/window/") for path in unused) == 3
    assert not any("differentiate" in path or path.startswith("results/saliency/") for path in unused)
    assert sum(path.startswith("results/logs/score/breakout/seed-1/occlusion/") for path in unused) == 3
    for key, value in (("of", "every_action"), ("gradient", "gradient_x_input")):
        edit_project(project, Edit({}, {**AS_GRADIENT, f"methods/occlusion/{key}": value}))
        assert count(plan(project.folder)) == SLOPES
    edit_project(project, Edit({}, AS_GRADIENT))
    commented(project.folder / "scripts/searchlight/saliency/gradients/smoothgrad.py")
    assert plan(project.folder) == set()
    commented(project.folder / "scripts/searchlight/saliency/gradients/gradient.py")
    assert count(plan(project.folder)) == SLOPES
    edit_project(project)
    assert count(plan(project.folder)) == TABLE["scorer"].jobs


def test_checkout_with_new_dates_plans_nothing(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "project")
    for path in project.folder.rglob("*"):
        if path.relative_to(project.folder).parts[0] not in ("results", ".snakemake"):
            path.touch()
    assert plan(project.folder) == set()


def test_edit_of_the_user_s_own_environment_plays_again(finished: Project, tmp_path: Path) -> None:
    project, edit = finished.copy(tmp_path / "project"), TABLE["env by the user's own module"]
    edit_project(project, edit)
    episode = "results/episodes/mine/seed-3.zarr.zip"
    project.completed(episode)
    assert "rollout" not in count(plan(project.folder))
    commented(project.folder / "my_envs.py")
    assert count(plan(project.folder))["rollout"] == 1
    project.completed(episode)
    assert "rollout" not in count(plan(project.folder))


def test_failed_job_is_planned_again_although_old_maps_exist(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "project")
    edit_project(project, TABLE["fill"])
    response = "results/responses/breakout/seed-1/window/1.zarr.zip"
    project.completed(response)
    (project.folder / response).unlink()  # as Snakemake does after a failure
    assert count(plan(project.folder)) == TABLE["fill"].jobs


def test_blocks_past_the_end_of_the_episode_are_unused(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "project")
    edit_project(project, Edit({}, {"clips/whole/max_steps": 40}))
    past, far = (f"results/responses/mine/seed-3/blur/{block}.zarr.zip" for block in (2, 5))
    for path in (past, far):
        (project.folder / path).touch()
    assert project.snakemake("list_unused").stdout.split() == [past, far]
    # The episode is newer than its length, so its length is unknown.
    (project.folder / "results/episodes/mine/seed-3.zarr.zip").touch()
    assert project.snakemake("list_unused").stdout.split() == [far]


def test_damaged_length_is_one_line(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "project")
    (project.folder / "results/episodes/mine/seed-3.length").write_text("")
    done = project.snakemake()
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    line = "results/episodes/mine/seed-3.length: damaged, delete it and run again (found '')"
    assert line in done.stderr.splitlines()
