# What the rules share: the validated config, and the functions that turn it into inputs and parameters.
import atexit
import gc
import os
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

# ROOT is the project's folder, also where another workflow uses this one as a module. OTHERS are that workflow's rules;
# in_place() puts the module's prefix before a path.
if not isinstance(workflow.current_basedir, os.PathLike):
    sys.exit(f"{workflow.current_basedir}: found a workflow that is not in a folder of this machine, allowed: a clone")
ROOT = Path(os.path.relpath(Path(workflow.current_basedir).parents[1]))
OTHERS, in_place = set(workflow.modifier.rules), workflow.modifier.path_modifier.replace_prefix
BUNDLED = ROOT / "resources" / "agents"
CATALOGUE = ROOT / "config" / "catalogue.yaml"

# DAG objects live until exit; frequent garbage collection cost a seventh of a large dry run.
gc.set_threshold(200_000, 50, 50)

# The package beside this file, for the workflow and for its jobs: not one that happens to be installed.
SCRIPTS = Path(os.path.abspath(ROOT / "scripts"))
sys.path.insert(0, str(SCRIPTS))
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [str(SCRIPTS), os.environ.get("PYTHONPATH")])))

from snakemake.exceptions import IncompleteCheckpointException, WorkflowError
from snakemake.utils import update_config

from searchlight.agents.sources import RENEWED, local_path, recorded
from searchlight.config.folders import unusable
from searchlight.config.members import members_of
from searchlight.config.models import own_config, read_config, typed
from searchlight.config.views import LAYERS
from searchlight.config.yaml_files import differing_scalars
from searchlight.errors import SearchlightError
from searchlight.fingerprint import digest_of_code, lineage
from searchlight.saliency import fills
from searchlight.store.blocks import blocks_of, read_length
from searchlight.store.files import digest_of

if (line := unusable(os.path.abspath(ROOT), sys.executable)) is not None:
    sys.exit(line)

OWN = own_config(ROOT)
# Before Snakemake says what it does with it, from another thread.
if workflow.is_main_process and not workflow.modifier.skip_configfile and OWN != "config/config.yaml":
    print(f"config: found no config/config.yaml in {os.getcwd()}, used: {OWN}", file=sys.stderr)


configfile: OWN


if workflow.is_main_process and workflow.modifier.is_main_snakefile():
    misread = [
        f"{os.path.relpath(file)}: {found}" for file in workflow.configfiles for found in differing_scalars(file)
    ]
    if misread:
        sys.exit("\n".join(misread))

if workflow.modifier.is_main_snakefile():  # of a module, it is the outer workflow's
    update_config(config, typed(workflow.config_settings.config))

try:
    settings = read_config(config, CATALOGUE)
except SearchlightError as error:
    sys.exit(str(error))


def growing(amount):
    """Return a resource that doubles with every attempt: a job that was killed for want of it is given more."""
    return lambda wildcards, attempt: amount * 2 ** (attempt - 1)


def any_of(names):
    """Return what matches the names of the config alone, so that nothing else can be asked for."""
    return "|".join(sorted({str(name) for name in names}))


wildcard_constraints:
    agent=any_of(settings.agents),
    perturbation=any_of(settings.perturbations),
    method=any_of(settings.methods),
    clip=any_of(settings.clips),
    window=r"\d+|episode",
    seed=any_of(clip.seed for clip in settings.clips.values()),
    block=r"\d+",


@cache
def code(script, agent, perturbation=None, method=None):
    """Return a digest of what a script runs, with the files of registries that the config names for its result.

    Snakemake does not see what a script imports, so the digest is a part of its results' lineage. It is no input file:
    that would have to be where results are, such as in a bucket, and a fresh checkout would be newer than all results.
    """
    members = members_of(settings, agent, perturbation=perturbation, method=method)
    return digest_of_code(SCRIPTS / f"{script}.py", members)


def say_unpinned():
    """Print the line that pins each checkpoint whose digest the config does not give."""
    for name, agent in settings.agents.items():
        digest = recorded(in_place(f"results/agents/{name}/policy.safetensors")).get("sha256")
        if agent.sha256 is None and not agent.checkpoint.startswith("bundled:") and digest is not None:
            print(f"agents.{name}: to pin its checkpoint, add  sha256: {digest}", file=sys.stderr)


def say_locked():
    """Print what to do where the folder is locked, below what Snakemake says of it: it does not say what to type."""
    from searchlight.store.locks import check_alone

    given = workflow.execution_settings
    if given is not None and given.lock and not workflow.dryrun:
        try:
            check_alone(".snakemake")
        except SearchlightError as error:
            print(error, file=sys.stderr)


if workflow.is_main_process:
    atexit.register(say_locked)


def episodes():
    """Return all episodes, and the lengths that clips with an open end wait for."""
    return {
        f"results/episodes/{clip.agent}/seed-{clip.seed}.{kind}"
        for clip in settings.clips.values()
        for kind in ("zarr.zip", *(["length"] if clip.frames[1] == "end" else []))
    }


def files_of_clips():
    """Return all that a user looks at: a page alone would be enough for Snakemake where one of its videos is lost."""
    files = []
    for clip in settings.clips:
        wildcards = SimpleNamespace(clip=clip)
        files += [f"results/clips/{clip}/{name}" for name in ("index.html", "gameplay.mp4")]
        files += stores_of_clip(wildcards) + videos_of_clip(wildcards)
    return files


