"""List the results that the config no longer names."""

import os

from searchlight.job import job

terminal = os.fdopen(os.dup(1), "w")  # the job's output goes to its log

with job("list_unused", snakemake.log[0]) as notice, terminal:
    from searchlight.store.unused import find_unused, in_short

    unused = find_unused(snakemake.params.results, snakemake.params.patterns, set(snakemake.params.used))
    for place in (None, terminal):
        print(*unused, sep="\n", file=place)
    notice(in_short(unused))
