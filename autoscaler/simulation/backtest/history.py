"""From a series of load as it was measured to a workload that can be run: gaps bridged or cut out, and said."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autoscaler.errors import AutoscalerError
from autoscaler.simulation.workload import Rates, Values
from forecasting.series import Series

DAY_S = 86_400
#: A gap of up to so long is bridged by a straight line; a longer one could hide anything.
LONGEST_BRIDGE_S = 1800
#: With less there is nothing to tell: windows, cool-downs and start-ups are of minutes.
SHORTEST_S = 1800


class BacktestError(AutoscalerError):
    """A backtest cannot be made of what was given; the message says why and what would mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is run again, what is known of the time before it, and what its user should know of both."""

    rates: Rates
    notes: tuple[str, ...] = ()


def prepare(load: Series, *, name: str, days: float, requests_per_s: float) -> History:
    """Return the last *days* of *load*, which is in replicas' worth, each of *requests_per_s*; what was before is the past.

    Gaps of up to half an hour are bridged; of what longer ones leave, the longest stretch is taken, and the latest of several.
    Raises `BacktestError` where that is less than half an hour, and where there is no load at all.
    """
    values = load.values
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        raise BacktestError(f"{name}: there is no value in it, only gaps: check the query, or give more --days")
    asked = max(len(values) - round(days * DAY_S / load.step_s), 0)
    begin, end = max(_stretches(values, asked, LONGEST_BRIDGE_S // load.step_s), key=_length, default=(0, 0))
    duration_s = (end - begin) * load.step_s
    if duration_s < SHORTEST_S:
        raise BacktestError(
            f"{name}: no stretch of {SHORTEST_S // 60} minutes is without a gap of over {LONGEST_BRIDGE_S // 60}: "
            "give more --days, or a --query that has values"
        )
    run = values[begin:end]
    gaps = np.isnan(run)
    filled = np.interp(np.arange(len(run)), np.flatnonzero(~gaps), run[~gaps])
    if not filled.any():
        raise BacktestError(f"{name}: the load is zero throughout: check the query, there is nothing to scale for")
    notes = []
    if gaps.any():
        notes.append(f"{gaps.sum()} of {len(run)} buckets of {load.step_s} s are gaps, bridged by straight lines")
    if duration_s < days * DAY_S - load.step_s:
        notes.append(
            f"{_spell(duration_s)} of history can be run, and {_spell(days * DAY_S)} were asked for: {_why(values, asked)}"
        )
    return History(
        rates=Rates(
            name,
            load.step_s,
            filled * requests_per_s,
            past=values[:begin] * requests_per_s,
            start_s=load.start_s + begin * load.step_s,
        ),
        notes=tuple(notes),
    )


def _stretches(values: Values, first: int, longest: int) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of what is known from *first* on, with gaps of at most *longest* inside; each begins and ends known."""
    begin: int | None = None
    last = first
    for at in range(first, len(values)):
        if np.isnan(values[at]):
            continue
        if begin is not None and at - last - 1 > longest:
            yield begin, last + 1
            begin = None
        begin = at if begin is None else begin
        last = at
    if begin is not None:
        yield begin, last + 1


def _length(stretch: tuple[int, int]) -> tuple[int, int]:
    return stretch[1] - stretch[0], stretch[0]


def _why(values: Values, asked: int) -> str:
    return "there is no more of it" if not np.isnan(values[asked:]).any() else "the rest is unknown"


def _spell(seconds: float) -> str:
    return f"{seconds / 3600:.3g} h" if seconds < 2 * DAY_S else f"{seconds / DAY_S:.3g} days"
