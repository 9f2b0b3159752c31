"""What a comparison says in figures: beside each goal the value, its interval, and on how many traces it could be said at all.

A value that nobody reached stays unknown. Every mean stands beside the values of its traces.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from autoscaler.simulation.compare import statistics, tuning
from autoscaler.simulation.compare.cases import Shape
from autoscaler.simulation.compare.statistics import Bound, Grid, Interval, Measure, Point
from autoscaler.simulation.compare.study import Judged, Results, Row
from autoscaler.simulation.optimum import price
from autoscaler.simulation.outcome import Outcome

OURS, HPA, KEDA, STATIC, OPTIMUM = "leadtime", "hpa", "keda", "static", "optimum"
OURS_TUNED, HPA_TUNED, KEDA_TUNED = (f"{name} tuned" for name in (OURS, HPA, KEDA))
#: The entries that claims are about.
HEADLINE = frozenset({OURS_TUNED, HPA_TUNED, KEDA_TUNED, STATIC, OPTIMUM})

PRICES = price.Prices()
#: The share of requests that may be missed where GPU-hours are compared.
ALLOWED = tuning.ALLOWED
#: Where fewer requests than this share are missed, how many there are is taken to be equal.
NEGLIGIBLE = ALLOWED / 10.0

_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A value beside what it has to reach, or must not pass; None where it cannot be said, and *note* says why."""

    name: str
    value: float | None
    goal: float | None
    bound: Literal["≥", "≤"] | None
    interval: Interval | None = None
    by_trace: Mapping[str, float | None] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    """Traces on which the other reached the limit and ours never did: no mean over the rest makes up for them."""
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Return whether the value is on the right side of the goal; None where that cannot be said, or there is no goal."""
        if self.goal is None:
            return None
        if self.lost:
            return False
        if self.value is None:
            return None
        return self.value >= self.goal if self.bound == "≥" else self.value <= self.goal

    def document(self) -> dict[str, object]:
        """Return the claim for programs."""
        return {
            "name": self.name,
            "value": _rounded(self.value),
            "goal": self.goal,
            "bound": self.bound,
            "holds": self.holds,
            "ci95": None if self.interval is None else [_rounded(self.interval.low), _rounded(self.interval.high)],
            "lost": list(self.lost),
            "by_trace": {name: _rounded(value) for name, value in self.by_trace.items()},
            "note": self.note,
        }


def of(results: Results) -> list[Claim]:
    """Return the claims, those with a goal first."""
    judged = results.judged
    bursty = [each for each in judged if each.case.shape is Shape.BURSTY]
    daily = [each for each in judged if each.case.shape is Shape.DAILY]
    told: list[Claim] = []
    for rival, goal in ((HPA, 0.2), (KEDA, 0.2)):
        name = f"gpu_hours_saved_vs_{rival}_tuned"
        told.append(_mean(name, bursty or judged, (OURS_TUNED, f"{rival} tuned"), saved, goal, "≥"))
    told.append(_mean("late_requests_cut_at_equal_cost", bursty or judged, (OURS_TUNED, HPA_TUNED), cut, 0.5, "≥"))
    told.append(_mean("late_requests_cut_vs_keda_at_equal_cost", bursty or judged, (OURS_TUNED, KEDA_TUNED), cut, 0.5, "≥"))
    told.append(_mean("regret_ratio", judged, (OURS_TUNED, OPTIMUM), regret, None, None))
    if daily:
        told.append(_mean("regret_ratio_daily", daily, (OURS_TUNED, OPTIMUM), regret, 0.25, "≤"))
    if bursty:
        told.append(_mean("regret_ratio_bursty", bursty, (OURS_TUNED, OPTIMUM), regret, 0.6, "≤"))
    told.append(_priced(judged))
    told.append(_worst(judged))
    told += _as_shipped(bursty or judged)
    told += [_utilization(judged, name) for name in (OURS_TUNED, STATIC)]
    return told


def saved(entries: Sequence[Sequence[Point]]) -> float | None:
    """Return the share of the second's GPU-hours that the first saves where both answer enough requests in time."""
    ours, theirs = (statistics.gpu_hours_at(points, ALLOWED) for points in entries)
    if not (ours.known and theirs.known and theirs.value > 0.0):
        return None
    return 1.0 - ours.value / theirs.value


