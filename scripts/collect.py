"""Collect a clip's frames, maps and outputs in one store."""

from searchlight.job import job

with job("collect", snakemake.log[0], snakemake.threads, snakemake.params.lineage) as notice:
    from searchlight.clips.collect import collect_clip

    collect_clip(
        snakemake.input.episode,
        snakemake.input.saliency,
        snakemake.output[0],
        clip=snakemake.wildcards.clip,
        method=snakemake.wildcards.method,
        frames=snakemake.params.frames,
        scale=snakemake.params.scale,
        notice=notice,
    )
