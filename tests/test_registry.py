"""Registries: the forms in which a config names members, and the parts common to all members."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.project import ROOT
from searchlight import registry
from searchlight.errors import SearchlightError

FOLDERS = (
    "agents/networks",
    "agents/preprocessings",
    "measures",
    "saliency/fills",
    "saliency/gradients",
    "saliency/perturbers",
    "saliency/scorers",
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_members_have_description_and_file_name(folder: str) -> None:
    members = registry.members(folder)
    assert [name.lower().replace("_", "") for name in members] == [
        name.replace("_", "") for name in registry.names(folder)
    ]
    assert all(member.Arguments.__doc__ for member in members.values())


@pytest.mark.parametrize(
    ("folder", "given", "read"),
    [
        ("saliency/scorers", "squareddifference", {"SquaredDifference": {}}),
        ("saliency/scorers", {"squared_difference": None}, {"SquaredDifference": {}}),
        ("saliency/scorers", {"RISEScoring": 0.25}, {"RISEScoring": {"p1": 0.25}}),
        ("saliency/fills", {"blur": 3}, {"blur": {"sigma": 3.0}}),
        ("saliency/fills", {"blur": {"sigma": 3}}, {"blur": {"sigma": 3.0}}),
        (
            "saliency/perturbers",
            {"sliding_window": {}},
            {"SlidingWindow": {"window_size": [50, 50], "stride": [20, 20]}},
        ),
        ("agents/preprocessings", {"CV2": {}}, {"cv2": {}}),
    ],
    ids=str,
)
def test_all_forms_of_a_member_name_are_read_alike(folder: str, given: Any, read: dict[str, Any]) -> None:
    assert registry.choose(folder, given).spec == read
    assert registry.choose(folder, read).spec == read


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("median", "found 'median', allowed: background, blur, color, level, mean"),
        (["blur"], "found ['blur'], allowed: one name, or one name with its arguments"),
        ({"blur": 3, "mean": {}}, "found {'blur': 3, 'mean': {}}, allowed: one name, or one name with its arguments"),
        ({"mean": 3}, "found 3 as the arguments of mean, allowed: a table of names and values"),
        ({"blur": {"size": 3}}, "blur.sigma: Field required"),
    ],
    ids=str,
)
def test_mistake_is_one_line(given: Any, line: str) -> None:
    with pytest.raises(SearchlightError) as caught:
        registry.choose("saliency/fills", given)
    assert str(caught.value).startswith(line)


def run(code: str, scripts: Path, *arguments: object) -> Any:
    """Return the JSON on the last line of a fresh Python that imports the package from a folder."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {"PYTHONPATH": str(scripts)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


