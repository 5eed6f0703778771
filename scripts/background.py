"""Find what is usually there on the screens of an episode."""

from searchlight.job import job

with job("background", snakemake.log[0], snakemake.threads, snakemake.params.lineage):
    from searchlight.saliency.background import write_background

    write_background(snakemake.input.episode, snakemake.output[0], window=snakemake.params.window)
