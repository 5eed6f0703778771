# Unused results: files of this workflow's rules that the config no longer asks for.
from snakemake.io import strip_wildcard_constraints

RULES = workflow.modifier.rules - OTHERS  # rules that follow make no results


def files_of(rule):
    """Return the paths that a rule writes, with their wildcards."""
    return [
        strip_wildcard_constraints(str(file)) for file in (*rule.output, *rule.log, *filter(None, [rule.benchmark]))
    ]


def last_frame(clip):
    """Return the last frame that a clip may have. With an open end, it is that of the present episode."""
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


def files_in_use(wildcards):
    """Return the files of all jobs that the clips need."""
    files = set()
    for name, clip in settings.clips.items():
        blocks = blocks_of(clip.frames[0], last_frame(clip), settings.block_size)
        for maker in RULES:
            if not maker.is_checkpoint or clip.frames[1] == "end":
                # A rule has its script's name, but for a prefix where another workflow uses this one.
                script = Path(maker.script or "").stem
                for file in files_of(maker):
                    files.update(plan.paths(file, plan.names({"clip": name}), blocks, script))
    return sorted(files)


def patterns_of_results(wildcards):
    return [file for rule in RULES for file in files_of(rule)]
