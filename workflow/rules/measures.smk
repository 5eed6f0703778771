# Measures: how far to believe a clip's maps. What does not depend on a method is computed once for a clip.


rule measure_clip:
    input:
        policy=from_config("results/agents/{agent}/policy.safetensors"),
        episode=from_config("results/episodes/{agent}/seed-{seed}.zarr.zip"),
        background=from_config("results/backgrounds/{agent}/seed-{seed}/{window}.zarr.zip"),
        frames=from_config("results/clips/{uses_frames}/frames.txt"),
    output:
        "results/measures/{clip}/{measure}.zarr.zip",
    log:
        "results/logs/measure_clip/{clip}/{measure}.log",
    benchmark:
        "results/benchmarks/measure_clip/{clip}/{measure}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(30),
    params:
        **tracked(
            "measure_clip",
            after=["rollout", "background"],
            only_with="of_clip",
            without=["method", "perturbation", "gradient", "window"],
            measure=setting("measured/{clip}/{measure}"),
            network=setting("agents/{agent}/network"),
        ),
    script:
        "../../scripts/measure_clip.py"


rule measure_method:
    input:
        policy=from_config("results/agents/{agent}/policy.safetensors"),
        episode=from_config("results/episodes/{agent}/seed-{seed}.zarr.zip"),
        background=from_config("results/backgrounds/{agent}/seed-{seed}/{window}.zarr.zip"),
        of_clip=from_config("results/measures/{clip}/{of_clip}.zarr.zip"),
        saliency=from_config("results/saliency/{agent}/seed-{seed}/{uses_maps}/{block}.zarr.zip"),
        frames=from_config("results/clips/{uses_frames}/frames.txt"),
    output:
        "results/measures/{clip}/{method}/{measure}.zarr.zip",
    log:
        "results/logs/measure_method/{clip}/{method}/{measure}.log",
    benchmark:
        "results/benchmarks/measure_method/{clip}/{method}/{measure}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(60),
    params:
        **tracked(
            "measure_method",
            after=["rollout", "background", "score", "differentiate", "measure_clip"],
            only_with="of_method",
            needing={"score": "uses_maps", "differentiate": "uses_maps"},
            measure=setting("measured/{clip}/{measure}"),
            how=setting("maps/{method}"),
            network=setting("agents/{agent}/network"),
        ),
    script:
        "../../scripts/measure_method.py"


rule tabulate_measures:
    input:
        of_clip=from_config("results/measures/{clip}/{of_clip}.zarr.zip"),
        of_methods=from_config("results/measures/{clip}/{method}/{of_method}.zarr.zip"),
    output:
        table=report(
            "results/clips/{clip}/measures.csv",
            caption="../report/measures.rst",
            category="measures",
            labels={"clip": "{clip}", "shows": "table"},
        ),
        curves=report(
            "results/clips/{clip}/measures-by-frame.csv",
            caption="../report/measures-by-frame.rst",
            category="measures",
            labels={"clip": "{clip}", "shows": "numbers along the frames"},
        ),
    log:
        "results/logs/tabulate_measures/{clip}.log",
    benchmark:
        "results/benchmarks/tabulate_measures/{clip}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        **tracked(
            "tabulate_measures",
            after=["measure_clip", "measure_method"],
            only_with="measured",
            chosen=setting("clips/{clip}/measures"),
            methods=setting("clips/{clip}/methods"),
        ),
    script:
        "../../scripts/tabulate_measures.py"


rule draw_measure:
    input:
        of_clip=from_config("results/measures/{clip}/{of_clip}.zarr.zip"),
        of_methods=from_config("results/measures/{clip}/{method}/{of_method}.zarr.zip"),
    output:
        report(
            "results/clips/{clip}/{measure}.png",
            caption="../report/figure.rst",
            category="measures",
            labels={"clip": "{clip}", "shows": "{measure}"},
        ),
    log:
        "results/logs/draw_measure/{clip}/{measure}.log",
    benchmark:
        "results/benchmarks/draw_measure/{clip}/{measure}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        **tracked(
            "draw_measure",
            after=["measure_clip", "measure_method"],
            only_with="measure",
            arguments=setting("clips/{clip}/measures/{measure}"),
            methods=setting("clips/{clip}/methods"),
        ),
    script:
        "../../scripts/draw_measure.py"
