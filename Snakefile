# Searchlight: where Atari agents look. The rules are the table of contents, the paths in results/ say which made what.
from snakemake.utils import min_version

min_version("9.27")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/records.smk"
include: "workflow/rules/agents.smk"
include: "workflow/rules/saliency.smk"
include: "workflow/rules/clips.smk"
include: "workflow/rules/unused.smk"


onsuccess:
    say_unpinned()


rule all:
    input:
        files_of_clips(),


# The episodes alone: to look at them, and for a sweep of many open ends, whose jobs are then all known at once.
rule episodes:
    input:
        episodes(),


# Results that the config does not name any more; nothing else is listed, or deleted.
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
