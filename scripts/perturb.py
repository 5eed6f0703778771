"""Compute the network's responses to a perturbation for one block of frames."""

from searchlight.job import job

with job("perturb", snakemake.log[0], snakemake.threads, snakemake.params.lineage):
    from searchlight.saliency.perturb import perturb_block

    perturb_block(
        snakemake.input.policy,
        snakemake.input.episode,
        snakemake.output[0],
        perturbation=snakemake.params.perturbation,
        block=int(snakemake.wildcards.block),
        block_size=snakemake.params.block_size,
        background_path=snakemake.input.background or None,
        threads=snakemake.threads,
        device=snakemake.params.device,
        network=snakemake.params.network,
    )
