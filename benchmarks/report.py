"""What ``run.py`` measured, as Markdown and as a plot. No sentence here quotes a figure that it does not compute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def plot(rows: Sequence[dict[str, float]], path: Path) -> None:
    """Draw time a frame, and the ratio, against the number of masks."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    masks = [row["masks"] for row in rows]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    left.loglog(masks, [row["baseline_s"] for row in rows], "o-", color="#999999", label="notebook's way")
    left.loglog(masks, [row["ours_s"] for row in rows], "o-", color="#3060ff", label="Searchlight")
    left.set(xlabel="masks", ylabel="seconds a frame", title="Time")
    left.legend(frameon=False)
    right.semilogx(masks, [row["ratio"] for row in rows], "o-", color="#ff2020")
    right.set(xlabel="masks", ylabel="times faster", title="Ratio", ylim=(0, None))
    for axes in (left, right):
        axes.set_xticks(masks, [f"{count:.0f}" for count in masks], minor=False)
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"## {title}\n\n{table(columns, rows)}\n"


def headline(results: dict[str, Any]) -> str:
    """Return the figures that the README gives."""
    notebook, whole = results["cases"]["notebook"], results["cases"]["end_to_end"]
    return (
        f"A frame by the notebook's own method takes {1e3 * notebook['ours_s']:.0f} ms in place of "
        f"{notebook['baseline_s']:.1f} s on one thread. The maps are the same to "
        f"{notebook['max_abs_difference']:.0e}.\n"
        f"{whole['frames_ours']} frames from nothing to videos take {whole['ours_s']:.0f} s on two cores in place of "
        f"an extrapolated {whole['baseline_s'] / 60:.0f} minutes\n([how it was measured](benchmarks/README.md))."
    )


def _by_imresize(rows: Sequence[dict[str, Any]]) -> str:
    """Return how many times longer `erase` takes by imresize than by cv2, for each agent."""
    seconds = {(row["agent"], row["preprocessing"]): row["ours_s"] for row in rows if row["case"] == "erase"}
    agents = dict.fromkeys(row["agent"] for row in rows if row["preprocessing"] == "imresize")
    return ", ".join(f"{agent} {seconds[agent, 'imresize'] / seconds[agent, 'cv2']:.1f}" for agent in agents)


def _measures(found: dict[str, Any] | None) -> list[str]:
    """Return how long the measures of the default run's clip take."""
    if found is None:
        return []
    rows = [(f"`{job}`", f"{seconds:.1f} s") for job, seconds in found["jobs"].items()]
    return [
        _table("Measures of the default run's clip, two methods", ("job", "time"), rows),
        f"All of them from the command to its end, on two cores: {found['seconds']:.0f} s (target "
        f"{found['target_s']} s). The episode and its background are there.\n",
    ]


