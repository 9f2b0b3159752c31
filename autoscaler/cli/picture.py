"""A series and its forecast as a picture: what was forecast for the last day beside what came, and what is forecast now."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib import dates
from matplotlib.figure import Figure
from numpy.typing import NDArray

from autoscaler.cli.assessment import Assessment

_DAY_S = 86_400
_LOAD, _BAND, _COMING = "#1b1f24", "#4c9be8", "#e8804c"


def draw(told: Assessment, *, lead: int, title: str, file: Path) -> None:
    """Write a PNG of the last day of *told* to *file*.

    The band at a time is what was forecast one *lead* (buckets) before: what a replica that was asked for then is ready for.
    Raises `OSError` where the file cannot be written.
    """
    series = told.series
    column, median, level = told.leads.index(lead), 0, told.levels.index(told.level)
    ends = series.start_s + series.step_s * np.arange(1, len(series) + 1)
    shown = ends > series.end_s - _DAY_S
    ahead = np.array(told.leads)
    band = told.issued[:, column]
    percents = f"{100 * told.levels[median]:g}–{100 * told.level:g} %"
    # A figure without pyplot: no window, no state that outlives it.
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.fill_between(
        _when(ends[shown] + lead * series.step_s),
        band[shown, median],
        band[shown, level],
        color=_BAND,
        alpha=0.45,
        linewidth=0,
        label=f"forecast {lead * series.step_s:g} s ahead, {percents}",
    )
    axes.fill_between(
        _when(series.end_s + series.step_s * ahead),
        told.coming[:, median],
        told.coming[:, level],
        color=_COMING,
        alpha=0.55,
        linewidth=0,
        label=f"largest load from now on, {percents}",
    )
    axes.plot(_when(ends[shown]), series.values[shown], color=_LOAD, linewidth=0.9, label="load")
    axes.axvline(_when([series.end_s])[0], color=_LOAD, linewidth=0.6, linestyle=":")
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(axes.xaxis.get_major_locator()))
    axes.set_xlabel("UTC")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.005)
    axes.set_title(title, fontsize="medium", loc="left", parse_math=False)
    axes.legend(loc="upper left", frameon=False, fontsize="small", ncols=3)
    figure.savefig(file, format="png", dpi=120)


def _when(seconds: Iterable[float] | NDArray[np.int64]) -> NDArray[np.datetime64]:
    return np.asarray(seconds, dtype=np.int64).astype("datetime64[s]")
