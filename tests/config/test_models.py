"""The configuration: valid values are read, and each mistake gives one line."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from helpers.project import ROOT
from searchlight.config import reference
from searchlight.config.read import read_catalogue, read_config
from searchlight.errors import SearchlightError

CATALOGUE = ROOT / "config" / "catalogue.yaml"
DEFAULT = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def edited(*edits: tuple[str, Any]) -> dict[str, Any]:
    """Return the default config with values set at dotted keys."""
    config = copy.deepcopy(DEFAULT)
    for key, value in edits:
        *path, last = key.split("/")
        table = config
        for part in path:
            table = table[part]
        table[last] = value
    return config


def test_default_config_is_valid() -> None:
    settings = read_config(DEFAULT, CATALOGUE)
    assert settings.clips["demo"].methods == ("erase", "greydanus")
    assert settings.methods["erase"].scorer == {"SquaredDifference": {}}


@pytest.mark.parametrize(
    "preset", [p.name for p in sorted((ROOT / "config").glob("*.yaml")) if p.name != "catalogue.yaml"]
)
def test_preset_is_valid_over_the_default(preset: str) -> None:
    from snakemake.utils import update_config

    config = copy.deepcopy(DEFAULT)
    update_config(config, yaml.safe_load((ROOT / "config" / preset).read_text()))
    read_config(config, CATALOGUE)


@pytest.mark.parametrize(
    ("method", "read"),
    [
        ({}, "logits"),
        ({"output": None}, "logits"),
        ({"scorer": "SARFA"}, "log_probabilities"),
        ({"scorer": "KL", "temperature": 0.5}, "log_probabilities"),
        ({"scorer": "TotalVariation", "output": "probabilities"}, "probabilities"),
        ({"scorer": "RISE", "output": "chosen_action", "signed": True}, "chosen_action"),
    ],
    ids=str,
)
def test_output_is_that_of_the_scorer_or_logits(method: dict[str, Any], read: str) -> None:
    given = {**DEFAULT["methods"]["erase"], **method}
    assert read_config(edited(("methods/erase", given)), CATALOGUE).methods["erase"].output == read


def test_methods_of_q_networks_may_have_a_temperature_or_other_outputs() -> None:
    q_network = ("agents/breakout/network", "q_network")
    for key, value in (("output", "advantages"), ("output", "chosen_action"), ("scorer", "RISE")):
        read_config(edited(q_network, (f"methods/erase/{key}", value)), CATALOGUE)
    read_config(edited(q_network, ("methods/erase/scorer", "SARFA"), ("methods/erase/temperature", 0.1)), CATALOGUE)
    gradient = ("methods/erase", {"gradient": "gradient"})
    assert read_config(edited(q_network, gradient), CATALOGUE).methods["erase"].output is None
    # The other clip's method is not for the Q-network.
    other = {**DEFAULT["clips"]["demo"], "agent": "other", "methods": ["greydanus"]}
    agents = [("agents/other", {**DEFAULT["agents"]["breakout"], "network": "q_network"}), ("clips/other", other)]
    read_config(edited(*agents, ("methods/erase/scorer", "SARFA")), CATALOGUE)


def test_null_entry_is_left_out() -> None:
    extra = {**DEFAULT["clips"]["demo"], "frames": [0, 1]}
    settings = read_config(edited(("clips/other", extra), ("clips/demo", None)), CATALOGUE)
    assert list(settings.clips) == ["other"]


def test_lists_of_agents_and_seeds_give_a_clip_each() -> None:
    agents = {"a": DEFAULT["agents"]["breakout"], "b": DEFAULT["agents"]["breakout"]}
    lists = {"seeds": {"seed": [1, 2]}, "both": {"agent": ["a", "b"], "seed": [7]}, "agents": {"agent": ["b"]}}
    clips = {
        name: {"agent": "a", "seed": 3, "frames": [0, 1], "methods": ["erase"], **given}
        for name, given in lists.items()
    }
    settings = read_config(edited(("agents", agents), ("clips", clips)), CATALOGUE)
    assert {name: (clip.agent, clip.seed) for name, clip in settings.clips.items()} == {
        "seeds-seed-1": ("a", 1),
        "seeds-seed-2": ("a", 2),
        "both-a-seed-7": ("a", 7),
        "both-b-seed-7": ("b", 7),
        "agents-b": ("b", 3),
    }


@pytest.mark.parametrize(
    ("given", "frames"), [("all", (0, "end")), ([5, "end"], (5, "end")), ([0, "end"], (0, "end")), ([5, 9], (5, 9))]
)
def test_frames_to_the_end_of_the_episode(given: Any, frames: tuple[int, int | str]) -> None:
    settings = read_config(edited(("clips/demo/frames", given)), CATALOGUE)
    assert settings.clips["demo"].frames == frames


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ([], {}),
        (["memory"], {"memory": {"scales": [0.0, 0.5], "frames": None}}),
        ([{"Memory": {"scales": [1]}}], {"memory": {"scales": [1.0], "frames": None}}),
        ({"memory": {"frames": 7}}, {"memory": {"scales": [0.0, 0.5], "frames": 7}}),
    ],
    ids=str,
)
def test_measures_are_read(given: Any, read: dict[str, Any]) -> None:
    settings = read_config(edited(("clips/demo/measures", given)), CATALOGUE)
    assert settings.clips["demo"].measures == read


def test_clip_without_measures_has_none() -> None:
    clip = {name: value for name, value in DEFAULT["clips"]["demo"].items() if name != "measures"}
    assert read_config(edited(("clips/demo", clip)), CATALOGUE).clips["demo"].measures == {}


def test_overlay_replaces_measures() -> None:
    from snakemake.utils import update_config

    for measures in ([], [{"memory": {"frames": 5}}]):
        config = edited(("clips/demo/measures", ["memory", "objects"]))
        update_config(config, {"clips": {"demo": {"measures": measures}}})
        found = read_config(config, CATALOGUE).clips["demo"].measures
        assert [*found] == [name for one in measures for name in one]


def test_measures_that_need_no_objects_take_any_game() -> None:
    env = ("agents/breakout/env", "AssaultNoFrameskip-v4")
    read_config(edited(env, ("clips/demo/measures", ["memory"])), CATALOGUE)


def test_overlay_replaces_perturber_by_null() -> None:
    merged = {"SlidingWindow": None, "SlidingRadial": {"stride": [9, 9]}}
    settings = read_config(edited(("perturbations/erase/perturber", merged)), CATALOGUE)
    assert list(settings.perturbations["erase"].perturber) == ["SlidingRadial"]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("background", {"background": {"window": 200}}),
        ({"background": None}, {"background": {"window": 200}}),
        ({"background": 50}, {"background": {"window": 50}}),
        ({"background": "episode"}, {"background": {"window": "episode"}}),
        ({"Background": {"window": 50}}, {"background": {"window": 50}}),
        ({"blur": None, "background": 7}, {"background": {"window": 7}}),
        ({"blur": 3}, {"blur": {"sigma": 3}}),
        ("mean", {"mean": {}}),
        (0, {"level": {"value": 0}}),
        ({"level": 7}, {"level": {"value": 7}}),
        ([1, 2, 3], {"color": {"rgb": [1, 2, 3]}}),
        ({"color": [1, 2, 3]}, {"color": {"rgb": [1, 2, 3]}}),
    ],
    ids=str,
)
def test_fill_is_read(given: Any, read: Any) -> None:
    perturbation = read_config(edited((WINDOW + "/fill", given)), CATALOGUE).perturbations["erase"]
    assert perturbation.model_dump(mode="json")["fill"] == read


@pytest.mark.parametrize(
    ("video", "gamma"), [({}, 0.5), ({"style": "notebook"}, 1), ({"style": "notebook", "gamma": 0.7}, 0.7)], ids=str
)
def test_default_gamma_depends_on_style(video: dict[str, Any], gamma: float) -> None:
    settings = read_config(edited(("video", video)), CATALOGUE)
    assert settings.video.look()["gamma"] == gamma


@pytest.mark.parametrize(("zoom", "fps"), [(11, 61), (7, 120), (4, 240)])
def test_largest_playable_videos_are_allowed(zoom: int, fps: int) -> None:
    read_config(edited(("video/zoom", zoom), ("clips/demo/fps", fps)), CATALOGUE)


def test_digest_in_capitals_is_read() -> None:
    settings = read_config(edited(("agents/breakout/sha256", "AB" * 32)), CATALOGUE)
    assert settings.agents["breakout"].sha256 == "ab" * 32


def test_catalogue_completes_agent() -> None:
    agent = read_config(edited(("agents/breakout", {"checkpoint": "catalogue:baby-a3c-breakout-80"})), CATALOGUE)
    breakout = agent.agents["breakout"]
    assert (breakout.env, breakout.preprocessing) == ("Breakout-v4", "imresize")
    assert breakout.checkpoint.startswith("https://")
    assert breakout.sha256 == "af6c793df878de5021e95af93028e11107b9840b7c92d81f770574af32f4df77"


def test_user_overrides_catalogue() -> None:
    entry = {"checkpoint": "catalogue:baby-a3c-breakout-80", "env": "Breakout-v0", "actions": {"epsilon": 0.1}}
    agent = read_config(edited(("agents/breakout", entry)), CATALOGUE).agents["breakout"]
    assert (agent.env, agent.preprocessing) == ("Breakout-v0", "imresize")
    assert agent.model_dump(mode="json")["actions"] == {"epsilon": 0.1}


# Keys that the user gives, because this test needs no member of a registry.
GIVEN = {"preprocessing": "cv2", "network": "greydanus"}


@pytest.mark.parametrize("short", ["sb3:ppo/PongNoFrameskip-v4", "cleanrl:PongNoFrameskip-v4-dqn_atari-seed1"])
def test_short_form_fills_in_what_the_user_leaves_out(short: str) -> None:
    agents = {"filled": {"checkpoint": short, **GIVEN}, "own": {"checkpoint": short, "env": "Pong-v0", **GIVEN}}
    clip = {**DEFAULT["clips"]["demo"], "agent": list(agents)}
    settings = read_config(edited(("agents", agents), ("clips/demo", clip)), CATALOGUE)
    filled, own = settings.agents["filled"], settings.agents["own"]
    assert (filled.checkpoint, filled.env, own.env) == (short, "PongNoFrameskip-v4", "Pong-v0")
    assert (filled.preprocessing, filled.network) == ("cv2", "greydanus")


def test_catalogue_pins_all_known_digests() -> None:
    unpinned = [name for name, agent in read_catalogue(CATALOGUE).items() if agent.sha256 is None]
    assert unpinned == ["xaitk-breakout", "greydanus-breakout"]


WINDOW = "perturbations/erase"
MISTAKES: list[tuple[str, list[tuple[str, Any]], list[str]]] = [
    ("unknown top-level key", [("blocksize", 3)], ["blocksize: unknown key", "block_size, device, agents"]),
    ("unknown key of an agent", [("agents/breakout/colour", "red")], ["agents.breakout.colour: unknown key", "checkpoint, member"]),
    ("unknown key of a video", [("video/colour", "red")], ["video.colour: unknown key", "zoom"]),
    ("missing key", [("clips/demo", {"agent": "breakout", "methods": ["erase"]})], ["clips.demo.frames: missing, allowed: [first, last], [first, end] or all"]),
    ("block size zero", [("block_size", 0)], ["block_size: found 0", "greater than 0"]),
    ("block size of text", [("block_size", "many")], ["block_size: found 'many', allowed: a whole number"]),
    ("misspelt perturber", [(WINDOW + "/perturber", {"SlidingWindw": {}})], ["perturbations.erase.perturber: found 'SlidingWindw'", "RandomCells, RandomGrid, RISEGrid, SlidingRadial, SlidingWindow"]),
    ("unsupported perturber", [(WINDOW + "/perturber", {"MCRISEGrid": {"n": 1}})], ["found 'MCRISEGrid'", "allowed: RandomCells, RandomGrid"]),
    ("unknown argument", [(WINDOW + "/perturber", {"SlidingWindow": {"windowsize": [5, 5]}})], ["perturbations.erase.perturber: SlidingWindow.windowsize: unknown key, allowed: window_size, stride"]),
    ("wrong argument", [(WINDOW + "/perturber", {"SlidingWindow": {"stride": [0, 5]}})], ["SlidingWindow.stride: found [0, 5], allowed: [y, x], whole numbers greater than 0"]),
    ("method that is a number", [("clips/demo/methods", [5])], ["clips.demo.methods: found [5], allowed: a list of names of methods, at least one"]),
    ("no method", [("clips/demo/methods", [])], ["clips.demo.methods: found [], allowed: a list of names of methods, at least one"]),
    ("method that is no list", [("clips/demo/methods", "occlusion")], ["clips.demo.methods: found 'occlusion', allowed: a list of names"]),
    ("window of one number", [(WINDOW + "/perturber", {"SlidingWindow": {"window_size": 5}})], ["SlidingWindow.window_size: found 5, allowed: [y, x]"]),
    ("window of a list of one", [(WINDOW + "/perturber", {"SlidingWindow": {"window_size": [5]}})], ["SlidingWindow.window_size: found [5], allowed: [y, x]"]),
    ("window of three", [(WINDOW + "/perturber", {"SlidingWindow": {"window_size": [5, 5, 5]}})], ["SlidingWindow.window_size: found [5, 5, 5], allowed: [y, x]"]),
    ("missing argument", [(WINDOW + "/perturber", {"RISEGrid": {"n": 10}})], ["perturbations.erase.perturber: RISEGrid.s: missing (cells along each side)"]),
    ("arguments of the wrong form", [(WINDOW + "/perturber", {"SlidingWindow": [5, 5]})], ["found [5, 5] as the arguments of SlidingWindow"]),
    ("two perturbers", [(WINDOW + "/perturber", {"SlidingWindow": {}, "SlidingRadial": {}})], ["allowed: one name"]),
    ("misspelt scorer", [("methods/erase/scorer", "Occlusion")], ["methods.erase.scorer: found 'Occlusion'", "LIME, MCRISE, OcclusionScoring, RISE, RISEScoring, SARFA, SquaredDifference"]),
    ("unknown space", [(WINDOW + "/space", "pixels")], ["perturbations.erase.space: found 'pixels'", "'screen' or 'observation'"]),
    ("fill out of range", [(WINDOW + "/fill", 300)], ["perturbations.erase.fill: found 300"]),
    ("fill too bright for an observation", [("perturbations/blur/fill", 7)], ["perturbations.blur.fill: found 7", "0 to 1"]),
    ("colour in an observation", [("perturbations/blur/fill", [1, 2, 3])], ["perturbations.blur.fill: found the colour", "0 to 1"]),
    ("fractional level", [(WINDOW + "/fill", 0.5)], ["perturbations.erase.fill: found 0.5", "whole levels"]),
    ("fill of an unknown kind", [(WINDOW + "/fill", {"noise": 1})], ["perturbations.erase.fill: found", "{blur: sigma}"]),
    ("background of no decisions", [(WINDOW + "/fill", {"background": 0})], ["perturbations.erase.fill: found", "{background: decisions or episode}"]),
    ("background of another word", [(WINDOW + "/fill", {"background": "clip"})], ["perturbations.erase.fill: found", "background"]),
    ("two fills", [(WINDOW + "/fill", {"background": 9, "blur": 3})], ["perturbations.erase.fill: found", "background"]),
    ("fill by another name", [(WINDOW + "/fill", "median")], ["perturbations.erase.fill: found 'median', allowed: background, {background: decisions or episode}, {blur: sigma}, [red, green, blue], 0 to 255, or mean; one"]),
    ("cells that are never kept", [(WINDOW + "/perturber", {"RISEGrid": {"n": 10, "s": 8, "p1": 0}})], ["RISEGrid.p1: found 0", "greater than 0"]),
    ("cells that are always kept", [(WINDOW + "/perturber", {"RandomGrid": {"n": 10, "s": [8, 8], "p1": 1}})], ["RandomGrid.p1: found 1", "less than 1"]),
    ("arguments of our RISE", [("methods/erase/scorer", {"RISE": {"p1": 0.5}})], ["methods.erase.scorer: RISE.p1: unknown key, allowed: none"]),
    ("videos larger than hardware plays", [("video/zoom", 12)], ["video.zoom: found 12, allowed: 1 to 11 (hardware plays H.264 up to level 5.2, 36864 macroblocks a frame"]),
    ("videos faster than hardware plays", [("video/zoom", 11), ("clips/demo/fps", 120)], ["clips.demo.fps: found 120 with video.zoom 11, allowed: fps up to 61, or zoom up to 7 (hardware plays"]),
    ("another style", [("video/style", "neon")], ["video.style: found 'neon'", "'spotlight' or 'notebook'"]),
    ("gamma zero", [("video/gamma", 0)], ["video.gamma: found 0", "greater than 0"]),
    ("dangling agent", [("clips/demo/agent", "brekout")], ["clips.demo.agent: found 'brekout', allowed: breakout"]),
    ("method without scorer", [("methods/erase", {"perturbation": "erase"})], ["methods.erase.scorer: found none, allowed: a scorer, or a gradient in place of both"]),
    ("method of nothing", [("methods/erase", {})], ["methods.erase.perturbation: found none, allowed: a name from perturbations, or a gradient in place of both"]),
    ("method made in two ways", [("methods/erase/gradient", "gradient")], ["methods.erase.gradient: found it beside perturbation, scorer, allowed: without, which an overlay takes out by null"]),
    ("misspelt gradient", [("methods/more", {"gradient": "gradients"})], ["methods.more.gradient: found 'gradients', allowed: grad_cam, gradient, gradient_x_input, integrated_gradients, smoothgrad"]),
    ("argument of a gradient", [("methods/more", {"gradient": {"smoothgrad": {"sigma": 0}}})], ["methods.more.gradient: smoothgrad.sigma: found 0, allowed: greater than 0"]),
    ("base of a gradient", [("methods/more", {"gradient": {"integrated_gradients": {"base": "white"}}})], ["methods.more.gradient: integrated_gradients.base: found 'white', allowed: background", "0 to 255, or mean"]),
    ("base of the screen", [("methods/more", {"gradient": {"integrated_gradients": {"base": 9}}})], ["methods.more.gradient: integrated_gradients.base: found 9, allowed in observation space: 0 to 1"]),
    ("gradient of probabilities", [("methods/more", {"gradient": "gradient", "output": "probabilities"})], ["methods.more.gradient: found it beside output, allowed: without, which an overlay takes out by null"]),
    ("gradient at a temperature", [("methods/more", {"gradient": "gradient", "temperature": 2})], ["methods.more.gradient: found it beside temperature, allowed: without"]),
    ("gradient with a sign", [("methods/more", {"gradient": "gradient", "signed": True})], ["methods.more.signed: found true with the gradient gradient, allowed: with gradient_x_input or integrated_gradients"]),
    ("signed gradient of several actions", [("methods/more", {"gradient": "gradient_x_input", "of": "every_action", "signed": True})], ["methods.more.signed: found true with of 'every_action', allowed: with chosen_action"]),
    ("of without gradient", [("methods/erase/of", "every_action")], ["methods.erase.of: found 'every_action' without a gradient, allowed: with one"]),
    ("of what is not there", [("methods/more", {"gradient": "gradient", "of": "actions"})], ["methods.more.of: found 'actions', allowed: 'chosen_action' or 'every_action'"]),
    ("dangling method", [("clips/demo/methods", ["erase", "gray"])], ["clips.demo.methods: found 'gray', allowed: erase, greydanus"]),
    ("dangling perturbation", [("methods/erase/perturbation", "door")], ["methods.erase.perturbation: found 'door', allowed: erase, blur"]),
    ("frames backwards", [("clips/demo/frames", [9, 3])], ["clips.demo.frames: found [9, 3]", "first frame <= last frame"]),
    ("frames past max_steps", [("clips/demo/frames", [9, 3000])], ["clips.demo.frames: found [9, 3000]", "0 to 2999"]),
    ("one frame number", [("clips/demo/frames", [9])], ["clips.demo.frames: found [9], allowed: [first, last], [first, end] or all"]),
    ("frames of another word", [("clips/demo/frames", "every")], ["clips.demo.frames: found 'every', allowed: [first, last], [first, end] or all"]),
    ("an end that is misspelt", [("clips/demo/frames", [9, "last"])], ["clips.demo.frames: found [9, 'last']", "[first, end]"]),
    ("an open clip past max_steps", [("clips/demo/frames", [3000, "end"])], ["clips.demo.frames: found [3000, end]", "0 to 2999"]),
    ("no seeds", [("clips/demo/seed", [])], ["clips.demo.seed: found []", "or a list of such numbers"]),
    ("the same seed twice", [("clips/demo/seed", [1, 2, 1])], ["clips.demo.seed: found [1, 2, 1], allowed: each seed once"]),
    ("the same agent twice", [("clips/demo/agent", ["breakout", "breakout"])], ["clips.demo.agent: found", "each agent once"]),
    ("a dangling agent of several", [("clips/demo/agent", ["breakout", "pong"])], ["clips.demo.agent: found 'pong', allowed: breakout"]),
    ("agents in a table", [("clips/demo/agent", {"breakout": 1})], ["clips.demo.agent: found {'breakout': 1}", "a list of them"]),
    ("a family that makes a clip which is there", [("clips/demo/seed", [1, 2]), ("clips/demo-seed-2", DEFAULT["clips"]["demo"])], ["clips.demo-seed-2: found a second clip 'demo-seed-2'", "clips.demo has it"]),
    ("a family of two lengths of one episode", [("clips/demo/seed", [1, 2]), ("clips/more", {**DEFAULT["clips"]["demo"], "seed": 2, "max_steps": 2500})], ["clips.more.max_steps: found 2500, allowed: 3000, as clips.demo"]),
    ("negative frame", [("clips/demo/frames", [-1, 5])], ["clips.demo.frames: found [-1, 5]"]),
    ("the same method twice", [("clips/demo/methods", ["erase", "erase"])], ["clips.demo.methods: found", "each method once"]),
    ("measures that are no list", [("clips/demo/measures", "memory")], ["clips.demo.measures: found 'memory', allowed: a list of measures, each `NAME` or `{NAME: {argument: value}}`"]),
    ("measures of nothing", [("clips/demo/measures", None)], ["clips.demo.measures: found None, allowed: a list of measures"]),
    ("unknown measure", [("clips/demo/measures", ["memory", "beauty"])], ["clips.demo.measures: found 'beauty', allowed: ", "memory"]),
    ("the same measure twice", [("clips/demo/measures", ["memory", {"Memory": {"frames": 3}}])], ["clips.demo.measures: found 'memory' twice, allowed: each measure once"]),
    ("two measures in one entry", [("clips/demo/measures", [{"memory": {}, "objects": {}}])], ["clips.demo.measures: found {'memory': {}, 'objects': {}}, allowed: one name, or one name with its arguments"]),
    ("unknown argument of a measure", [("clips/demo/measures", [{"memory": {"frame": 9}}])], ["clips.demo.measures: memory.frame: unknown key, allowed: scales, frames"]),
    ("wrong argument of a measure", [("clips/demo/measures", [{"memory": {"frames": 0}}])], ["clips.demo.measures: memory.frames: found 0, allowed: greater than 0"]),
    ("infinite scale of the memory", [("clips/demo/measures", [{"memory": {"scales": [float("inf")]}}])], ["clips.demo.measures: memory.scales: found [inf], allowed: a list of numbers from 0 to 1000, at least one"]),
    ("objects of a game that is not known", [("agents/breakout/env", "AssaultNoFrameskip-v4"), ("clips/demo/measures", ["memory", "objects"])], ["clips.demo.measures: found objects for agents.breakout, which plays Assault, allowed: objects for boxing, breakout"]),
    ("objects of a game of one of several agents", [("agents/other", {**DEFAULT["agents"]["breakout"], "env": "ALE/Assault-v5"}), ("clips/demo/agent", ["breakout", "other"]), ("clips/demo/measures", ["objects"])], ["clips.demo.measures: found objects for agents.other, which plays Assault"]),
    ("no clips", [("clips/demo", None)], ["clips: found {}, allowed: at least 1 entry"]),
    ("two lengths of one episode", [("clips/more", {**DEFAULT["clips"]["demo"], "max_steps": 2500})], ["clips.more.max_steps: found 2500, allowed: 3000, as clips.demo"]),
    ("name with a slash", [("clips/a b", DEFAULT["clips"]["demo"])], ["clips: found the name 'a b'", "letters, digits"]),
    ("name with a space", [("agents/my agent", DEFAULT["agents"]["breakout"])], ["agents: found the name 'my agent'"]),
    ("name of dots", [("methods/..", DEFAULT["methods"]["erase"])], ["methods: found the name '..'"]),
    ("digest of the wrong form", [("agents/breakout/sha256", "abc")], ["agents.breakout.sha256: found 'abc'", "64 hex digits"]),
    ("plain http", [("agents/breakout/checkpoint", "http://example.org/a.tar")], ["agents.breakout.checkpoint: found 'http://example.org/a.tar' without sha256, allowed: https://"]),
    ("another scheme", [("agents/breakout/checkpoint", "ftp://example.org/a.tar")], ["agents.breakout.checkpoint: found 'ftp://example.org/a.tar', allowed: https://"]),
    ("bundled path", [("agents/breakout/checkpoint", "bundled:../../etc/passwd")], ["agents.breakout.checkpoint: found 'bundled:../../etc/passwd'"]),
    ("hub without a repository", [("agents/breakout/checkpoint", "hub:agent")], ["agents.breakout.checkpoint: found 'hub:agent', allowed: hub:ORG/NAME, hub:ORG/NAME/FILE, hub:ORG/NAME@REVISION/FILE"]),
    ("hub with a file outside", [("agents/breakout/checkpoint", "hub:me/agent/../x")], ["agents.breakout.checkpoint: found 'hub:me/agent/../x', allowed: hub:ORG/NAME"]),
    ("zoo without an algorithm", [("agents/breakout/checkpoint", "sb3:Pong-v4")], ["agents.breakout.checkpoint: found 'sb3:Pong-v4', allowed: sb3:ALGORITHM/ENV such as sb3:ppo/"]),
    ("CleanRL without a seed", [("agents/breakout/checkpoint", "cleanrl:Pong-v4-dqn_atari")], ["agents.breakout.checkpoint: found 'cleanrl:Pong-v4-dqn_atari', allowed: cleanrl:ENV-SCRIPT-seedN"]),
    ("CleanRL in JAX", [("agents/breakout", {"checkpoint": "cleanrl:Pong-v4-dqn_atari_jax-seed1"})], ["agents.breakout.checkpoint: found 'cleanrl:Pong-v4-dqn_atari_jax-seed1', whose weights are of JAX"]),
    ("hub without an environment", [("agents/breakout", {"checkpoint": "hub:me/agent"})], ["agents.breakout.env: missing"]),
    ("unknown entry of the catalogue", [("agents/breakout/checkpoint", "catalogue:pong")], ["agents.breakout.checkpoint: found 'catalogue:pong'", "baby-a3c-breakout-40"]),
    ("unknown preprocessing", [("agents/breakout/preprocessing", "grey")], ["agents.breakout.preprocessing: found 'grey'", "allowed: cleanrl, cv2, gymnasium, imresize, rgb, sb3"]),
    ("size of a picture that no screen has", [("agents/breakout/preprocessing", {"sb3": {"size": 161}})], ["sb3.size: found 161, allowed: less than or equal to 160"]),
    ("size of a picture too small", [("agents/breakout/preprocessing", {"sb3": {"size": 20}})], ["sb3.size: found 20, allowed: greater than or equal to 21"]),
    ("unknown padding", [("agents/breakout/preprocessing", {"gymnasium": {"padding": "reset"}})], ["gymnasium.padding: found 'reset', allowed: 'first' or 'zeros'"]),
    ("no environment", [("agents/breakout/env", None)], ["agents.breakout.env: missing"]),
    ("environment that is gone", [("agents/breakout/env", "PongDeterministic-v4")], ["agents.breakout.env: found 'PongDeterministic-v4', which ale-py no longer has, allowed: {id: ALE/Pong-v5, frameskip: 4"]),
    ("environment with a window", [("agents/breakout/env", {"id": "ALE/Pong-v5", "render_mode": "human"})], ["agents.breakout.env: ALE/Pong-v5.render_mode: unknown key, allowed: id, frameskip"]),
    ("frame skip of another form", [("agents/breakout/env", {"id": "ALE/Pong-v5", "frameskip": "4"})], ["env: ALE/Pong-v5.frameskip: found '4', allowed: a whole number greater than 0, or a range such as [2, 5]"]),
    ("frame skip that is no range", [("agents/breakout/env", {"id": "ALE/Pong-v5", "frameskip": [5, 2]})], ["env: ALE/Pong-v5.frameskip: found [5, 2], allowed: [least, one more than the most]"]),
    ("environment that is a list", [("agents/breakout/env", ["ALE/Pong-v5"])], ["agents.breakout.env: found ['ALE/Pong-v5'], allowed: a gymnasium id, or {id: …, argument: value}"]),
    ("unknown wrappers", [("agents/breakout/wrappers", "openai")], ["agents.breakout.wrappers: found 'openai', allowed: cleanrl, gymnasium, none, sb3"]),
    ("unknown argument of wrappers", [("agents/breakout/wrappers", {"sb3": {"noops": 3}})], ["agents.breakout.wrappers: sb3.noops: unknown key, allowed: noop_max, frame_skip"]),
    ("argument of wrappers that is a text", [("agents/breakout/wrappers", {"sb3": {"terminal_on_life_loss": "no"}})], ["sb3.terminal_on_life_loss: found 'no', allowed: true or false"]),
    ("unknown actions", [("agents/breakout/actions", "random")], ["agents.breakout.actions: found 'random', allowed: greedy, sampled or {epsilon: 0.05}"]),
    ("chance over one", [("agents/breakout/actions", {"epsilon": 5})], ["agents.breakout.actions: found {'epsilon': 5}, allowed: greedy, sampled or {epsilon: 0.05}"]),
    ("colour by name", [("video/actor", "blue")], ["video.actor: found 'blue'", "#rrggbb"]),
    ("seed that is a truth value", [("clips/demo/seed", True)], ["clips.demo.seed: found True"]),
    ("block size that is a truth value", [("block_size", True)], ["block_size: found True, allowed: a whole number"]),
    ("block size in quotes", [("block_size", "32")], ["block_size: found '32'"]),
    ("frames in quotes", [("clips/demo/frames", ["1", 5])], ["clips.demo.frames: found ['1', 5]"]),
    ("fps that is a truth value", [("clips/demo/fps", True)], ["clips.demo.fps: found True, allowed: a number"]),
    ("fps of nearly nothing", [("clips/demo/fps", 0.0001)], ["clips.demo.fps: found 0.0001"]),
    ("another output", [("methods/erase/output", "odds")], ["methods.erase.output: found 'odds', allowed: 'logits', 'log_probabilities', 'probabilities', 'advantages' or 'chosen_action'"]),
    ("output of a scorer with its own", [("methods/erase/scorer", "SARFA"), ("methods/erase/output", "logits")], ["methods.erase.output: found 'logits', allowed: log_probabilities, which SARFA compares, or no output"]),
    ("temperature without probabilities", [("methods/erase/temperature", 2)], ["methods.erase.temperature: found 2 with the output 'logits', allowed: with log_probabilities or probabilities"]),
    ("temperature zero", [("methods/erase/output", "probabilities"), ("methods/erase/temperature", 0)], ["methods.erase.temperature: found 0", "greater than 0"]),
    ("probabilities of a Q-network", [("agents/breakout/network", "q_network"), ("methods/erase/scorer", "KL")], ["methods.erase.temperature: found none with the output 'log_probabilities' of agents.breakout, a Q-network, allowed: a number greater than 0"]),
    ("signed maps of a scorer without a sign", [("methods/erase/signed", True)], ["methods.erase.signed: found true with the scorer SquaredDifference, allowed: with LIME, OcclusionScoring or RISE"]),
    ("signed maps of a plug-in of xaitk", [("methods/erase/scorer", {"RISEScoring": 0.5}), ("methods/erase/output", "chosen_action"), ("methods/erase/signed", True)], ["methods.erase.signed: found true with the scorer RISEScoring"]),
    ("signed maps of several outputs", [("methods/erase/scorer", "OcclusionScoring"), ("methods/erase/signed", True)], ["methods.erase.signed: found true with the output 'logits', allowed: with chosen_action"]),
    ("LIME with other masks", [("methods/erase/scorer", "LIME")], ["methods.erase.scorer: found LIME with the perturber SlidingWindow of perturbations.erase, allowed: with RandomCells"]),
    ("infinite gain", [("methods/erase/gain", float("inf"))], ["methods.erase.gain: found inf"]),
    ("infinite blur", [("perturbations/blur/fill", {"blur": float("inf")})], ["perturbations.blur.fill: found"]),
    ("colour of fractions", [(WINDOW + "/fill", [0.5, 10, 3])], ["perturbations.erase.fill: found 0.5", "whole levels"]),
    ("argument that is a truth value", [(WINDOW + "/perturber", {"SlidingWindow": {"stride": [True, 5]}})], ["SlidingWindow.stride: found [True, 5], allowed: [y, x]"]),
    ("arguments with a number for a name", [(WINDOW + "/perturber", {"SlidingWindow": {1: 2}})], ["as the arguments of SlidingWindow"]),
    ("an entry that is no table", [("clips/demo", 5)], ["clips.demo: found 5, allowed: a table"]),
    ("a missing key without a fixed form", [("perturbations/erase", {"space": "screen"})], ["perturbations.erase.perturber: missing (which patches are hidden"]),
    ("a name that is a number", [("methods/erase/perturbation", 5)], ["methods.erase.perturbation: found 5, allowed: at most 64 letters"]),
    ("a table that is a list", [("clips", ["demo"])], ["clips: found ['demo'], allowed: a table"]),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "fragments"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_mistake_is_one_line(edits: list[tuple[str, Any]], fragments: list[str]) -> None:
    with pytest.raises(SearchlightError) as caught:
        read_config(edited(*edits), CATALOGUE)
    text = str(caught.value)
    assert text.startswith("config: ")
    assert "\n" not in text
    for fragment in fragments:
        assert fragment in text


SEVERAL: list[tuple[str, list[tuple[str, Any]], list[str]]] = [
    ("of fields", [("video/zoom", 99), ("clips/demo/fps", 0), ("block_size", 0)], ["block_size", "clips.demo.fps", "video.zoom"]),
    ("of fields that depend on others", [("clips/demo/seed", [1, 1]), ("clips/demo/frames", [9, 3])], ["clips.demo.seed", "clips.demo.frames"]),
    ("between tables", [("clips/demo/methods", ["a", "b"]), ("clips/demo/agent", "c"), ("methods/erase/perturbation", "d")], ["methods.erase.perturbation", "clips.demo.agent", "clips.demo.methods"]),
    ("videos too fast", [("video/zoom", 11), ("clips/demo/fps", 120), ("clips/more", {**DEFAULT["clips"]["demo"], "fps": 240})], ["clips.demo.fps", "clips.more.fps"]),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "keys"), [row[1:] for row in SEVERAL], ids=[row[0] for row in SEVERAL])
def test_each_key_with_a_mistake_has_one_line(edits: list[tuple[str, Any]], keys: list[str]) -> None:
    with pytest.raises(SearchlightError) as caught:
        read_config(edited(*edits), CATALOGUE)
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == keys


def test_reference_and_schema_are_fresh() -> None:
    stale = "stale: run `make docs`"
    assert reference.REFERENCE.read_text(encoding="utf-8") == reference.render_reference(), stale
    assert reference.SCHEMA.read_text(encoding="utf-8") == reference.render_schema(), stale


def test_reference_names_every_key() -> None:
    text = reference.render_reference()
    for table in (DEFAULT, *DEFAULT["agents"].values(), *DEFAULT["clips"].values(), DEFAULT["video"]):
        for key in table:
            assert f"`{key}`" in text
