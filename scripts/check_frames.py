"""Check that an episode holds a clip's frames."""

from searchlight.job import job

with job("check_frames", snakemake.log[0], snakemake.threads, snakemake.params.lineage):
    from searchlight.clips.check_frames import check_frames

    check_frames(
        snakemake.input.episode, snakemake.output[0], clip=snakemake.wildcards.clip, frames=snakemake.params.frames
    )
