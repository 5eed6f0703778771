"""Take the part of a measure that is of a clip."""

from searchlight.job import job

with job("measure_clip", snakemake.log[0], snakemake.threads, snakemake.params.lineage) as notice:
    from searchlight.clips.measure_clip import measure_clip

    measure_clip(
        snakemake.input.policy,
        snakemake.input.episode,
        snakemake.output[0],
        clip=snakemake.wildcards.clip,
        **snakemake.params.measure,
        background_path=snakemake.input.background or None,
        network=snakemake.params.network,
        threads=snakemake.threads,
        notice=notice,
    )
