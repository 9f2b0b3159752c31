"""The first hour after something went wrong with the samples, or with the load: the error beside the last value's.

Each disturbance is put into each series at three places. What counts is what the load really was: after a wrong sample or a gap
that is the undisturbed series, after a change of level the changed one. The last value is the one that a user would have: held over
the gap, and of the samples as they came.
"""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.claims import say
from benchmarks.forecast_series import Group
from forecasting import backtest, losses
from forecasting.backtest import Issued, Make
from forecasting.forecast import Array, Target
from forecasting.series import Series

HORIZON_MIN = 5
_PLACES = (0.5, 0.65, 0.8)
_HOUR, _GAP = 60, 120
_SPIKE, _LEVEL = 50.0, 3.0
_NEGATIVE = -1e6


class Shock(enum.StrEnum):
    """What happens."""

    NONE = "none"
    SPIKE = "spike"
    """One sample is 50 times the load."""
    NEGATIVE = "negative"
    """One sample is far below 0."""
    GAP = "gap"
    """Two hours are unknown."""
    LEVEL_UP = "level_up"
    """The load is three times as large from here on."""
    LEVEL_DOWN = "level_down"
    """The load is a third from here on."""

    @property
    def lasts(self) -> int:
        """How many samples are disturbed before the hour that counts begins."""
        return {Shock.SPIKE: 1, Shock.NEGATIVE: 1, Shock.GAP: _GAP}.get(self, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    series: str
    shock: Shock
    event: int
    """Which bucket of the series is the first that is disturbed."""
    load: Series


def measure(group: Group, make: Make, shocks: Iterable[Shock] = Shock) -> dict[Shock, Array]:
    """Return the error of the median by that of the last value, five minutes ahead, shape (series,), for each of *shocks*."""
    cases = [
        _Case(series=name, shock=shock, event=event, load=_until(load, event + shock.lasts + _HOUR + HORIZON_MIN))
        for shock in shocks
        for name, load in group.loads.items()
        for event in (int(place * len(load)) for place in _PLACES)
    ]
    say(f"{len(cases)} disturbances …")
    spec = group.spec(Target.AT)
    slots, truth, first = backtest.beside([case.load for case in cases], spec)
    seen = truth.copy()
    for row, case in enumerate(cases):
        _disturb(case, int(first[row]) + case.event, seen[:, row], truth[:, row])
    quantiles = backtest.play(make(len(cases), spec), slots, seen)
    issued = Issued(spec=spec, slots=slots, values=truth, first=first, quantiles=quantiles)
    possible = np.where(np.isnan(seen) | (seen < 0), np.nan, seen)
    held = backtest.last_value(Issued(spec=spec, slots=slots, values=possible, first=first, quantiles=quantiles)).quantiles
    naive = Issued(spec=spec, slots=slots, values=truth, first=first, quantiles=held)
    chosen = np.zeros(truth.shape, dtype=np.bool_)
    for row, case in enumerate(cases):
        begin = int(first[row]) + case.event + case.shock.lasts
        chosen[begin : begin + _HOUR, row] = True
    at = spec.horizons.index(HORIZON_MIN)
    ours, last = issued.scores(chosen).mae[:, at], naive.scores(chosen).mae[:, at]
    return {shock: _by_series(cases, shock, ours, last) for shock in dict.fromkeys(case.shock for case in cases)}


def _until(load: Series, end: int) -> Series:
    return Series(load.start_s, load.step_s, load.values[:end])


def _disturb(case: _Case, event: int, seen: Array, truth: Array) -> None:
    match case.shock:
        case Shock.NONE:
            pass
        case Shock.SPIKE:
            seen[event] *= _SPIKE
        case Shock.NEGATIVE:
            seen[event] = _NEGATIVE
        case Shock.GAP:
            seen[event : event + _GAP] = np.nan
        case Shock.LEVEL_UP:
            seen[event:] *= _LEVEL
            truth[event:] *= _LEVEL
        case Shock.LEVEL_DOWN:
            seen[event:] /= _LEVEL
            truth[event:] /= _LEVEL


def _by_series(cases: Sequence[_Case], shock: Shock, ours: Array, last: Array) -> Array:
    """Return the ratio of both over all places of a series."""
    names = dict.fromkeys(case.series for case in cases)
    rows = [[row for row, case in enumerate(cases) if case.series == name and case.shock == shock] for name in names]
    return losses.ratio(np.array([ours[row].sum() for row in rows]), np.array([last[row].sum() for row in rows]))
