# Searchlight: where Atari agents look. The rules are the table of contents, the paths in results/ say which made what.
from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/agents.smk"
include: "workflow/rules/saliency.smk"
include: "workflow/rules/clips.smk"


# A cluster's nodes may have no internet, and see no checkpoint that lies outside of this folder.
localrules:
    all,
    fetch_checkpoint,


onsuccess:
    say_unpinned()


rule all:
    default_target: True
    input:
        pages(),
