"""Fetch an agent's checkpoint and convert it to safetensors."""

from searchlight.job import job

with job("fetch_checkpoint", snakemake.log[0], snakemake.threads, snakemake.params.lineage) as notice:
    from searchlight.agents.checkpoint import fetch_checkpoint

    fetch_checkpoint(
        snakemake.params.pin.checkpoint,
        snakemake.params.source["member"],
        snakemake.params.pin.sha256,
        bundled=snakemake.params.bundled,
        output=snakemake.output[0],
        notice=notice,
        network=snakemake.params.source["network"],
        pinned=snakemake.params.source["pinned"],
    )
