# What rules share: the validated config, and functions that make inputs and parameters of it.
import gc
import os
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

# ROOT is the project's folder, even where another workflow uses this one as a module. OTHERS are that workflow's rules.
# in_place() puts the module's prefix before a path.
if not isinstance(workflow.current_basedir, os.PathLike):
    sys.exit(f"{workflow.current_basedir}: found a workflow that is not in a folder of this machine, allowed: a clone")
ROOT = Path(os.path.relpath(Path(workflow.current_basedir).parents[1]))
OTHERS, in_place = set(workflow.modifier.rules), workflow.modifier.path_modifier.replace_prefix
BUNDLED = ROOT / "resources" / "agents"
CATALOGUE = ROOT / "config" / "catalogue.yaml"

# DAG objects live until exit; frequent garbage collection cost a seventh of a large dry run.
gc.set_threshold(200_000, 50, 50)

# The workflow and its jobs import the package of this folder, even if another one is installed.
SCRIPTS = Path(os.path.abspath(ROOT / "scripts"))
sys.path.insert(0, str(SCRIPTS))
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [str(SCRIPTS), os.environ.get("PYTHONPATH")])))

from snakemake.exceptions import IncompleteCheckpointException
from snakemake.utils import update_config

from searchlight.agents.sources import existing_file, identity, is_local, pin_line, recorded
from searchlight.config.folders import unusable
from searchlight.config.plan import Plan, fields_of
from searchlight.config.read import own_config, read_config, typed
from searchlight.config.yaml_files import differing_scalars
from searchlight.errors import SearchlightError
from searchlight.store.blocks import blocks_of, read_length

if (line := unusable(os.path.abspath(ROOT), sys.executable)) is not None:
    sys.exit(line)

OWN = own_config(ROOT)
# This line comes before Snakemake's own lines about the file, which another thread prints.
if workflow.is_main_process and not workflow.modifier.skip_configfile and OWN != "config/config.yaml":
    print(f"config: found no config/config.yaml in {os.getcwd()}, used: {OWN}", file=sys.stderr)


configfile: OWN


if workflow.is_main_process and workflow.modifier.is_main_snakefile():
    misread = [
        f"{os.path.relpath(file)}: {found}" for file in workflow.configfiles for found in differing_scalars(file)
    ]
    if misread:
        sys.exit("\n".join(misread))

if workflow.modifier.is_main_snakefile():  # a module's config is the outer workflow's
    update_config(config, typed(workflow.config_settings.config))

try:
    settings = read_config(config, CATALOGUE)
except SearchlightError as error:
    sys.exit(str(error))


def growing(amount):
    """Return a resource that doubles with each attempt, because a job may be killed when it has too little."""
    return lambda wildcards, attempt: amount * 2 ** (attempt - 1)


def any_of(names):
    """Return a pattern that matches names of the config alone, so that nothing else can be asked for."""
    return "|".join(sorted({str(name) for name in names})) or "(?!)"  # without names, nothing matches


wildcard_constraints:
    agent=any_of(settings.agents),
    perturbation=any_of(settings.perturbations),
    method=any_of(settings.methods),
    clip=any_of(settings.clips),
    measure=any_of(name for clip in settings.clips.values() for name in clip.measures),
    window=r"\d+|episode",
    seed=any_of(clip.seed for clip in settings.clips.values()),
    block=r"\d+",


def say_unpinned():
    """Print the line that pins each checkpoint which the config does not pin."""
    for name, agent in settings.agents.items():
        fetched = recorded(in_place(f"results/agents/{name}/policy.safetensors"))
        if (line := pin_line(agent.checkpoint, agent.sha256, fetched)) is not None:
            print(f"agents.{name}: to pin its checkpoint, write  {line}", file=sys.stderr)


plan = Plan(settings, SCRIPTS)
setting, tracked = plan.setting, plan.tracked


