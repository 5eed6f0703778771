"""Write the page that shows a clip."""

from searchlight.job import job

with job("page", snakemake.log[0], snakemake.threads, snakemake.params.lineage):
    from searchlight.clips.page import write_page

    write_page(
        snakemake.input.clips,
        snakemake.input.gameplay,
        snakemake.input.videos,
        snakemake.output[0],
        clip=snakemake.wildcards.clip,
        methods=snakemake.params.methods,
        gains=snakemake.params.gains,
        fps=snakemake.params.fps,
        colours=snakemake.params.colours,
        taken=[*snakemake.input.of_clip, *snakemake.input.of_methods],
        measures=(snakemake.input.measures, snakemake.input.curves) if snakemake.input.measures else None,
    )
