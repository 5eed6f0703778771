"""Take the part of a measure that is of a method."""

from searchlight.job import job

with job("measure_method", snakemake.log[0], snakemake.threads, snakemake.params.lineage) as notice:
    from searchlight.clips.measure_method import measure_method

    measure_method(
        snakemake.input.policy,
        snakemake.input.episode,
        snakemake.input.saliency,
        snakemake.output[0],
        clip=snakemake.wildcards.clip,
        method=snakemake.wildcards.method,
        how=snakemake.params.how,
        **snakemake.params.measure,
        of_clip_path=snakemake.input.of_clip or None,
        background_path=snakemake.input.background or None,
        network=snakemake.params.network,
        threads=snakemake.threads,
        notice=notice,
    )
