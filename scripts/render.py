"""Render the videos of a clip by one method."""

from searchlight.job import job

with job("render", snakemake.log[0], snakemake.threads):
    from searchlight.layers import LAYERS
    from searchlight.render import Style, render_method

    render_method(
        snakemake.input.clip,
        dict(zip(LAYERS, snakemake.output, strict=True)),
        style=Style(**snakemake.params.video["style"]),
        gain=snakemake.params.gain["gain"],
        fps=snakemake.params.video["fps"],
        threads=snakemake.threads,
    )
