# Clips: what a user asked for, as one store, as videos, as a page.


# Runs first after the episode: all other jobs of a clip wait until its frames are known to be there.
rule check_frames:
    input:
        episode=from_config("results/episodes/{agent}/seed-{seed}.zarr.zip"),
    output:
        "results/clips/{clip}/frames.txt",
    log:
        "results/logs/check_frames/{clip}.log",
    benchmark:
        "results/benchmarks/check_frames/{clip}.tsv"
    priority: 100
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    # Its code is left out, because the frames stay the same. Otherwise, an edit would make all that waits for them again.
    params:
        **tracked("check_frames", after=["rollout"], with_code=False, frames=setting("clips/{clip}/frames")),
    script:
        "../../scripts/check_frames.py"


rule collect:
    input:
        episode=from_config("results/episodes/{agent}/seed-{seed}.zarr.zip"),
        saliency=from_config("results/saliency/{agent}/seed-{seed}/{method}/{block}.zarr.zip"),
        frames="results/clips/{clip}/frames.txt",
    output:
        "results/clips/{clip}/{method}.zarr.zip",
    log:
        "results/logs/collect/{clip}/{method}.log",
    benchmark:
        "results/benchmarks/collect/{clip}/{method}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
    params:
        **tracked(
            "collect",
            after=["score", "differentiate"],
            frames=setting("clips/{clip}/frames"),
            scale=setting("methods/{method}/scale"),
        ),
    script:
        "../../scripts/collect.py"


rule render_gameplay:
    input:
        episode=from_config("results/episodes/{agent}/seed-{seed}.zarr.zip"),
        frames="results/clips/{clip}/frames.txt",
    output:
        report(
            "results/clips/{clip}/gameplay.mp4",
            caption="../report/gameplay.rst",
            category="{clip}",
            labels={"shows": "gameplay", "method": "none"},
        ),
    log:
        "results/logs/render_gameplay/{clip}.log",
    benchmark:
        "results/benchmarks/render_gameplay/{clip}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
    params:
        **tracked(
            "render_gameplay",
            after=["rollout"],
            frames=setting("clips/{clip}/frames"),
            fps=setting("clips/{clip}/fps"),
            zoom=settings.video.zoom,
        ),
    script:
        "../../scripts/render_gameplay.py"


rule render:
    input:
        clip="results/clips/{clip}/{method}.zarr.zip",
    output:
        actor=report(
            "results/clips/{clip}/{method}.actor.mp4",
            caption="../report/actor.rst",
            category="{clip}",
            labels={"shows": "actor", "method": "{method}"},
        ),
        critic=report(
            "results/clips/{clip}/{method}.critic.mp4",
            caption="../report/critic.rst",
            category="{clip}",
            labels={"shows": "critic", "method": "{method}"},
        ),
        both=report(
            "results/clips/{clip}/{method}.both.mp4",
            caption="../report/both.rst",
            category="{clip}",
            labels={"shows": "both in one frame", "method": "{method}"},
        ),
        side_by_side=report(
            "results/clips/{clip}/{method}.side-by-side.mp4",
            caption="../report/side-by-side.rst",
            category="{clip}",
            labels={"shows": "side by side", "method": "{method}"},
        ),
    log:
        "results/logs/render/{clip}/{method}.log",
    benchmark:
        "results/benchmarks/render/{clip}/{method}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        **tracked(
            "render",
            after=["collect"],
            style=settings.video.look(),
            gain=setting("methods/{method}/gain"),
            fps=setting("clips/{clip}/fps"),
        ),
    script:
        "../../scripts/render.py"


rule page:
    input:
        clips=from_config("results/clips/{clip}/{method}.zarr.zip"),
        gameplay="results/clips/{clip}/gameplay.mp4",
        videos=from_config("results/clips/{clip}/{method}.{layer}.mp4"),
        measures=from_config("results/clips/{measured}/measures.csv"),
        curves=from_config("results/clips/{measured}/measures-by-frame.csv"),
        of_clip=from_config("results/measures/{clip}/{of_clip}.zarr.zip"),
        of_methods=from_config("results/measures/{clip}/{method}/{of_method}.zarr.zip"),
    output:
        report(
            "results/clips/{clip}/index.html",
            caption="../report/page.rst",
            category="{clip}",
            labels={"shows": "page", "method": "all"},
        ),
    log:
        "results/logs/page/{clip}.log",
    benchmark:
        "results/benchmarks/page/{clip}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
    params:
        **tracked(
            "page",
            after=["render_gameplay", "render", "tabulate_measures"],
            methods=setting("clips/{clip}/methods"),
            gains=setting("methods/{method}/gain"),
            fps=setting("clips/{clip}/fps"),
            colours=settings.video.model_dump(include={"actor", "critic", "raises", "lowers"}),
        ),
    script:
        "../../scripts/page.py"