def from_config(path):
    """Return the input function for a path with names in braces: one file, or all files of a clip."""
    fields = fields_of(path)

    def files(wildcards):
        names = plan.names(wildcards)
        if "block" not in fields - {*wildcards.keys()}:
            found = plan.paths(path, names, [wildcards.get("block")])
            several = fields & {"method", "layer", "of_clip", "of_method"} - {*wildcards.keys()}
            if "measure" in wildcards.keys():
                several -= {"of_clip", "of_method"}
            return found if several else found and found[0]
        if not plan.paths(path, names, [0]):  # nothing is needed, whatever the blocks are
            return []
        try:
            return plan.paths(path, names, blocks_of_clip(settings.clips[names.clip]))
        except IncompleteCheckpointException as exception:
            # Snakemake takes a job for up to date while the checkpoint that it waits for is, even if the checkpoint's
            # output is missing. So a clip that gets an open end takes the length as an input: its inputs have changed.
            length = exception.targetfile
            if length.storage_object.exists() if length.is_storage else Path(length).exists():
                raise
            return plan.paths("results/episodes/{agent}/seed-{seed}.length", names)

    return files


def blocks_of_clip(clip):
    """Return the blocks that a clip needs. For an open end, its episode must have been played.

    There are no blocks where the episode ends before the clip begins. Jobs that read the episode report that.
    """
    first, last = clip.frames
    if last == "end":
        length = checkpoints.episode_length.get(agent=clip.agent, seed=clip.seed).output[0]
        try:
            with length.open(errors="replace") as file:
                last = read_length(file) - 1
        except SearchlightError as error:
            sys.exit(str(error))
    return blocks_of(first, last, settings.block_size)


def episodes():
    """Return the paths of all episodes, and of the lengths that clips with an open end wait for."""
    return {
        f"results/episodes/{clip.agent}/seed-{clip.seed}.{kind}"
        for clip in settings.clips.values()
        for kind in ("zarr.zip", *(["length"] if clip.frames[1] == "end" else []))
    }


def files_of_clips():
    """Return the paths of all that users look at. A page alone would not bring back a video that was lost."""
    patterns = (
        "results/clips/{clip}/index.html",
        "results/clips/{clip}/gameplay.mp4",
        "results/clips/{clip}/{method}.zarr.zip",
        "results/clips/{clip}/{method}.{layer}.mp4",
        "results/clips/{measured}/measures.csv",
        "results/clips/{measured}/measures-by-frame.csv",
        "results/clips/{clip}/{measure}.png",
    )
    return [path for clip in settings.clips for one in patterns for path in plan.paths(one, plan.names({"clip": clip}))]


def checkpoint_file(wildcards):
    """Return an agent's checkpoint, where it is a file that exists. The job reports a missing one.

    A checkout changes the file's date, so the date is ignored. Its digest, in checkpoint_source, tells another file.
    """
    watch_records()  # no sooner, because Snakemake's records do not exist before it plans
    path = existing_file(settings.agents[wildcards.agent].checkpoint, BUNDLED)
    return [local(ancient(str(path)))] if path is not None else []


def checkpoint_source(names):
    return source_of(names.agent)


@cache  # Snakemake asks again when it has removed the weights
def source_of(name):
    """Return what identifies an agent's weights: the checkpoint, its digest or pin, and how it is read."""
    agent = settings.agents[name]
    fetched = recorded(in_place(f"results/agents/{name}/policy.safetensors"))
    found = identity(agent.checkpoint, agent.sha256, BUNDLED, fetched)
    return {**found, "member": agent.member, "network": agent.network}


def checkpoint_pin(wildcards):
    """Return what pins a checkpoint, in a form that Snakemake does not track: a pin that fits changes nothing."""
    agent = settings.agents[wildcards.agent]
    place = source_of(wildcards.agent)["checkpoint"] if is_local(agent.checkpoint) else agent.checkpoint
    return SimpleNamespace(checkpoint=place, sha256=agent.sha256)
