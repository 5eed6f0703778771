"""The tables of ``docs/scaling.md``: what a large sweep takes on paper, and what ``scale.py`` measured, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from report import table

GAMES, SEEDS, CLUSTER_CORES = 57, 5, 1_000
EPISODES = GAMES * SEEDS
# Decisions of an episode: of a usual one, and of the longest that there can be.
DECISIONS = (5_000, 27_000)
BLOCK_SIZES = (240, 1_600)
# Files that a job leaves beside its outputs: a log and a benchmark; Snakemake keeps one record for each output.
BESIDE = 2
VIDEOS = 4


def sweep(results: dict[str, Any], scale: dict[str, Any]) -> str:
    """Return a table of what the sweep takes, for both lengths of an episode and both block sizes."""
    columns = [(decisions, block) for decisions in DECISIONS for block in BLOCK_SIZES]
    found = [on_paper(results, scale, *column) for column in columns]
    titles = [f"{decisions:,} decisions, blocks of {block:,}" for decisions, block in columns]
    cases = ", ".join(f"{1e3 * row['ours_s']:.0f} ms (`{case}`)" for case, row in _methods(results).items())
    return "\n".join(
        [
            table(
                [f"of {EPISODES} episodes", *titles],
                [[name, *(_short(one[name]) for one in found)] for name in found[0]],
            ),
            "",
            f"- Measured on {_about(results)}, one core: a frame takes {cases}",
            f"  from the screen to its maps, and a job takes {_start_up_s(results):.1f} s to start.",
            f"- Measured on {_about(scale)}: Snakemake takes {1e3 * _planning_s(scale):.1f} ms to plan a job,",
            f"  and {1e3 * _starting_s(scale):.0f} ms to start it.",
        ]
    )


def on_paper(results: dict[str, Any], scale: dict[str, Any], decisions: int, block: int) -> dict[str, float]:
    """Return what the sweep takes.

    Args:
        results: what ``run.py`` measured.
        scale: what ``scale.py`` measured.
        decisions: of each episode.
        block: frames of a block.
    """
    methods, frames = _methods(results), EPISODES * decisions
    # perturb and score, for each block and method.
    in_blocks = EPISODES * len(methods) * 2 * ceil(decisions / block)
    # Of each episode: rollout, its length, the check of frames, gameplay, page; of each method: collect and render.
    others = GAMES + EPISODES * (5 + 2 * len(methods))
    jobs = in_blocks + others
    milliseconds = {row["step"].partition(",")[0]: row["ms"] for row in results["steps"]}
    network_s = frames * sum(row["ours_s"] for row in methods.values())
    around_s = jobs * _start_up_s(results) + frames / 1e3 * (
        milliseconds["rollout"] + len(methods) * (milliseconds["score and collect"] + milliseconds["render"])
    )
    base, largest = scale["plans"][0], scale["plans"][-1]
    mb_a_job = (largest["peak_mb"] - base["peak_mb"]) / (largest["jobs"] - base["jobs"])
    outputs = jobs + EPISODES * len(methods) * (VIDEOS - 1)
    return {
        "jobs": jobs,
        "core hours, from screens to maps": network_s / 3600,
        "core hours, all else": around_s / 3600,
        f"minutes on {CLUSTER_CORES:,} cores, were they always busy": (network_s + around_s) / CLUSTER_CORES / 60,
        "Snakemake: minutes to plan": jobs * _planning_s(scale) / 60,
        "Snakemake: GB to plan": (base["peak_mb"] + jobs * mb_a_job) / 1e3,
        "Snakemake: minutes to start all": jobs * _starting_s(scale) / 60,
        "files, with logs, benchmarks and records": BESIDE * jobs + 2 * outputs,
    }


def plans(scale: dict[str, Any]) -> str:
    """Return a table of dry runs."""
    rows: Sequence[tuple[str, str, str]] = (
        ("jobs", "jobs", ",.0f"),
        ("seconds", "wall_s", ".1f"),
        ("seconds, where each job is printed", "printed_wall_s", ".1f"),
        ("peak memory, MB", "peak_mb", ".0f"),
    )
    return table(
        ["a dry run, `--quiet`, of", *(f"{plan['blocks']:,} blocks" for plan in scale["plans"])],
        [[title, *(format(plan[key], form) for plan in scale["plans"])] for title, key, form in rows],
    )


def runs(scale: dict[str, Any]) -> str:
    """Return a table of runs of empty jobs: a row for each scheduler, a column for each number of blocks."""
    blocks = list(dict.fromkeys(run["blocks"] for run in scale["runs"]))
    found = {(run["how"], run["blocks"]): f"{run['own_cpu_ms_a_job']:.0f}" for run in scale["runs"]}
    return table(
        ["Snakemake's own ms a job", *(f"{count:,} blocks" for count in blocks)],
        [[how, *(found.get((how, count), "") for count in blocks)] for how in dict.fromkeys(how for how, _ in found)],
    )


def _methods(results: dict[str, Any]) -> dict[str, Any]:
    """Return the cases that are methods."""
    return {case: row for case, row in results["cases"].items() if case != "end_to_end"}


def _start_up_s(results: dict[str, Any]) -> float:
    """Return the seconds in which a ``perturb`` job starts; others start in at most that."""
    return float(results["frames"][0]["seconds"] * results["frames"][0]["start_up_share"])


def _planning_s(scale: dict[str, Any]) -> float:
    """Return Snakemake's seconds to plan a job of the largest plan."""
    return float(scale["plans"][-1]["cpu_s"] / scale["plans"][-1]["jobs"])


def _starting_s(scale: dict[str, Any]) -> float:
    """Return Snakemake's seconds to start a job where its scheduler looks at some of 1,000 blocks."""
    (run,) = [run for run in scale["runs"] if run["blocks"] == 1_000 and "subsample" in run["how"]]
    return float(run["own_cpu_ms_a_job"] / 1e3)


def _about(measured: dict[str, Any]) -> str:
    return f"{measured['machine']['processor']}, {measured['machine']['cores']} cores"


def _short(number: float) -> str:
    """Return a number of two digits that count."""
    return f"{float(f'{number:.2g}'):,g}"
