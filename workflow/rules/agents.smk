# Agents: their weights, and the episodes that they play.


rule fetch_checkpoint:
    input:
        checkpoint=checkpoint_file,
    output:
        "results/agents/{agent}/policy.safetensors",
    log:
        "results/logs/fetch_checkpoint/{agent}.log",
    benchmark:
        "results/benchmarks/fetch_checkpoint/{agent}.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
    params:
        **tracked("fetch_checkpoint", source=checkpoint_source),
        pin=checkpoint_pin,
        bundled=str(BUNDLED),
    script:
        "../../scripts/fetch_checkpoint.py"


rule rollout:
    input:
        policy="results/agents/{agent}/policy.safetensors",
    output:
        "results/episodes/{agent}/seed-{seed}.zarr.zip",
    log:
        "results/logs/rollout/{agent}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/rollout/{agent}/seed-{seed}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        **tracked(
            "rollout",
            after=["fetch_checkpoint"],
            episode=setting("episodes/{agent}/{seed}"),
            environment_code=setting("environment_code/{agent}"),
        ),
    script:
        "../../scripts/rollout.py"


# Only clips with an open end ask for it: the number of their blocks is known once their episode was played.
checkpoint episode_length:
    input:
        episode="results/episodes/{agent}/seed-{seed}.zarr.zip",
    output:
        "results/episodes/{agent}/seed-{seed}.length",
    log:
        "results/logs/episode_length/{agent}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/episode_length/{agent}/seed-{seed}.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    # Its code is left out, because the number stays the same. Otherwise, an edit would run all that waits for it again.
    params:
        **tracked("episode_length", after=["rollout"], with_code=False),
    script:
        "../../scripts/episode_length.py"
