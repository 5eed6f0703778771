"""Delete the results that the config no longer names."""

from searchlight.job import job

with job("delete_unused", snakemake.log[0]) as notice:
    from searchlight.store.locks import check_alone
    from searchlight.store.unused import delete, find_unused, in_short

    check_alone(".snakemake")
    unused = find_unused(snakemake.params.results, snakemake.params.patterns, set(snakemake.params.used))
    notice(in_short(unused))
    print(*unused, sep="\n")
    delete(snakemake.params.results, unused)
