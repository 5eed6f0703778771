"""Write the number of frames of an episode."""

from searchlight.job import job

with job("episode_length", snakemake.log[0], snakemake.threads, snakemake.params.lineage):
    from searchlight.agents.episode_length import write_length

    write_length(snakemake.input.episode, snakemake.output[0])
