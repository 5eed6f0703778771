"""Members of registries that a job depends on."""

from __future__ import annotations

import copy

import yaml
from helpers.project import ROOT
from searchlight.config.members import members_of
from searchlight.config.models import Settings
from searchlight.config.read import read_config
from searchlight.fingerprint import digest_of_code

DEFAULT = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def settings(**agent: str | None) -> Settings:
    config = copy.deepcopy(DEFAULT)
    config["agents"]["breakout"] |= agent
    return read_config(config, ROOT / "config" / "catalogue.yaml")


def test_members_are_those_that_the_config_names() -> None:
    of_agent = {
        "measures": [],
        "agents/networks": ["greydanus"],
        "agents/preprocessings": ["cv2"],
        "agents/wrappers": ["none"],
        "measures/games": ["Breakout"],
    }
    assert members_of(settings(), "breakout") == of_agent
    of_perturbation = {**of_agent, "saliency/fills": ["blur"], "saliency/perturbers": ["SlidingRadial"]}
    assert members_of(settings(), "breakout", perturbation="blur") == of_perturbation
    of_method = {**of_perturbation, "saliency/scorers": ["SquaredDifference"]}
    assert members_of(settings(), "breakout", method="greydanus") == of_method
    assert members_of(settings(network=None), "breakout")["agents/networks"] is None
    assert members_of(settings(), None) == {"measures": []}
    assert members_of(settings(), None, measures_named=["memory"]) == {"measures": ["memory"]}
    own = settings(env="my_envs:Mine-v0")
    assert members_of(own, "breakout")["measures/games"] is None


def test_members_of_a_gradient_are_itself_and_the_fill_of_its_base() -> None:
    config = copy.deepcopy(DEFAULT)
    config["methods"] |= {"ig": {"gradient": {"integrated_gradients": {"base": 0}}}, "plain": {"gradient": "gradient"}}
    read = read_config(config, ROOT / "config" / "catalogue.yaml")
    found = {name: members_of(read, None, method=name) for name in ("ig", "plain")}
    assert found == {
        "ig": {"measures": [], "saliency/gradients": ["integrated_gradients"], "saliency/fills": ["level"]},
        "plain": {"measures": [], "saliency/gradients": ["gradient"], "saliency/fills": []},
    }


def test_fill_is_code_of_perturb_and_scorer_of_score() -> None:
    def differ(script: str, folder: str, one: str, other: str) -> bool:
        path = ROOT / "scripts" / f"{script}.py"
        return digest_of_code(path, {folder: [one]}) != digest_of_code(path, {folder: [other]})

    assert differ("perturb", "saliency/fills", "blur", "mean")
    assert differ("perturb", "saliency/perturbers", "RISEGrid", "RandomGrid")
    assert differ("score", "saliency/perturbers", "RISEGrid", "RandomGrid")
    assert differ("score", "saliency/scorers", "RISE", "RISEScoring")
    assert not differ("perturb", "saliency/scorers", "RISE", "RISEScoring")
    assert not differ("score", "saliency/fills", "blur", "mean")
    assert differ("differentiate", "saliency/gradients", "gradient", "grad_cam")
    assert differ("differentiate", "saliency/fills", "blur", "mean")
    assert not differ("differentiate", "saliency/scorers", "RISE", "RISEScoring")
    assert not differ("perturb", "saliency/gradients", "gradient", "grad_cam")
    assert not differ("collect", "saliency/scorers", "RISE", "RISEScoring")
    assert not differ("render", "saliency/fills", "blur", "mean")
