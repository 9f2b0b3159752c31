"""The plots of a trace: every policy's front, and what the fleet did in one run."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from autoscaler.simulation.compare import claims, statistics, svg
from autoscaler.simulation.compare.entries import Tuning
from autoscaler.simulation.compare.statistics import Point
from autoscaler.simulation.compare.study import Judged, Row
from autoscaler.simulation.compare.style import COLOURS
from autoscaler.simulation.compare.svg import Plot
from autoscaler.simulation.outcome import Timeline

#: Less than this share of missed requests is drawn at it: a logarithm has no zero.
_LEAST_MISSED = 1e-4
_HOUR_S = 3600.0
_TIMELINE_HEIGHT = 240.0

#: What the areas and lines of a timeline are: class and words.
STATES = (
    ("serving", "serving"),
    ("warm", "warm"),
    ("starting", "starting or draining"),
    ("load", "load, in pods' worth"),
    ("unhappy", "share not in time, of all pods' height"),
)


def fronts(judged: Judged) -> str:
    """Return GPU-hours against missed requests, both in logarithms, of all entries but the ablations."""
    rows = _drawn(judged)
    points = [point for row in rows for point in row.grid.points()]
    hours = [point.gpu_hours for point in points if point.gpu_hours > 0.0]
    plot = Plot(
        x=svg.logarithmic(min(hours, default=1.0), max(hours, default=1.0), "GPU-hours"),
        y=svg.logarithmic(
            _LEAST_MISSED, max(0.1, max((_missed(point) for point in points), default=0.1)), "not in time", percent=True
        ),
        title=f"GPU-hours and requests that are not in time on {judged.case.name}",
    )
    plot.rule(claims.ALLOWED, f"{claims.ALLOWED:.0%} may be missed")
    styles = _styles(rows)
    for row in rows:
        style = styles[row.entry.family.name]
        every = row.grid.points()
        best = statistics.front(every)
        if len(best) > 1:
            plot.line([(point.gpu_hours, _missed(point)) for point in best], style)
        for point in every:
            plot.mark(point.gpu_hours, _missed(point), style, _said(row, point), hollow=_as_shipped(row))
    return plot.text


def legend(judged: Judged) -> list[tuple[str, str]]:
    """Return the class of each policy's colour with its name."""
    styles = _styles(_drawn(judged))
    return [(style, name) for name, style in styles.items()]


def timelines(judged: Judged) -> Iterator[tuple[str, str]]:
    """Yield the name and the fleet of each entry of which a timeline was kept."""
    for row in judged.rows:
        for outcome in row.itself:
            if outcome.timeline is not None:
                yield row.name, _timeline(outcome.timeline, judged.case.carried_per_s, f"{row.name} on {judged.case.name}")


def _timeline(timeline: Timeline, carried_per_s: float, title: str) -> str:
    hours = (np.arange(len(timeline.serving)) * timeline.step_s / _HOUR_S).tolist()
    load = timeline.load_per_s / carried_per_s
    serving = timeline.serving.astype(np.float64)
    warm = serving + timeline.warm
    starting = warm + timeline.starting + timeline.draining
    top = max(1.0, float(starting.max(initial=0.0)), float(load.max(initial=0.0)))
    plot = Plot(x=svg.linear(max(hours), "hours"), y=svg.linear(top, "pods"), title=title, height=_TIMELINE_HEIGHT)
    floor = np.zeros(len(serving))
    for low, high, style in ((warm, starting, "starting"), (serving, warm, "warm"), (floor, serving, "serving")):
        plot.area(hours, low.tolist(), high.tolist(), style)
    plot.steps(list(zip(hours, load.tolist(), strict=True)), "load")
    missed = _share(timeline.unhappy, timeline.load_per_s * timeline.step_s) * plot.y.high
    plot.steps(list(zip(hours, missed.tolist(), strict=True)), "unhappy")
    return plot.text


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.minimum(np.divide(part, whole, out=np.where(part > 0.0, 1.0, 0.0), where=whole > 0.0), 1.0)


def _drawn(judged: Judged) -> list[Row]:
    return [row for row in judged.rows if row.entry.family.ablates is None]


def _styles(rows: Sequence[Row]) -> dict[str, str]:
    names = list(dict.fromkeys(row.entry.family.name for row in rows))
    return {name: f"c{place % COLOURS}" for place, name in enumerate(names)}


def _as_shipped(row: Row) -> bool:
    return row.entry.family.tunable and row.entry.tuning is Tuning.DEFAULT


def _missed(point: Point) -> float:
    return max(point.missed_ratio, _LEAST_MISSED)


def _said(row: Row, point: Point) -> str:
    return f"{row.name}: {point.gpu_hours:,.1f} GPU-hours, {point.missed_ratio:.2%} not in time"