def report(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    about = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    cases, whole = results["cases"], results["cases"]["end_to_end"]
    parts = [
        "# Benchmark\n",
        "Written by `make benchmark`. It measures the notebook's way (`baseline.py`) and Searchlight one after the\n"
        f"other, on the same frames of the bundled agent, on one thread.\n\nMachine: {about}.\n",
        _table(
            "A frame, from the screen to the maps",
            (
                "case",
                "notebook's way",
                "batched way",
                "Searchlight",
                "ratio",
                "target",
                "ratio to the batched way",
                "largest difference",
                "peak memory, MB",
            ),
            [
                (
                    f"`{case}`",
                    f"{1e3 * row['baseline_s']:.0f} ms",
                    f"{1e3 * row['batched_s']:.0f} ms",
                    f"{1e3 * row['ours_s']:.1f} ms",
                    f"{row['ratio']:.1f}",
                    str(row["target"]),
                    f"{row['batched_s'] / row['ours_s']:.1f}",
                    f"{row['max_abs_difference']:.0e}",
                    f"{row['baseline_peak_mb']:.0f} (5 frames), {row['peak_mb']:.0f} (a block)",
                )
                for case, row in cases.items()
                if case != "end_to_end"
            ],
        ),
        f"From nothing to videos, {whole['frames_ours']} frames, `notebook`, 2 threads: {whole['baseline_s']:.0f} s by "
        f"the notebook's way\n(extrapolated from {whole['frames_baseline']} frames, without its episode and video), "
        f"{whole['ours_s']:.0f} s by `snakemake --cores 2`: {whole['ratio']:.0f}\ntimes (target {whole['target']}).\n",
        "The batched way is what a competent user writes: masks made once, applied by numpy, and forwards in batches\n"
        "of 64. Its scoring is left out. The targets of the ratio to it are 100 for `notebook`, 3 for `upstream` and\n"
        "1.3 for `rise`.\n",
        "`upstream` hides wide, soft patches of the observation, so much of the network is computed again under each\n"
        "mask. `rise` changes all of the observation, so it needs whole forwards.\n",
        _table(
            "Other agents (a frame, from the screen to the outputs, beside the batched way)",
            (
                "case",
                "agent",
                "preprocessing",
                "masks",
                "batched way",
                "Searchlight",
                "ratio",
                "largest difference",
                "peak memory of a block of 40 frames, MB",
            ),
            [
                (
                    f"`{row['case']}`",
                    row["agent"],
                    f"`{row['preprocessing']}`",
                    str(row["masks"]),
                    f"{1e3 * row['batched_s']:.0f} ms",
                    f"{1e3 * row['ours_s']:.1f} ms",
                    f"{row['ratio']:.0f}" if row["ratio"] > 5 else f"{row['ratio']:.2f}",
                    f"{row['max_abs_difference']:.0e}",
                    f"{row['peak_mb']:.0f}" if row["peak_mb"] else "",
                )
                for row in results["agents"]
            ],
        ),
        "The target is that `erase` takes at most twice as long by `imresize` as by `cv2` on the same frames.\n"
        f"It takes this many times as long: {_by_imresize(results['agents'])}.\n"
        "The target for `notebook` by `imresize` is a ratio of 10.\n\n"
        "A2C Breakout and PPO Pong are agents of stable-baselines3, with stacks of four pictures. The target for\n"
        "`notebook` is a ratio of 8 to 12, and for `rise` 1. `newest` is `notebook` with `stack: newest`. What bounds\n"
        "`notebook` and `newest`: a window of 5x5 on the screen reaches about half of the last layer's 49 positions,\n"
        "so much of the last convolution and of the dense layer is computed again. `rise` changes all of the\n"
        "observation: both ways run the whole network for each mask, and little is left to gain around it.\n",
        _table(
            "Number of masks (`notebook`, windows further apart or closer)",
            ("masks", "notebook's way, s a frame", "Searchlight, ms a frame", "ratio"),
            [
                (f"{row['masks']}", f"{row['baseline_s']:.2f}", f"{1e3 * row['ours_s']:.1f}", f"{row['ratio']:.0f}")
                for row in results["masks"]
            ],
        ),
        "![Time and ratio against the number of masks](results.png)\n",
        _table(
            "Frames of a block (a `perturb` job of `notebook` on each of two cores)",
            ("frames", "seconds", "of it start-up"),
            [
                (f"{row['frames']}", f"{row['seconds']:.1f}", f"{row['start_up_share']:.0%}")
                for row in results["frames"]
            ],
        ),
        _table(
            "Cores (blocks of `notebook` of the default size, start-up included)",
            ("cores", "frames a second"),
            [(f"{row['cores']}", f"{row['frames_a_second']:.0f}") for row in results["cores"]],
        ),
        _table(
            "The other steps (start-up left out)",
            ("step", "ms", "target"),
            [(row["step"], f"{row['ms']:.2f}", f"{row['target']}") for row in results["steps"]],
        ),
        _table(
            "Where the time goes (by Python's profiler, which makes small calls look dearer)",
            ("stage", *(f"`{case}`" for case in results["profile"])),
            [
                (stage, *(f"{results['profile'][case].get(stage, 0):.0%}" for case in results["profile"]))
                for stage in results["profile"]["notebook"]
            ],
        ),
        _table(
            "Distance to the limit",
            (
                "case",
                "multiply-adds of one forward a mask",
                "that cannot be left out",
                "at the rate of a large float32 matrix product",
                "Searchlight",
                "times that",
            ),
            [
                (
                    f"`{case}`",
                    f"{row['multiply_adds_of_whole_forwards'] / 1e6:,.0f} M",
                    f"{row['multiply_adds_needed'] / 1e6:,.0f} M",
                    f"{1e3 * row['limit_s']:.1f} ms ({row['rate'] / 1e9:.0f} G/s)",
                    f"{1e3 * row['ours_s']:.1f} ms",
                    f"{row['times_the_limit']:.1f}",
                )
                for case, row in results["limits"].items()
            ],
        ),
        "The limit leaves out that numbers are moved. A position of a layer of 32 channels takes 9,216 multiply-adds;\n"
        "for them, 1,152 bytes are gathered and 128 are written.\n",
        *_measures(results.get("measures")),
    ]
    return "\n".join(parts)
