# Searchlight: where Atari agents look. The rules are the table of contents, the paths in results/ say which made what.
from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/agents.smk"
include: "workflow/rules/saliency.smk"
include: "workflow/rules/clips.smk"


localrules:
    all,
    episodes,
    episode_length,


onsuccess:
    say_unpinned()


rule all:
    default_target: True
    input:
        pages(),


# The episodes alone: to look at them, and for a sweep of many open ends, whose jobs are then all known at once.
rule episodes:
    input:
        episodes(),
