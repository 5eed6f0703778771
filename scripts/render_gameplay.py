"""Render the frames of a clip as they were played."""

from searchlight.job import job

with job("render_gameplay", snakemake.log[0], snakemake.threads, snakemake.params.lineage):
    from searchlight.clips.render import render_gameplay

    render_gameplay(
        snakemake.input.episode,
        snakemake.output[0],
        clip=snakemake.wildcards.clip,
        frames=snakemake.params.frames,
        zoom=snakemake.params.zoom,
        fps=snakemake.params.fps,
        threads=snakemake.threads,
    )
