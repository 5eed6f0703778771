"""Networks in a config: their forms, their arguments, and what a checkpoint's file tells beside its tensors."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from helpers.checkpoints import network
from helpers.networks import SB3, arrays, new_nature, policy_of
from helpers.project import ROOT
from helpers.sb3 import new_agent
from searchlight import registry
from searchlight.agents import networks
from searchlight.errors import SearchlightError


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("Greydanus", "greydanus"),
        ({"greydanus": None}, "greydanus"),
        ("QNetwork", "q_network"),
        ({"nature": {}}, "nature"),
        ({"Nature": {"strides": [2, 1]}}, {"nature": {"strides": [2, 1]}}),
        ({"nature": {"strides": [2]}, "greydanus": None}, {"nature": {"strides": [2]}}),
    ],
    ids=str,
)
def test_forms_are_read_alike_and_keep_what_is_given(given: Any, read: Any) -> None:
    assert networks.check(given) == read
    assert networks.check(read) == read


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("resnet", "found 'resnet', allowed: greydanus, impala, nature, q_network"),
        ({"greydanus": {"width": 3}}, "greydanus.width: Extra inputs"),
        ({"nature": {"strides": [0]}}, "nature.strides: found [0], allowed: a list of whole numbers greater than 0"),
        ({"nature": {"activation": "swish"}}, "nature.activation: Input should be 'relu'"),
        (["nature"], "found ['nature'], allowed: one name"),
    ],
    ids=str,
)
def test_mistake_is_one_line(given: Any, line: str) -> None:
    with pytest.raises(SearchlightError) as refused:
        networks.check(given)
    assert str(refused.value).startswith(line)


def test_found_network_has_the_file_s_facts_unless_the_config_says_otherwise() -> None:
    shapes = {name: array.shape for name, array in arrays(new_agent("PPO").policy).items()}
    facts = {**SB3, "algorithm": "actor_critic", "activation": "elu", "normalize_images": False}
    found = networks.find(shapes, facts, "weights.pt")
    assert found == {
        "nature": {"strides": None, "paddings": None, "activation": "relu", "mlp_activation": "elu", "scale": 255.0}
    }
    named = {"nature": {"mlp_activation": "tanh", "scale": 1}}
    found = networks.find(shapes, facts, "weights.pt", named)
    assert isinstance(found, dict)
    assert (found["nature"]["mlp_activation"], found["nature"]["scale"]) == ("tanh", 1.0)


def test_network_without_arguments_is_its_name_as_before() -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in network().items()}
    assert networks.find(shapes, {}, "weights.pt") == "greydanus"
    assert networks.find(shapes, {}, "weights.pt", "greydanus") == "greydanus"
    assert networks.fits(shapes)
    assert not networks.fits(shapes, "nature")


def test_activation_that_no_layer_can_have_is_asked_for_only_where_it_is_needed() -> None:
    facts = {**SB3, "algorithm": "actor_critic", "activation": "softshrink"}
    assert policy_of(arrays(new_agent("PPO").policy), facts).actions == 4
    with pytest.raises(SearchlightError, match=r"mlp_extractor\.policy_net\.0 is followed by an activation"):
        policy_of(arrays(new_agent("PPO", net_arch=[3]).policy), facts)


def test_each_kind_of_weights_fits_one_network_alone() -> None:
    kinds = [new_agent("PPO"), new_agent("RecurrentPPO"), new_agent("DQN"), new_agent("QRDQN")]
    each = [{name: array.shape for name, array in arrays(agent.policy).items()} for agent in kinds]
    each.append({name: tuple(tensor.shape) for name, tensor in network().items()})
    names = registry.names(networks.FOLDER)
    assert [[name for name in names if networks.fits(shapes, name)] for shapes in each] == [
        ["nature"],
        ["nature"],
        ["q_network"],
        ["q_network"],
        ["greydanus"],
    ]


def test_check_of_arguments_needs_no_torch() -> None:
    code = "import sys; from searchlight import registry; from searchlight.agents import networks; "
    code += "networks.check({'nature': {'strides': [4]}}); networks.check({'q_network': {'quantiles': 9}}); "
    code += "registry.members(networks.FOLDER); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "scripts")},
    )
    assert done.stdout.split() == ["False"]


def test_file_names_observations_that_its_network_takes() -> None:
    policy = policy_of(new_nature("sb3", (210, 160), 3))
    networks.check_takes(policy, [4, 84, 84], "weights.zip")
    refused = "does not take the observations of shape"
    for shape, said in (([1, 84, 84], refused), ([4, 64, 64], refused), ([9, 9999, 9999], "allowed: up to")):
        with pytest.raises(SearchlightError, match=rf"^weights\.zip: .*{said}"):
            networks.check_takes(policy, shape, "weights.zip")


def test_wrong_name_of_a_network_names_the_one_that_fits() -> None:
    with pytest.raises(
        SearchlightError, match="not the network 'q_network', allowed: network: nature, or no `network`"
    ):
        policy_of(new_nature("sb3", (210, 160), 3), named="q_network")
