"""Write a clip's measures as tables."""

from searchlight.job import job

with job("tabulate_measures", snakemake.log[0], snakemake.threads, snakemake.params.lineage):
    from searchlight.clips.tabulate_measures import tabulate_measures

    tabulate_measures(
        snakemake.input.of_clip,
        snakemake.input.of_methods,
        snakemake.output.table,
        snakemake.output.curves,
        chosen=snakemake.params.chosen,
    )
