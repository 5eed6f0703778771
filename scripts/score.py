"""Turn one block's responses into saliency maps."""

from searchlight.job import job

with job("score", snakemake.log[0], snakemake.threads, snakemake.params.lineage):
    from searchlight.saliency.score import score_block

    score_block(
        snakemake.input.responses,
        snakemake.output[0],
        scorer=snakemake.params.scorer,
        compares=snakemake.params.compares,
        temperature=snakemake.params.temperature,
        signed=snakemake.params.signed,
    )
