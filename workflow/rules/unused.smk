# What is no longer asked for: results whose paths the config does not give any more.
from snakemake.io import apply_wildcards

RULES = workflow.modifier.rules - OTHERS  # of those that follow, none makes results


def files_of(rule):
    """Return the paths that a rule writes, with their wildcards."""
    return [str(file) for file in (*rule.output, *rule.log, *filter(None, [rule.benchmark]))]


def last_frame(clip):
    """Return the last frame that a clip may have: of an open end, that of the episode that is there."""
    if clip.frames[1] != "end":
        return clip.frames[1]
    episode, length = (
        Path(in_place(f"results/episodes/{clip.agent}/seed-{clip.seed}.{kind}")) for kind in ("zarr.zip", "length")
    )
    try:
        if length.stat().st_mtime_ns >= episode.stat().st_mtime_ns:
            with length.open(errors="replace") as file:
                return read_length(file) - 1
    except (OSError, SearchlightError):
        pass
    return clip.max_steps - 1


def jobs_of_clips():
    """Return the jobs that the clips need, as rules with their wildcards."""
    jobs = set()
    for name, clip in settings.clips.items():
        rules = [rule for rule in RULES if not rule.is_checkpoint or clip.frames[1] == "end"]
        for method in clip.methods:
            perturbation = settings.methods[method].perturbation
            for block in blocks_of(clip.frames[0], last_frame(clip), settings.block_size):
                wildcards = {"clip": name, "agent": clip.agent, "seed": str(clip.seed), "method": method}
                wildcards |= {"perturbation": perturbation, "block": str(block)}
                if (window := window_of(perturbation)) is not None:
                    wildcards["window"] = str(window)
                jobs |= {
                    (rule, tuple((key, wildcards[key]) for key in sorted(rule.wildcard_names)))
                    for rule in rules
                    if rule.wildcard_names <= wildcards.keys()
                }
    return jobs


def files_in_use(wildcards):
    return [apply_wildcards(file, dict(names)) for rule, names in jobs_of_clips() for file in files_of(rule)]


def patterns_of_results(wildcards):
    return [file for rule in RULES for file in files_of(rule)]
