# What the rules share: the validated config, and the functions that turn it into inputs and parameters.
import os
import sys
from pathlib import Path

ROOT = Path(os.path.relpath(workflow.basedir))
BUNDLED = ROOT / "resources" / "agents"
CATALOGUE = ROOT / "config" / "catalogue.yaml"

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from searchlight.blocks import blocks_of
from searchlight.checkpoint_source import local_path
from searchlight.config import NAME, read_config
from searchlight.errors import SearchlightError
from searchlight.layers import LAYERS

try:
    settings = read_config(config, CATALOGUE)
except SearchlightError as error:
    sys.exit(str(error))

# Snakemake does not see what a script imports. So scripts and the modules that they use are inputs, and an edit
# reruns what it touches and nothing else. A test compares this table with the scripts' imports.
MODULES = {
    "fetch_checkpoint": "architecture checkpoint checkpoint_source errors files job preprocessing",
    "rollout": "architecture checkpoint checkpoint_source environment errors files job policy preprocessing rollout"
    " store",
    "perturb": "architecture blocks checkpoint checkpoint_source engine errors files job masks perturbation plugins policy"
    " preprocessing responses store",
    "score": "errors files job masks perturbation plugins preprocessing scoring store",
    "collect": "blocks clip errors files job preprocessing store",
    "render": "blocks errors files job layers preprocessing render store",
    "page": "errors files job layers page store",
}


wildcard_constraints:
    agent=NAME,
    perturbation=NAME,
    method=NAME,
    clip=NAME,
    seed=r"\d+",
    block=r"\d+",


def code(script, modules=None):
    """Return a script and the modules that it uses, with the package's own __init__."""
    names = ["__init__", *MODULES[modules or script].split()]
    files = [ROOT / "scripts" / "searchlight" / f"{name}.py" for name in names]
    if (modules or script) == "page":
        files.append(ROOT / "scripts" / "searchlight" / "page.html")
    return [str(file) for file in (ROOT / "scripts" / f"{script}.py", *files)]


def say_unpinned():
    """Print the line that pins each checkpoint whose digest the config does not give."""
    for name, agent in settings.agents.items():
        path = Path(f"results/agents/{name}/policy.safetensors")
        if agent.sha256 is None and not agent.checkpoint.startswith("bundled:") and path.exists():
            from searchlight.checkpoint import read_metadata

            digest = read_metadata(path)["sha256"]
            print(f"agents.{name}: to pin its checkpoint, add  sha256: {digest}", file=sys.stderr)


def pages():
    return [f"results/clips/{clip}/index.html" for clip in settings.clips]


def checkpoint_file(wildcards):
    """Return an agent's checkpoint where it is a file that is there; a missing one is the job's to report."""
    path = local_path(settings.agents[wildcards.agent].checkpoint, BUNDLED)
    return [str(path)] if path is not None and path.is_file() else []


def checkpoint_source(wildcards):
    return settings.agents[wildcards.agent].model_dump(mode="json", include={"checkpoint", "member", "sha256"})


def episode_settings(wildcards):
    agent = settings.agents[wildcards.agent]
    max_steps = next(
        clip.max_steps
        for clip in settings.clips.values()
        if (clip.agent, clip.seed) == (wildcards.agent, int(wildcards.seed))
    )
    return {**agent.model_dump(mode="json", include={"env", "preprocessing", "actions"}), "max_steps": max_steps}


def perturbation_settings(wildcards):
    return settings.perturbations[wildcards.perturbation].model_dump(mode="json")


def responses_of_method(wildcards):
    perturbation = settings.methods[wildcards.method].perturbation
    return f"results/responses/{wildcards.agent}/seed-{wildcards.seed}/{perturbation}/{wildcards.block}.zarr.zip"


def scorer_settings(wildcards):
    return settings.methods[wildcards.method].scorer


def episode_of_clip(wildcards):
    clip = settings.clips[wildcards.clip]
    return f"results/episodes/{clip.agent}/seed-{clip.seed}.zarr.zip"


def saliency_of_clip(wildcards):
    clip = settings.clips[wildcards.clip]
    return [
        f"results/saliency/{clip.agent}/seed-{clip.seed}/{wildcards.method}/{block}.zarr.zip"
        for block in blocks_of(*clip.frames, settings.block_size)
    ]


def clip_settings(wildcards):
    return {
        "frames": list(settings.clips[wildcards.clip].frames),
        "scale": settings.methods[wildcards.method].scale,
    }


def clip_frames(wildcards):
    return list(settings.clips[wildcards.clip].frames)


def video_settings(wildcards):
    return {"style": settings.video.model_dump(mode="json"), "fps": settings.clips[wildcards.clip].fps}


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
    return {"methods": list(clip.methods), "fps": clip.fps, "colours": colours}
