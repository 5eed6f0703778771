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
from searchlight.config import chapters, environments
from searchlight.config.allowed import Allowed
from searchlight.config.models import Config
from searchlight.config.read import read_catalogue
from searchlight.measures import games
from searchlight.saliency import fills, gradients, perturbers, scorers

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT / "config" / "README.md"
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"


def render_reference() -> str:
    """Return the text of ``config/README.md``."""
    parts = [(chapters.INTRODUCTION + "".join(_preset_rows())).rstrip()]
    for title, model in _tables():
        parts.append(f"## {title}\n\n{_summary(model)}\n\n{_table(model)}")
    parts.append(chapters.CHECKPOINTS)
    parts.append(f"{chapters.ENVIRONMENTS}\n\n{_table(environments.Environment)}")
    parts += [chapters.WRAPPERS, *_members(wrappers.FOLDER)]
    parts += ["## Preprocessings\n\nHow a screen becomes what the network sees.", *_members(preprocessings.FOLDER)]
    parts += [chapters.NETWORKS, *_members(networks.FOLDER)]
    parts += [chapters.FILLS, *_members(fills.FOLDER)]
    parts += [chapters.PERTURBERS, *_members(perturbers.FOLDER)]
    parts += [chapters.SCORERS, *_members(scorers.FOLDER)]
    parts += [chapters.GRADIENTS, *_members(gradients.FOLDER)]
    parts += [chapters.MEASURES, *_members(measures.FOLDER), _games()]
    parts.append(_catalogue())
    parts.append(chapters.BLOCK_SIZE)
    return "\n\n".join(parts) + "\n"


def _tables() -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the title and the model of each table of the config."""
    yield "Top level", Config
    for name, field in Config.model_fields.items():
        if get_origin(field.annotation) is dict:
            yield f"`{name}.NAME`", get_args(field.annotation)[1]
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield f"`{name}`", field.annotation


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
