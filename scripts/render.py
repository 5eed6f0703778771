"""Render the videos of a clip for one method."""

from searchlight.job import job

with job("render", snakemake.log[0], snakemake.threads, snakemake.params.lineage):
    from searchlight.clips.draw import Style
    from searchlight.clips.render import render_method
    from searchlight.config.views import LAYERS

    render_method(
        snakemake.input.clip,
        dict(zip(LAYERS, snakemake.output, strict=True)),
        style=Style(**snakemake.params.style),
        gain=snakemake.params.gain,
        fps=snakemake.params.fps,
        threads=snakemake.threads,
    )
