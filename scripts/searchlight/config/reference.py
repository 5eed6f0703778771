"""The reference of every key, and the JSON schema, written from the models of ``searchlight.config``.

``python -m searchlight.config.reference`` (``make docs``) writes both; a test fails when they are stale.
"""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from searchlight import measures, registry
from searchlight.agents import networks, preprocessings, wrappers
from searchlight.config import environments
from searchlight.config.allowed import Allowed
from searchlight.config.models import Config
from searchlight.config.read import read_catalogue
from searchlight.measures import games
from searchlight.saliency import fills, gradients, perturbers, scorers

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT / "config" / "README.md"
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"

_INTRODUCTION = """\
# The configuration

<!-- Written by `make docs` from the models in scripts/searchlight/config: edit those. -->

`config.yaml` is the default run. Edit it and run `snakemake --cores all` again: only what changed is computed. Or keep
your changes in a file of their own and lay it over the default:

```
snakemake --cores all --configfile config/notebook.yaml
```

Such a file holds only what differs. An entry set to `null` is taken out (`clips: {demo: null}`). Names of agents,
perturbations, methods and clips are yours: letters, digits, `-` and `_`. To replace a perturber, scorer or fill of the
default, take out its name the same way (`perturber: {SlidingWindow: null, SlidingRadial: {...}}`, `fill: {blur: null,
background: 50}`), or use a new entry.

Nothing is deleted when the config names it no more: `snakemake list_unused --cores 1` lists such results, with their
logs and benchmarks, and `delete_unused` deletes them, while no other Snakemake is at work.

| preset | what it is |
|---|---|
"""


def render_reference() -> str:
    """Return the text of ``config/README.md``."""
    parts = [(_INTRODUCTION + "".join(_preset_rows())).rstrip()]
    for title, model in _tables():
        parts.append(f"## {title}\n\n{_summary(model)}\n\n{_table(model)}")
    parts.append(_CHECKPOINTS)
    parts.append(f"{_ENVIRONMENTS}\n\n{_table(environments.Environment)}")
    parts += [_WRAPPERS, *_members(wrappers.FOLDER)]
    parts += ["## Preprocessings\n\nHow a screen becomes what the network sees.", *_members(preprocessings.FOLDER)]
    parts += [_NETWORKS, *_members(networks.FOLDER)]
    parts += [_FILLS, *_members(fills.FOLDER)]
    parts += [_PERTURBERS, *_members(perturbers.FOLDER)]
    parts += [_SCORERS, *_members(scorers.FOLDER)]
    parts += [_GRADIENTS, *_members(gradients.FOLDER)]
    parts += [_MEASURES, *_members(measures.FOLDER), _games()]
    parts.append(_catalogue())
    parts.append(_BLOCK_SIZE)
    return "\n\n".join(parts) + "\n"


def _tables() -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the title and the model of each table of the config."""
    yield "Top level", Config
    for name, field in Config.model_fields.items():
        if get_origin(field.annotation) is dict:
            yield f"`{name}.NAME`", get_args(field.annotation)[1]
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield f"`{name}`", field.annotation


_CHECKPOINTS = """\
## Checkpoints

