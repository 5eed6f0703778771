"""Play one seeded episode into a store."""

from searchlight.job import job

with job("rollout", snakemake.log[0], snakemake.threads, snakemake.params.lineage) as notice:
    from searchlight.agents.rollout import play_episode

    episode = snakemake.params.episode
    outcome = play_episode(snakemake.input.policy, snakemake.output[0], **episode)
    notice(
        f"{episode['agent']}, seed {episode['seed']}: score {outcome.score:g} in {outcome.steps} steps ({outcome.ended})"
    )