def regret(entries: Sequence[Sequence[Point]]) -> float | None:
    """Return how many GPU-hours the first needs beyond the second, as a share of the second's, where both answer enough in time."""
    value = saved(entries)
    return None if value is None else -value


def cut(entries: Sequence[Sequence[Point]]) -> float | None:
    """Return the share of the second's missed requests that the first answers in time for the GPU-hours of the second.

    The second is a single point. None where it misses next to none, or the first cannot be had for so little.
    """
    ours, (theirs,) = entries
    reading = statistics.missed_at(ours, theirs.gpu_hours)
    if not reading.known or theirs.missed_ratio < NEGLIGIBLE:
        return None
    return 1.0 - reading.value / theirs.missed_ratio


def worse_in_both(ours: Row, theirs: Row) -> float:
    """Return by what share *ours* is worse in both GPU-hours and missed requests; negative where it is better in one."""
    gpu_hours = ours.mean(_gpu_hours) / theirs.mean(_gpu_hours)
    missed = max(ours.mean(_missed_ratio), NEGLIGIBLE) / max(theirs.mean(_missed_ratio), NEGLIGIBLE)
    return min(gpu_hours, missed) - 1.0


def _mean(
    name: str,
    judged: Sequence[Judged],
    pair: tuple[str, str],
    measure: Measure,
    goal: float | None,
    bound: Literal["≥", "≤"] | None,
) -> Claim:
    """Return the mean of *measure* of a pair of entries over the traces where it can be said."""
    missing = next((entry for entry in pair if judged and judged[0].row(entry) is None), None)
    if missing is not None or not judged:
        why = f"{missing} did not take part" if judged else "no trace of this kind"
        return Claim(name=name, value=None, goal=goal, bound=bound, note=why)
    blocks = {each.case.name: grids(each, pair, single=measure is cut) for each in judged}
    by_trace = {trace: measure([grid.points() for grid in block]) for trace, block in blocks.items()}
    estimate = statistics.mean_measured(list(blocks.values()), measure, seed=_SEED)
    return Claim(
        name=name,
        value=None if estimate is None else estimate.value,
        goal=goal,
        bound=bound,
        interval=None if estimate is None else estimate.interval,
        by_trace=by_trace,
        lost=() if measure is cut else tuple(trace for trace, block in blocks.items() if _is_lost(block)),
        note=_said(blocks, by_trace, pair, measure),
    )


def _is_lost(block: Sequence[Grid]) -> bool:
    ours, theirs = (statistics.gpu_hours_at(grid.points(), ALLOWED) for grid in block)
    return theirs.known and not ours.known


def grids(judged: Judged, pair: tuple[str, str], *, single: bool = False) -> list[Grid]:
    """Return the fronts of a pair of entries on one trace, of the seeds that both have.

    With *single*, of the second only its own point.
    """
    ours, theirs = (row for name in pair if (row := judged.row(name)) is not None)
    both = [ours.grid, theirs.point if single else theirs.grid]
    seeds = min(grid.seeds for grid in both)
    return [grid.first(seeds) for grid in both]


def _said(
    blocks: Mapping[str, Sequence[Grid]], by_trace: Mapping[str, float | None], pair: tuple[str, str], measure: Measure
) -> str:
    """Return on how many traces the value could be said, why not on the others, and where it is a bound only."""
    unknown = [trace for trace, value in by_trace.items() if value is None]
    parts = [f"{len(by_trace) - len(unknown)} of {len(by_trace)} traces"]
    if measure is cut:
        if unknown:
            parts.append(f"not said of {', '.join(unknown)}: {pair[1]} misses next to none there, or {pair[0]} always costs more")
        return "; ".join(parts)
    for place, entry in enumerate(pair):
        readings = {trace: statistics.gpu_hours_at(block[place].points(), ALLOWED) for trace, block in blocks.items()}
        never = [trace for trace, reading in readings.items() if not reading.known]
        ends = [trace for trace, reading in readings.items() if reading.bound is Bound.AT_MOST]
        if never:
            parts.append(f"{entry} never answers {tuning.ATTAINED:.0%} in time on {', '.join(never)}")
        if ends:
            parts.append(f"{entry} is at its cheapest level on {', '.join(ends)}: it may need less")
    return "; ".join(parts)