- `bundled:NAME`: an agent that ships with the project.
- `catalogue:NAME`: a known public agent of [the catalogue](#the-catalogue), with its environment and the rest.
- `path/to/file`: a file of torch (`.tar`, `.pt`, `.pth`), safetensors, CleanRL (`.cleanrl_model`), or a zip archive.
- `logs/ppo/BreakoutNoFrameskip-v4_1`: a folder. Of rl-baselines3-zoo's, `{env}.zip` is taken, else `best_model.zip`,
  else the `rl_model_{steps}_steps.zip` of the highest step; of an unzipped agent of stable-baselines3, `policy.pth`; of
  any other folder, its one checkpoint.
- `logs/ppo/BreakoutNoFrameskip-v4_1/rl_model_*_steps.zip`: a pattern. Of several snapshots in one folder, the one with
  the highest step is taken.
- `https://…`: an address.
- `hub:ORG/NAME[@REVISION][/FILE]`: a file of the Hugging Face hub. `FILE` may be a pattern, such as
  `rl_model_*_steps.zip`; without it, the repository's one checkpoint is taken, as of a folder. `REVISION` is a commit,
  branch or tag, or a pattern of branches and tags; without it, the newest commit is taken.
- `sb3:ppo/BreakoutNoFrameskip-v4[@REVISION]`: an agent of rl-baselines3-zoo, short for
  `hub:sb3/ppo-BreakoutNoFrameskip-v4/ppo-BreakoutNoFrameskip-v4.zip`.
- `cleanrl:BreakoutNoFrameskip-v4-dqn_atari-seed1[@REVISION]`: an agent of CleanRL, short for
  `hub:cleanrl/BreakoutNoFrameskip-v4-dqn_atari-seed1/dqn_atari.cleanrl_model`. Weights of JAX are not read.

`sb3:` and `cleanrl:` also fill in the environment, how it is wrapped and prepared, and the network, where the agent's
own keys do not say them.

A local file that has changed, or a snapshot with a higher step, is another checkpoint: it is fetched again. What is
fetched from elsewhere stays. So that others get the same, pin it: by `sha256`, or on the hub by the commit. Each run
prints the line that does it, until it is there.

Downloads from the hub go through `huggingface_hub`, into the job's own folder: the home folder keeps nothing of them.
`HF_ENDPOINT` names another server, and `HF_TOKEN` is for private and gated repositories."""


_NETWORKS = """\
## Networks

What a checkpoint holds. The names and shapes of its tensors tell which network it is; arguments say what they do not.
A network that is not here can be [a class of your own file](../docs/own_network.md)."""


_ENVIRONMENTS = """\
## Environments

An environment is an id or an id with arguments: `env: {id: ALE/Breakout-v5, frameskip: 4, repeat_action_probability:
0}`, which is what `BreakoutDeterministic-v4` was.

`MODULE:ID` is an environment of your own, of a game that ale-py has. With `env: my_envs:HardBreakout-v0`, this is
`my_envs.py`, in the folder in which you run Snakemake:

```python
import gymnasium

gymnasium.register("HardBreakout-v0", "ale_py.env:AtariEnv", kwargs={"game": "breakout", "difficulty": 1})
```

Its code runs. When it changes, its agents play again; a folder `my_envs/` with several files works too. Other files
that it imports are not watched."""


_WRAPPERS = """\
## Wrappers

What an agent meets between two decisions. Most published agents were trained in wrappers that repeat each action and
show the maximum of two frames; without them they play another game. They need an environment that skips no frames
itself. The episode's score is the sum of the game's own rewards, also of those between two decisions."""


_FILLS = """\
## Fills

What a map shows depends on what hides a patch. A good fill makes a picture that the agent could have seen, only without
the thing. A fill with one argument takes its value directly, too: `{blur: 3}` is `{blur: {sigma: 3}}`.

The default's method `erase` is `background` in windows of 8x8 pixels, `greydanus` is the paper's blur, and
[`notebook.yaml`](notebook.yaml) has the notebook's black windows."""


_PERTURBERS = """\
## Perturbers

Which patches are hidden. Any other `PerturbImage` plug-in of xaitk-saliency that is installed is found by its name too;
`MCRISEGrid`, which needs one fill per colour, is not supported."""


_SCORERS = """\
## Scorers

How the outputs under all masks become a map. Any other `GenerateClassifierConfidenceSaliency` plug-in of xaitk-saliency
that is installed is found by its name too.

`output` of a method says what is compared; `SARFA`, `TotalVariation` and `KL` compare probabilities and nothing else.
To change it, or the scorer, scores the stored responses again: the network does not run.

With `signed: true`, the maps of `OcclusionScoring`, `RISE` and `LIME` keep their sign. Where a map is positive, what
was hidden raises the chosen action's chance (of Q-networks, its advantage), or the value. Videos show this in
`video.raises` and the opposite in `video.lowers`. Where actor and critic are in one frame, they show how strong it is,
not its sign."""


_GRADIENTS = """\
## Gradients

Maps from derivatives of the network's outputs, without masks: `methods: {ig: {gradient: integrated_gradients}}`. Most
take milliseconds a frame. A map has the observation's pixels. At each, it is the sum of absolute values over the
pictures of a stack. Pictures that a young stack does not have yet get no map. Of recurrent networks, the memory is as
recorded. Networks of your own work too, if they are of torch's differentiable operations.

With `signed: true`, the maps of `gradient_x_input` and `integrated_gradients` are sums with their signs. Positive is
what raises the chosen action's advantage, or the value, by being there.

A gradient says what the network would make of a change too small to see. A perturbation says what it makes of a picture
without the thing. So take gradients beside `erase`, not in its place."""


_MEASURES = """\
## Measures

How far to believe a clip's maps, in numbers: `measures: [objects, {faithfulness: {frames: 128}}]` of a clip. Each has
its arguments, or none; the list of an overlay replaces the one before it. What a measure takes of the agent alone is
computed once for all methods. Its results are

- on the clip's page: curves in step with the videos, and a table for each measure, which marks where a method differs
  from the clip's first one by more than chance;
- beside the page: `measures.csv` (each number with its 95 % interval), `measures-by-frame.csv` (the curves), and a
  picture of each measure, `MEASURE.png`; all of them are in the report, too;
- in `results/measures/CLIP/…`: the stores behind them, with every frame's numbers."""


_BLOCK_SIZE = """\
## Choosing `block_size`

One `perturb` job works on one block. Choose blocks that compute for longer than a job takes to start
([measured](../benchmarks/README.md)): 240 frames for windows, 60 for wide radial masks, 16 for a thousand masks of
RISE. Smaller blocks spread over more cores, and less is lost when a job fails. A block is always whole, so larger ones
also compute frames around a clip that it does not show. Results are bit-identical for any `block_size`, but after a
change all blocks are computed anew."""


def _members(folder: str) -> Iterator[str]:
    """Yield the description of each member of a registry, with a table of its arguments."""
    for name, member in registry.members(folder).items():
        model = member.Arguments
        described = f"### `{name}`\n\n{inspect.cleandoc(model.__doc__ or '')}"
        yield f"{described}\n\n{_table(model)}" if model.model_fields else described


def _games() -> str:
    """Return the games whose objects are known, and how well."""
    rows = []
    for name in registry.names(games.FOLDER):
        described = inspect.cleandoc(registry.load(games.FOLDER, name).__doc__ or "")
        rows.append(f"- {' '.join(described.split())}")
    return (
        "### Games whose objects are known\n\nMeasures of objects are for these games. The console's memory says what "
        "lies where, and tests compare it with pixels: an object is exact in a frame if its box is that of its pixels. "
        "A move takes if the object is then seen elsewhere.\n\n" + "\n".join(rows)
    )


def render_schema() -> str:
    """Return the JSON schema of the config."""
    return json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the reference and the schema."""
    REFERENCE.write_text(render_reference(), encoding="utf-8")
    SCHEMA.parent.mkdir(parents=True, exist_ok=True)
    SCHEMA.write_text(render_schema(), encoding="utf-8")


def _preset_rows() -> list[str]:
    rows = []
    for path in sorted((ROOT / "config").glob("*.yaml")):
        if path.name in ("config.yaml", "catalogue.yaml"):
            continue
        comment = " ".join(
            line.removeprefix("#").strip() for line in _leading_comment(path.read_text(encoding="utf-8"))
        )
        rows.append(f"| [`{path.name}`]({path.name}) | {comment} |\n")
    return rows


def _leading_comment(text: str) -> list[str]:
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line)
    return lines


def _summary(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _table(model: type[BaseModel]) -> str:
    rows = ["| key | value | default | what it is |", "|---|---|---|---|"]
    for name, info in model.model_fields.items():
        cells = (f"`{name}`", _type(info.annotation, info.metadata), _default(info), info.description or "")
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    if info.default_factory is not None:
        return "as below"
    if info.default is None:
        return "none"
    return f"`{json.dumps(info.default)}`"


def _type(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """Return the allowed values of a type in words, from its ``Allowed`` or from its kind and bounds."""
    if words := next((one.words for one in metadata if isinstance(one, Allowed)), None):
        return words
    origin, arguments = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _type(arguments[0], (*annotation.__metadata__, *metadata))
    if origin is Literal:
        words = " or ".join(f"`{value}`" for value in arguments)
    elif origin in (Union, types.UnionType):
        words = ", or ".join(_type(one) for one in arguments if one is not type(None))
    elif origin is dict and get_origin(arguments[1]) is dict:
        words = "`NAME` or `{NAME: {argument: value}}`"
    elif origin is dict or issubclass(annotation, BaseModel):
        words = "table"
    else:
        words = {int: "whole number", float: "number", str: "text", bool: "true or false"}[annotation]
    bounds = [
        f"{sign} {bound}"
        for entry in metadata
        for one in getattr(entry, "metadata", None) or [entry]
        for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
        if (bound := getattr(one, name, None)) is not None
    ]
    return f"{words} ({', '.join(bounds)})" if bounds else words


def _catalogue() -> str:
    rows = ["| name | environment | preprocessing | from |", "|---|---|---|---|"]
    for name, agent in read_catalogue(ROOT / "config" / "catalogue.yaml").items():
        place = re.sub(r"^https://", "", agent.checkpoint)
        rows.append(f"| `catalogue:{name}` | {agent.env} | {agent.preprocessing} | {place} |")
    return (
        "## The catalogue\n\nKnown public agents, from [`catalogue.yaml`](catalogue.yaml): address, digest where it is "
        "known, environment and preprocessing. They are downloaded when first used.\n\n" + "\n".join(rows)
    )


if __name__ == "__main__":
    main()