CHECK = """
import json, sys, yaml
from pathlib import Path
from searchlight import registry
from searchlight.config.read import read_config

config = yaml.safe_load(Path("config/config.yaml").read_text())
config["agents"]["other"] = {"checkpoint": "catalogue:baby-a3c-pong-40", "network": "Greydanus"}
config["agents"]["breakout"]["preprocessing"] = {"imresize": {}}
settings = read_config(config, Path("config/catalogue.yaml"))
assert settings.agents["breakout"].preprocessing == "imresize"
assert settings.agents["other"].network == "greydanus"
light = ("saliency/fills", "saliency/gradients", "saliency/perturbers", "saliency/scorers", "agents/preprocessings")
for folder in light:
    registry.members(folder)
heavy = ("cv2", "numpy", "scipy", "skimage", "torch", "xaitk_saliency")
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


def test_config_is_checked_without_heavy_imports() -> None:
    assert run(CHECK, ROOT / "scripts") == []


TOYS = {
    "agents/preprocessings/strided.py": '''
from pydantic import Field
from searchlight.config.arguments import PositiveInt, Table


class Arguments(Table):
    """Some rows of the screen."""

    step: PositiveInt = Field(2, description="From one row to the next.")
''',
    "saliency/fills/checkered.py": '''
from pydantic import Field
from searchlight.config.arguments import PositiveInt, Table
from searchlight.lazy import numpy as np

FORM = "{checkered: side}"


class Arguments(Table):
    """Squares of black and white."""

    side: PositiveInt = Field(description="Of a square, in pixels.")


def image(scene, arguments):
    rows, columns = np.indices(scene.image.shape[:2]) // arguments.side
    white = np.full_like(scene.image, 255 if scene.image.dtype == np.uint8 else 1)
    odd = ((rows + columns) % 2).astype(scene.image.dtype)
    return white * odd.reshape(odd.shape + (1,) * (scene.image.ndim - 2))
''',
    "saliency/perturbers/halves.py": '''
from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np

NAME = "Halves"


class Arguments(Table):
    """The left half, then the right one."""


def masks(shape, arguments):
    for columns in (slice(None, shape[1] // 2), slice(shape[1] // 2, None)):
        mask = np.ones(shape, np.float32)
        mask[:, columns] = 0
        yield mask
''',
    "saliency/scorers/largest_change.py": '''
from searchlight.config.arguments import Table
from searchlight.lazy import numpy as np

NAME = "LargestChange"
CAUTION = "LargestChange is a toy"


class Arguments(Table):
    """The largest change of an output."""


def maps(sums, reference, perturbed, arguments):
    return sums(np.abs(perturbed - reference[:, None]).max(axis=2, keepdims=True)) / sums.coverage
''',
    "saliency/gradients/squared.py": '''
from searchlight.config.arguments import Table


class Arguments(Table):
    """The gradient, squared."""


def attributions(scene, arguments):
    return scene.explained.gradients(scene.observation[None])[:, 0] ** 2
''',
    "measures/concentration.py": '''
from searchlight.config.arguments import PositiveInt, Table
from searchlight.lazy import numpy as np
from searchlight.measures import Measured, spread

FRAMES, USES_MAPS = "clip", True
WORDS = "share of the brightest pixel"


class Arguments(Table):
    """How much of the actor's map lies in its brightest pixel."""

    frames: PositiveInt = 64


def of_method(scene, arguments):
    from searchlight.store.zarr import Variable

    time = spread(scene.frames, arguments.frames)
    maps = [scene.maps(moment).actor for moment in scene.moments(time)]
    shares = np.array([one.max() / one.sum() if one.any() else np.nan for one in maps])
    return Measured(time, {"share": Variable(("time",), shares, {"curve": WORDS})})


def table(results, arguments):
    from searchlight.measures._statistics import Samples

    rows = []
    for method, store in results.of_methods.items():
        time = store.read("time").tolist()
        rows.append(Samples(time).mean(store.read("share")).row(method, WORDS, frames=len(time)))
    return rows


def draw(figure, results, rows, arguments):
    figure.subplots().barh([row.of for row in rows], [row.value for row in rows])