def _worst(judged: Sequence[Judged]) -> Claim:
    """Return the worst that ours does against tuned HPA in both, over all traces."""
    name, goal = "worst_trace_vs_hpa_tuned", 0.05
    by_trace: dict[str, float | None] = {}
    for each in judged:
        ours, theirs = each.row(OURS_TUNED), each.row(HPA_TUNED)
        if ours is None or theirs is None:
            absent = OURS_TUNED if ours is None else HPA_TUNED
            return Claim(name=name, value=None, goal=goal, bound="≤", note=f"{absent} did not take part")
        by_trace[each.case.name] = worse_in_both(ours, theirs)
    worst, value = max(((trace, value) for trace, value in by_trace.items() if value is not None), key=lambda pair: pair[1])
    said = "worse in both there" if value > 0.0 else "no worse in GPU-hours or in missed requests, as on every trace"
    return Claim(name=name, value=value, goal=goal, bound="≤", by_trace=by_trace, note=f"{worst}: {said}")


def _priced(judged: Sequence[Judged]) -> Claim:
    """Return the regret where a missed request has a price instead of a limit: both sides at the level that is best for that."""
    by_trace: dict[str, float | None] = {}
    name = "regret_ratio_priced"
    for each in judged:
        ours, best = each.row(OURS_TUNED), each.row(OPTIMUM)
        if ours is None or best is None:
            absent = OURS_TUNED if ours is None else OPTIMUM
            return Claim(name=name, value=None, goal=None, bound=None, note=f"{absent} did not take part")
        by_trace[each.case.name] = _least_cost(ours) / _least_cost(best) - 1.0
    note = f"a missed request costs {PRICES.missed_gpu_s:g} GPU-seconds, a start {PRICES.start_gpu_s:g}"
    value = float(np.mean([value for value in by_trace.values() if value is not None]))
    return Claim(name=name, value=value, goal=None, bound=None, by_trace=by_trace, note=note)


def _least_cost(row: Row) -> float:
    return min(float(np.mean([price.cost_gpu_h(outcome, PRICES) for outcome in runs])) for runs in row.runs.values())


def _as_shipped(judged: Sequence[Judged]) -> list[Claim]:
    """Return what is saved with our defaults, tuned to no trace."""
    return [
        _mean(f"gpu_hours_saved_vs_{rival}_tuned_untuned", judged, (OURS, f"{rival} tuned"), saved, None, None)
        for rival in (HPA, KEDA)
    ]


def _utilization(judged: Sequence[Judged], entry: str) -> Claim:
    """Return the mean share of GPU time in which the GPUs computed."""
    name = f"gpu_utilization_{entry.replace(' ', '_')}"
    rows = {each.case.name: row for each in judged if (row := each.row(entry)) is not None}
    if not rows:
        return Claim(name=name, value=None, goal=None, bound=None, note=f"{entry} did not take part")
    by_trace: dict[str, float | None] = {trace: row.mean(_utilization_ratio) for trace, row in rows.items()}
    value = float(np.mean([row.mean(_utilization_ratio) for row in rows.values()]))
    return Claim(name=name, value=value, goal=None, bound=None, by_trace=by_trace)


def _gpu_hours(outcome: Outcome) -> float:
    return outcome.gpu_hours


def _missed_ratio(outcome: Outcome) -> float:
    return 1.0 - outcome.attainment_ratio


def _utilization_ratio(outcome: Outcome) -> float:
    return outcome.utilization_ratio


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
