"""Draw a measure of a clip."""

from searchlight.job import job

with job("draw_measure", snakemake.log[0], snakemake.threads, snakemake.params.lineage):
    from searchlight.clips.draw_measure import draw_measure

    draw_measure(
        snakemake.input.of_clip or None,
        snakemake.input.of_methods,
        snakemake.output[0],
        clip=snakemake.wildcards.clip,
        name=snakemake.wildcards.measure,
        arguments=snakemake.params.arguments,
    )