def checkpoint_file(wildcards):
    """Return an agent's checkpoint where it is a file that is there; a missing one is the job's to report.

    Its date says nothing, a checkout changes it: what tells of another file is its digest, in checkpoint_source.
    """
    watch_records()
    path = local_path(settings.agents[wildcards.agent].checkpoint, BUNDLED)
    return [local(ancient(str(path)))] if path is not None and path.is_file() else []


def checkpoint_source(wildcards):
    """Return where a checkpoint is, and what tells that another file has taken its place.

    That is the digest of a file that is there. Of an address, the digest that the config gives where it is not that of
    the weights that are there; and then for as long as they stay, or they would be fetched once more.
    """
    return source_of(wildcards.agent)


@cache  # Snakemake asks again when it has removed the weights
def source_of(name):
    agent = settings.agents[name]
    source = agent.model_dump(mode="json", include={"checkpoint", "member", "network"})
    path = local_path(agent.checkpoint, BUNDLED)
    there = recorded(in_place(f"results/agents/{name}/policy.safetensors"))
    there = there if there.get("source") == agent.checkpoint else {}
    if path is not None and path.is_file():
        source["file"] = there["sha256"] = digest_of(path)
    if agent.sha256 is not None and agent.sha256 != there.get("sha256", agent.sha256):
        source["sha256"] = agent.sha256
    elif RENEWED in there:
        source["sha256"] = there["sha256"]
    return source


def checkpoint_digest(wildcards):
    """Return the digest in a form that Snakemake does not track: to pin what is there already changes nothing."""
    return SimpleNamespace(sha256=settings.agents[wildcards.agent].sha256)


def episode_settings(wildcards):
    agent = settings.agents[wildcards.agent]
    for clip in settings.clips.values():
        if (clip.agent, clip.seed) == (wildcards.agent, int(wildcards.seed)):
            played = agent.model_dump(mode="json", include={"env", "preprocessing", "actions"})
            return {**played, "max_steps": clip.max_steps}
    raise WorkflowError(f"clips: found none of agent '{wildcards.agent}' with seed {wildcards.seed}")


def perturbation_settings(wildcards):
    return settings.perturbations[wildcards.perturbation].model_dump(mode="json")


def window_of(perturbation):
    """Return what the background of a perturbation is drawn from: a number of decisions, or 'episode'; None without one."""
    return fills.window(settings.perturbations[perturbation].fill)


def background_window(wildcards):
    return int(wildcards.window) if wildcards.window.isdecimal() else wildcards.window


def background_of_perturbation(wildcards):
    window = window_of(wildcards.perturbation)
    return (
        f"results/backgrounds/{wildcards.agent}/seed-{wildcards.seed}/{window}.zarr.zip" if window is not None else []
    )


def responses_of_method(wildcards):
    perturbation = settings.methods[wildcards.method].perturbation
    return f"results/responses/{wildcards.agent}/seed-{wildcards.seed}/{perturbation}/{wildcards.block}.zarr.zip"


def scorer_settings(wildcards):
    return settings.methods[wildcards.method].scorer


def episode_of_clip(wildcards):
    clip = settings.clips[wildcards.clip]
    return f"results/episodes/{clip.agent}/seed-{clip.seed}.zarr.zip"


def blocks_of_clip(clip):
    """Return the blocks that a clip needs, once its episode was played where it goes on to the end.

    None where the episode ends before the clip begins: to say so is left to the jobs that read the episode.
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


def saliency_of_clip(wildcards):
    clip = settings.clips[wildcards.clip]
    try:
        blocks = blocks_of_clip(clip)
    except IncompleteCheckpointException as exception:
        # To Snakemake, what waits for a checkpoint is up to date as long as the checkpoint is, and one whose output is
        # missing is. So a clip that gets an open end waits for it as for any file: its set of inputs has changed.
        length = exception.targetfile
        if length.storage_object.exists() if length.is_storage else Path(length).exists():
            raise
        return [f"results/episodes/{clip.agent}/seed-{clip.seed}.length"]
    return [f"results/saliency/{clip.agent}/seed-{clip.seed}/{wildcards.method}/{block}.zarr.zip" for block in blocks]


def clip_settings(wildcards):
    return {
        "frames": list(settings.clips[wildcards.clip].frames),
        "scale": settings.methods[wildcards.method].scale,
    }


def clip_frames(wildcards):
    return list(settings.clips[wildcards.clip].frames)


def video_settings(wildcards):
    return {"style": settings.video.look(), "fps": settings.clips[wildcards.clip].fps}


def gameplay_settings(wildcards):
    return {"zoom": settings.video.zoom, "fps": settings.clips[wildcards.clip].fps}


def gain_settings(wildcards):
    return {"gain": settings.methods[wildcards.method].gain}


def stores_of_clip(wildcards):
    methods = settings.clips[wildcards.clip].methods
    return [f"results/clips/{wildcards.clip}/{method}.zarr.zip" for method in methods]


def videos_of_clip(wildcards):
    methods = settings.clips[wildcards.clip].methods
    return [f"results/clips/{wildcards.clip}/{method}.{layer}.mp4" for method in methods for layer in LAYERS]


def page_settings(wildcards):
    clip = settings.clips[wildcards.clip]
    colours = {"actor": settings.video.actor, "critic": settings.video.critic}
    gains = [settings.methods[method].gain for method in clip.methods]
    return {"methods": list(clip.methods), "gains": gains, "fps": clip.fps, "colours": colours}
