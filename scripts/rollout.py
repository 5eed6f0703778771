"""Play one seeded episode into a store."""

from searchlight.job import job

with job("rollout", snakemake.log[0], snakemake.threads, snakemake.params.lineage) as notice:
    from searchlight.agents.rollout import play_episode

    played = play_episode(snakemake.input.policy, snakemake.output[0], **snakemake.params.episode)
    which = f"{snakemake.wildcards.agent}, seed {snakemake.wildcards.seed}"
    if played.caution is not None:
        notice(played.caution)
    notice(f"{which}: score {played.score:g} in {played.steps} steps ({played.ended})")
