"""Turn gradients of the network's outputs into saliency maps for one block of frames."""

from searchlight.job import job

with job("differentiate", snakemake.log[0], snakemake.threads, snakemake.params.lineage):
    from searchlight.saliency.differentiate import differentiate_block

    differentiate_block(
        snakemake.input.policy,
        snakemake.input.episode,
        snakemake.output[0],
        gradient=snakemake.params.gradient,
        of=snakemake.params.of,
        signed=snakemake.params.signed,
        block=int(snakemake.wildcards.block),
        block_size=snakemake.params.block_size,
        background_path=snakemake.input.background or None,
        threads=snakemake.threads,
        network=snakemake.params.network,
    )
