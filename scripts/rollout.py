"""Play one seeded episode into a store."""

from searchlight.job import job

with job("rollout", snakemake.log[0], snakemake.threads, snakemake.params.lineage) as notice:
    from searchlight.agents.rollout import play_episode

    agent, seed = snakemake.wildcards.agent, int(snakemake.wildcards.seed)
    outcome = play_episode(
        snakemake.input.policy, snakemake.output[0], agent=agent, seed=seed, **snakemake.params.episode
    )
    notice(f"{agent}, seed {seed}: score {outcome.score:g} in {outcome.steps} steps ({outcome.ended})")