''',
}
USE = """
import json, sys, tempfile, yaml
from pathlib import Path
from searchlight.clips.draw_measure import draw_measure
from searchlight.clips.measure_method import measure_method
from searchlight.clips.page.measured import read_measures
from searchlight.clips.tabulate_measures import tabulate_measures
from searchlight.config.members import members_of
from searchlight.config.read import read_config
from searchlight.fingerprint import digest_of_code
from searchlight.saliency.differentiate import differentiate_block
from searchlight.saliency.perturb import perturb_block
from searchlight.saliency.score import score_block
from searchlight.store.zarr import load

policy, episode, scripts = map(Path, sys.argv[1:])
config = yaml.safe_load(Path("config/config.yaml").read_text())
config["perturbations"]["erase"] |= {"perturber": "halves", "fill": {"checkered": 3}}
config["methods"]["erase"]["scorer"] = "largest_change"
config["methods"]["squared"] = {"gradient": "Squared"}
config["clips"]["demo"]["measures"] = [{"Concentration": 3}]
config["agents"]["other"] = config["agents"]["breakout"] | {"preprocessing": "strided"}
config["agents"]["third"] = config["agents"]["breakout"] | {"preprocessing": {"Strided": 5}}
settings = read_config(config, Path("config/catalogue.yaml"))
recorded = [agent.preprocessing for agent in settings.agents.values()]
assert recorded == ["cv2", {"strided": {"step": 2}}, {"strided": {"step": 5}}]
perturbation = settings.perturbations["erase"].model_dump(mode="json")
with tempfile.TemporaryDirectory() as folder:
    responses, maps = Path(folder) / "responses", Path(folder) / "maps"
    perturb_block(policy, episode, responses, perturbation=perturbation, block=7, block_size=4)
    score_block(responses, maps, scorer=settings.methods["erase"].scorer)
    with load(maps) as store:
        assert store.attributes["scorer"] == {"LargestChange": {}}
        assert store.attributes["perturbation"]["perturber"] == {"Halves": {}}
        assert store.attributes["hidden_by"] == "checkered 3"
        assert store.attributes["caution"] == "LargestChange is a toy"
        actor = store.read("actor")
        assert actor.any()
        assert all(len(set(row.ravel().tolist())) == 2 for row in actor), "two halves have two values"
    gradient = settings.methods["squared"].gradient
    differentiate_block(policy, episode, maps, gradient=gradient, of="chosen_action", block=7, block_size=4)
    with load(maps) as store:
        assert store.attributes["gradient"] == {"squared": {}}
        assert store.read("actor").any(axis=(1, 2)).all()
        actor = store.read("actor")
    measures = settings.clips["demo"].measures
    assert measures == {"concentration": {"frames": 3}}
    measured, table, curves, picture = (Path(folder) / name for name in ("measured", "table", "curves", "picture"))
    measure_method(
        policy, episode, [maps], measured, clip="demo", method="squared", how={"perturbation": None},
        name="concentration", arguments=measures["concentration"], frames=(28, 31), notice=print,
    )
    tabulate_measures([], [measured], table, curves, chosen=measures)
    draw_measure(None, [measured], picture, clip="demo", name="concentration", arguments=measures["concentration"])
    assert picture.read_bytes().startswith(b"\\x89PNG")
    (shown,) = read_measures(table, curves, range(28, 32))
    points = dict(shown["charts"][0]["curves"][0]["points"])
    assert points.keys() == {0, 2, 3}
    assert all(abs(points[frame] - actor[frame].max() / actor[frame].sum()) < 1e-4 for frame in points)
    assert abs(shown["rows"][0]["cells"][0]["value"] - sum(points.values()) / 3) < 1e-4
scripts_of = {"perturb": "erase", "score": "erase", "differentiate": "squared", "measure_method": "squared"}
print(json.dumps({
    name: digest_of_code(scripts / f"{name}.py", members_of(settings, "breakout", None, method, measures))
    for name, method in scripts_of.items()
}))
"""
DIGESTS = """
import json, sys, yaml
from pathlib import Path
from searchlight.config.members import members_of
from searchlight.config.read import read_config
from searchlight.fingerprint import digest_of_code

settings = read_config(yaml.safe_load(Path("config/config.yaml").read_text()), Path("config/catalogue.yaml"))
members = members_of(settings, "breakout", method="erase") | {"agents/networks": ["greydanus"]}
print(json.dumps([digest_of_code(path, members) for path in sorted(Path(sys.argv[1]).glob("*.py"))]))
"""


def test_new_members_are_one_file_each(policy_path: Path, episode_path: Path, tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    shutil.copytree(ROOT / "scripts", scripts, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    before = run(DIGESTS, scripts, scripts)
    for path, text in TOYS.items():
        assert not (scripts / "searchlight" / path).exists()
        (scripts / "searchlight" / path).write_text(text)
    assert run(DIGESTS, scripts, scripts) == before, "a new member is no code of results that do not name it"
    first = run(USE, scripts, policy_path, episode_path, scripts)
    for path in TOYS:
        with (scripts / "searchlight" / path).open("a") as file:
            file.write("# edited\n")
    second = run(USE, scripts, policy_path, episode_path, scripts)
    assert first["perturb"] != second["perturb"]
    assert first["score"] != second["score"]
    assert first["differentiate"] != second["differentiate"]
    assert first["measure_method"] != second["measure_method"]
