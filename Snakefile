# Searchlight: where Atari agents look. The included files hold the rules, in the order in which they run.
from snakemake.utils import min_version

min_version("9.27")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/records.smk"
include: "workflow/rules/agents.smk"
include: "workflow/rules/saliency.smk"
include: "workflow/rules/measures.smk"
include: "workflow/rules/clips.smk"
include: "workflow/rules/unused.smk"


onsuccess:
    say_unpinned()


rule all:
    input:
        files_of_clips(),


# Plays the episodes alone. After it, all jobs of clips with an open end are known at once, because lengths are.
rule episodes:
    input:
        episodes(),


# Lists results that the config no longer names. Files that no rule makes are never listed or deleted.
rule list_unused:
    log:
        "results/logs/list_unused.log",
    localrule: True
    conda:
        "environment.yml"
    params:
        patterns=patterns_of_results,
        used=files_in_use,
        results=in_place("results/"),
    script:
        "scripts/list_unused.py"


rule delete_unused:
    log:
        "results/logs/delete_unused.log",
    localrule: True
    conda:
        "environment.yml"
    params:
        patterns=patterns_of_results,
        used=files_in_use,
        results=in_place("results/"),
    script:
        "scripts/delete_unused.py"
