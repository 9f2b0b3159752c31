"""A backtest as a picture: the load in replicas' worth, and the replicas of each run above it."""

from pathlib import Path

import numpy as np
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from autoscaler.cli.backtest_words import Told
from autoscaler.simulation.outcome import Timeline

_LOAD = "#b9c0c8"
_RUNS = ("#1f6fbf", "#e8804c", "#3b9c62", "#8a63c9")


def draw(told: Told, *, file: Path) -> None:
    """Write a PNG of *told* to *file*. Raises `OSError` where the file cannot be written."""
    # A figure without pyplot: no window, no state that outlives it.
    figure = Figure(figsize=(12, 5.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for (name, ran), color in zip(told.rows(), _RUNS, strict=False):
        if ran.timeline is not None:
            _run(above, below, told, name, ran.timeline, color)
    above.set_ylim(bottom=0)
    above.set_ylabel("replicas")
    # Above the axes: inside, it would lie on the peaks.
    above.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), frameon=False, fontsize="small", ncols=5)
    below.set_ylim(bottom=0)
    below.set_ylabel("late or failed")
    below.set_xlabel("UTC")
    below.xaxis.set_major_formatter(dates.ConciseDateFormatter(below.xaxis.get_major_locator()))
    above.margins(x=0.005)
    figure.suptitle(told.headline, fontsize="medium", x=0.01, ha="left", parse_math=False)
    figure.savefig(file, format="png", dpi=120)


def _run(above: Axes, below: Axes, told: Told, name: str, timeline: Timeline, color: str) -> None:
    at = _when(told, timeline)
    if not above.collections:
        load = timeline.load_per_s / told.question.replica.requests_per_s
        above.fill_between(at, load, color=_LOAD, linewidth=0, step="pre", label="load, in replicas' worth")
    above.step(at, timeline.wanted, where="post", color=color, linewidth=1.1, label=name)
    below.step(at, timeline.unhappy, where="pre", color=color, linewidth=0.9)


def _when(told: Told, timeline: Timeline) -> NDArray[np.datetime64]:
    seconds = told.span[0] + timeline.step_s * np.arange(1, len(timeline.wanted) + 1)
    return seconds.astype(np.int64).astype("datetime64[s]")
