"""Plans: paths, settings and lineages that follow from names and the config."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from helpers.project import ROOT
from searchlight.config.plan import Names, Plan
from searchlight.config.read import read_config
from searchlight.errors import SearchlightError

DEFAULT = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def plan_of(**edits: Any) -> Plan:
    """Return the plan of the default config with edited tables."""
    config = copy.deepcopy(DEFAULT)
    for table, entries in edits.items():
        config[table] |= entries
    plan = Plan(read_config(config, ROOT / "config" / "catalogue.yaml"), ROOT / "scripts")
    plan.tracked("rollout", episode=plan.setting("episodes/{agent}/{seed}"))
    plan.tracked("background", after=["rollout"], only_with="window", window=plan.setting("windows/{window}"))
    plan.tracked("perturb", after=["rollout", "background"], given=plan.setting("perturbations/{perturbation}"))
    plan.tracked("score", after=["perturb"], only_with="perturbation", scorer=plan.setting("methods/{method}/scorer"))
    of = plan.setting("methods/{method}/of")
    plan.tracked("differentiate", after=["rollout", "background"], only_with="gradient", of=of)
    without = ["method", "perturbation", "gradient", "window"]
    measure = plan.setting("measured/{clip}/{measure}")
    before = ["rollout", "background"]
    plan.tracked("measure_clip", after=before, only_with="of_clip", without=without, measure=measure)
    plan.tracked("page", after=["score", "differentiate"], gains=plan.setting("methods/{method}/gain"))
    return plan


def test_names_of_path_are_completed_from_config() -> None:
    plan = plan_of()
    assert plan.names({"clip": "demo", "method": "erase"}) == Names(
        "demo", "breakout", "15", "erase", "erase", "200", measured="demo"
    )
    assert plan.names({"agent": "breakout", "seed": "15", "perturbation": "blur"}) == Names(
        None, "breakout", "15", None, "blur", None
    )


@pytest.mark.parametrize(("base", "window"), [("background", "200"), ({"background": 9}, "9"), (0, None)])
def test_gradient_needs_the_background_of_its_base_and_no_perturbation(base: Any, window: str | None) -> None:
    plan = plan_of(methods={"ig": {"gradient": {"integrated_gradients": {"base": base}}}})
    names = plan.names({"agent": "breakout", "seed": "15", "method": "ig"})
    assert names == Names(None, "breakout", "15", "ig", None, window, "integrated_gradients")
    assert plan.paths("r/{window}", names) == ([] if window is None else [f"r/{window}"])
    assert plan.paths("r/{perturbation}", names) == []


def test_methods_of_both_kinds_have_maps_by_one_rule_each() -> None:
    methods = ["erase", "ig"]
    plan = plan_of(
        methods={"ig": {"gradient": "gradient"}}, clips={"demo": {**DEFAULT["clips"]["demo"], "methods": methods}}
    )
    names = plan.names({"clip": "demo"})
    assert plan.paths("r/{method}", names) == ["r/erase", "r/ig"]
    assert plan.paths("r/{method}", names, rule="score") == ["r/erase"]
    assert plan.paths("r/{method}", names, rule="differentiate") == ["r/ig"]
    assert plan.paths("r/{method}", names, rule="another workflow's") == ["r/erase", "r/ig"]


def test_lineage_of_page_follows_each_method_by_its_own_rule() -> None:
    def lineage(of: str, scorer: str) -> str:
        methods = {"ig": {"gradient": "gradient", "of": of}, "erase": {**DEFAULT["methods"]["erase"], "scorer": scorer}}
        clips = {"demo": {**DEFAULT["clips"]["demo"], "methods": ["erase", "ig"]}}
        plan = plan_of(methods=methods, clips=clips)
        return plan.lineage("page", plan.names({"clip": "demo"}))

    given = [("chosen_action", "RISE"), ("every_action", "RISE"), ("chosen_action", "SquaredDifference")]
    assert len({lineage(*one) for one in given}) == 3


def test_measure_names_its_parts_and_what_they_use() -> None:
    plan = plan_of(clips={"demo": {**DEFAULT["clips"]["demo"], "measures": ["memory", "objects", "faithfulness"]}})
    names = {one: plan.names({"clip": "demo", "measure": one}) for one in ("memory", "objects", "faithfulness")}
    assert [one.of_clip for one in names.values()] == ["memory", "objects", "faithfulness"]
    assert [one.of_method for one in names.values()] == [None, "objects", "faithfulness"]
    assert [one.uses_frames for one in names.values()] == ["demo", "demo", None]
    assert [one.window for one in names.values()] == [None, None, "200"]
    of_method = [plan.names({"clip": "demo", "method": "greydanus", "measure": one}) for one in names]
    assert [one.uses_maps for one in of_method] == [None, "greydanus", None]
    assert [one.window for one in of_method] == [None, None, None]
    whole = plan.names({"clip": "demo"})
    assert plan.paths("r/{measure}", whole) == ["r/memory", "r/objects", "r/faithfulness"]
    assert plan.paths("r/{method}/{of_method}", whole) == [
        *("r/erase/objects", "r/greydanus/objects", "r/erase/faithfulness", "r/greydanus/faithfulness"),
    ]
    assert plan.paths("r/{window}", names["faithfulness"]) == ["r/200"]
    assert plan.paths("r/{window}", names["memory"]) == []
    assert set(plan.paths("r/{window}", whole)) == {"r/200"}


def test_part_of_a_clip_has_one_lineage_whatever_method_asks_for_it() -> None:
    def lineages(base: str) -> set[str]:
        methods = {"erase": DEFAULT["methods"]["erase"], "ig": {"gradient": {"integrated_gradients": {"base": base}}}}
        clip = {**DEFAULT["clips"]["demo"], "methods": ["erase", "ig"], "measures": ["faithfulness"]}
        plan = plan_of(methods=methods, clips={"demo": clip})
        asking: list[dict[str, str]] = [{}, {"method": "erase"}, {"method": "ig"}]
        return {
            plan.lineage("measure_clip", plan.names({"clip": "demo", "measure": "faithfulness", **one}))
            for one in asking
        }

    assert len(lineages("background")) == 1
    assert lineages("background") == lineages("mean")


def test_clip_without_measures_has_no_paths_of_them() -> None:
    plan = plan_of(clips={"demo": {**DEFAULT["clips"]["demo"], "measures": []}})
    assert plan.paths("r/{measured}", plan.names({"clip": "demo"})) == []
    assert plan.paths("r/{measure}", plan.names({"clip": "demo"})) == []


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("r/{agent}/seed-{seed}.zip", ["r/breakout/seed-15.zip"]),
        ("r/{clip}/{method}.zip", ["r/demo/erase.zip", "r/demo/greydanus.zip"]),
        ("r/{method}/{block}", ["r/erase/7", "r/erase/8", "r/greydanus/7", "r/greydanus/8"]),
        ("r/{window}", ["r/200"]),
        ("r/{layer}", ["r/actor", "r/critic", "r/both", "r/side-by-side"]),
    ],
)
def test_clip_has_path_for_each_method_block_and_layer(pattern: str, found: list[str]) -> None:
    plan = plan_of()
    assert plan.paths(pattern, plan.names({"clip": "demo"}), blocks=[7, 8]) == found


def test_method_setting_is_list_for_clip_and_one_value_for_method() -> None:
    gains = plan_of().setting("methods/{method}/gain")
    assert gains(plan_of().names({"clip": "demo"})) == [1, 1]
    assert gains(plan_of().names({"clip": "demo", "method": "erase"})) == 1


def test_episode_of_no_clip_is_one_line() -> None:
    plan = plan_of()
    with pytest.raises(SearchlightError, match=r"^config: found nothing for agent 'breakout', seed '16'$"):
        plan.setting("episodes/{agent}/{seed}")(plan.names({"agent": "breakout", "seed": "16"}))


def test_params_are_values_and_functions_of_wildcards() -> None:
    plan = plan_of()
    params = plan.tracked("render", after=["score"], zoom=4, scale=plan.setting("methods/{method}/scale"))
    wildcards = {"clip": "demo", "method": "greydanus"}
    assert params["zoom"] == 4
    assert params["scale"](wildcards) == "clip"
    assert params["lineage"](wildcards) == plan.lineage("render", plan.names(wildcards))


WINDOW = {"space": "screen", "perturber": {"SlidingWindow": {"window_size": [9, 9], "stride": [4, 4]}}}


@pytest.mark.parametrize(
    ("edits", "changed"),
    [
        ({"video": {"zoom": 2}}, {}),
        ({"methods": {"erase": {**DEFAULT["methods"]["erase"], "scorer": "RISE"}}}, {"score", "page"}),
        ({"methods": {"erase": {**DEFAULT["methods"]["erase"], "gain": 2}}}, {"page"}),
        ({"perturbations": {"erase": {**WINDOW, "fill": "background"}}}, {"perturb", "score", "page"}),
        (
            {"perturbations": {"erase": {**DEFAULT["perturbations"]["erase"], "fill": {"background": 9}}}},
            {"background", "perturb", "score", "page"},
        ),
        (
            {"clips": {"demo": {**DEFAULT["clips"]["demo"], "max_steps": 2900}}},
            {"rollout", "background", "perturb", "score", "page"},
        ),
    ],
)
def test_lineage_changes_with_upstream_settings_alone(edits: Any, changed: set[str]) -> None:
    before, after = plan_of(), plan_of(**edits)
    names = {"clip": "demo", "method": "erase"}

    def differs(rule: str) -> bool:
        given = {"clip": "demo"} if rule == "page" else names
        return before.lineage(rule, before.names(given)) != after.lineage(rule, after.names(given))

    assert {rule for rule in ("rollout", "background", "perturb", "score", "page") if differs(rule)} == set(changed)


def test_lineage_of_rule_is_the_same_for_every_job() -> None:
    plan = plan_of()
    of_block = plan.names({"agent": "breakout", "seed": "15", "method": "erase"})
    assert plan.lineage("score", of_block) == plan.lineage("score", plan.names({"clip": "demo", "method": "erase"}))


def test_perturbation_without_background_does_not_depend_on_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    code = {"background": "before"}
    monkeypatch.setattr("searchlight.config.plan.digest_of_code", lambda path, members: code.get(path.stem, "same"))

    def lineages() -> list[str]:
        plan = plan_of()
        return [
            plan.lineage("perturb", plan.names({"clip": "demo", "method": name})) for name in ("erase", "greydanus")
        ]

    erase, greydanus = lineages()
    code["background"] = "after"
    assert [one == other for one, other in zip(lineages(), (erase, greydanus), strict=True)] == [False, True]


def test_page_depends_on_which_method_has_which_maps() -> None:
    erase, greydanus = DEFAULT["methods"]["erase"], DEFAULT["methods"]["greydanus"]
    plans = plan_of(), plan_of(methods={"erase": greydanus, "greydanus": erase})
    names = [plan.names({"clip": "demo"}) for plan in plans]
    assert plans[0].lineage("page", names[0]) != plans[1].lineage("page", names[1])
