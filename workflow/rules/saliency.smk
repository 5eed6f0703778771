# Saliency, block by block: the network's responses to perturbations, the maps made from them, and maps of gradients.


# Runs once an episode, for methods that need what is usually there.
rule background:
    input:
        episode="results/episodes/{agent}/seed-{seed}.zarr.zip",
    output:
        "results/backgrounds/{agent}/seed-{seed}/{window}.zarr.zip",
    log:
        "results/logs/background/{agent}/seed-{seed}/{window}.log",
    benchmark:
        "results/benchmarks/background/{agent}/seed-{seed}/{window}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
    params:
        **tracked("background", after=["rollout"], only_with="window", window=setting("windows/{window}")),
    script:
        "../../scripts/background.py"


rule perturb:
    input:
        policy="results/agents/{agent}/policy.safetensors",
        episode="results/episodes/{agent}/seed-{seed}.zarr.zip",
        background=from_config("results/backgrounds/{agent}/seed-{seed}/{window}.zarr.zip"),
    output:
        "results/responses/{agent}/seed-{seed}/{perturbation}/{block}.zarr.zip",
    log:
        "results/logs/perturb/{agent}/seed-{seed}/{perturbation}/{block}.log",
    benchmark:
        "results/benchmarks/perturb/{agent}/seed-{seed}/{perturbation}/{block}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
        gpu=int(settings.device == "cuda"),
    params:
        **tracked(
            "perturb",
            after=["rollout", "background"],
            perturbation=setting("perturbations/{perturbation}"),
            block_size=settings.block_size,
            device=settings.device,
            network=setting("agents/{agent}/network"),
        ),
    script:
        "../../scripts/perturb.py"


rule score:
    input:
        responses=from_config("results/responses/{agent}/seed-{seed}/{perturbation}/{block}.zarr.zip"),
    output:
        "results/saliency/{agent}/seed-{seed}/{method}/{block}.zarr.zip",
    log:
        "results/logs/score/{agent}/seed-{seed}/{method}/{block}.log",
    benchmark:
        "results/benchmarks/score/{agent}/seed-{seed}/{method}/{block}.tsv"
    wildcard_constraints:
        method=any_of(name for name, one in settings.methods.items() if one.gradient is None),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        **tracked(
            "score",
            after=["perturb"],
            only_with="perturbation",
            scorer=setting("methods/{method}/scorer"),
            compares=setting("methods/{method}/output"),
            temperature=setting("methods/{method}/temperature"),
            signed=setting("methods/{method}/signed"),
        ),
    script:
        "../../scripts/score.py"


rule differentiate:
    input:
        policy="results/agents/{agent}/policy.safetensors",
        episode="results/episodes/{agent}/seed-{seed}.zarr.zip",
        background=from_config("results/backgrounds/{agent}/seed-{seed}/{window}.zarr.zip"),
    output:
        "results/saliency/{agent}/seed-{seed}/{method}/{block}.zarr.zip",
    log:
        "results/logs/differentiate/{agent}/seed-{seed}/{method}/{block}.log",
    benchmark:
        "results/benchmarks/differentiate/{agent}/seed-{seed}/{method}/{block}.tsv"
    wildcard_constraints:
        method=any_of(name for name, one in settings.methods.items() if one.gradient is not None),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(15),
    params:
        **tracked(
            "differentiate",
            after=["rollout", "background"],
            only_with="gradient",
            gradient=setting("methods/{method}/gradient"),
            of=setting("methods/{method}/of"),
            signed=setting("methods/{method}/signed"),
            block_size=settings.block_size,
            network=setting("agents/{agent}/network"),
        ),
    script:
        "../../scripts/differentiate.py"
