"""What forecasting would be worth for one series: its past lived again, bucket by bucket, as the controller would have.

The controller's own forecaster and gates are run over it, and what they said after each bucket is compared with what came. Pure: a
series goes in, numbers come out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecasting import backtest, intervals, losses
from forecasting.errors import InputError
from forecasting.forecast import Array, Spec
from forecasting.gate import Gate, Verdict
from forecasting.gated import Gated
from forecasting.series import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How the forecasts for one lead time did on the past. Ratios are to the last value with the same intervals."""

    evaluations: int
    """How many of them came due after the warm-up."""
    pinball_ratio: float
    """Of the loss at the level: below 1 is better."""
    mae_ratio: float
    """Of the median's mean absolute error."""
    coverage: float
    """How much of what came was at most the level's quantile, 0 to 1."""
    worst_hour: int | None
    """The hour of the day, UTC, in which that was least; None if none came due."""
    worst_hour_coverage: float
    """How much it was then."""
    gate_open: bool
    """Whether the controller would use the forecast now, …"""
    verdict: Verdict
    """… what its gate makes of it, …"""
    why: str
    """… and why, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """A series' forecast, and what it is worth, for some lead times."""

    series: Series
    leads: tuple[int, ...]
    """In buckets, ascending."""
    levels: tuple[float, ...]
    """The quantiles, ascending, with the median."""
    level: float
    """The one that is scored, and that the gate judges."""
    issued: Array
    """What was forecast at the end of each bucket for those that followed it, shape (buckets, leads, levels)."""
    warm_up: int
    """How many buckets it learned from before its forecasts counted."""
    scores: tuple[Score, ...]
    """One for each lead time."""

    @property
    def coming(self) -> Array:
        """What follows the last bucket, shape (leads, levels)."""
        last: Array = self.issued[-1]
        return last


def assess(series: Series, *, leads: Sequence[int], levels: Sequence[float], level: float) -> Assessment:
    """Replay *series* and return what forecasting would have been worth at *leads* (buckets) and *level*, one of *levels*.

    Forecasts count after a day of warm-up, or after half of a series that is shorter than two days. Raises `InputError` for a
    series without any value, and for lead times and quantiles that the controller does not forecast.
    """
    if not len(series) or series.gaps.all():
        raise InputError("there is no value in it, only gaps: nothing can be forecast")
    kept = Spec(step_s=series.step_s)
    asked = Spec(step_s=series.step_s, horizons=tuple(leads), quantiles=tuple(levels))
    judged = _Judged(kept, asked.horizons, level)
    engines = backtest.run(lambda *_: judged, [series], kept)
    issued = _asked(engines, asked)
    reference = _asked(replace(engines, quantiles=np.stack(judged.reference)), asked)
    warm_up = min(kept.day, len(series) // 2)
    return Assessment(
        series=series,
        leads=asked.horizons,
        levels=asked.quantiles,
        level=level,
        issued=issued.quantiles[:, 0],
        warm_up=warm_up,
        scores=tuple(_scores(issued, reference, judged.gate, asked.quantiles.index(level), warm_up)),
    )


class _Judged:
    """The forecaster of one series that a controller would run, with a gate for each lead time."""

    def __init__(self, spec: Spec, leads: Sequence[int], level: float) -> None:
        self.spec = spec
        self.rows = 1
        self._leads = np.array(leads)
        self._levels = np.full(len(leads), level)
        self._gated = Gated(len(leads), spec)
        self.gate = self._gated.gate
        self.reference: list[Array] = []
        """What the last value with the same intervals said after each bucket, shape (1, horizons, quantiles)."""

    def observe(self, values: Array, slot: int | None = None) -> None:
        self._gated.observe(np.full(len(self._leads), values[0]), slot, horizons=self._leads, quantiles=self._levels)
        self.reference.append(self._gated.references[0].quantiles()[:1])

    def quantiles(self, horizons: Sequence[float] | None = None, q: Sequence[float] | None = None) -> Array:
        return self._gated.engine.quantiles(horizons, q)[:1]


def _asked(issued: backtest.Issued, spec: Spec) -> backtest.Issued:
    """Return what would have been issued for the horizons and quantiles of *spec*, asked for as the controller does."""
    kept = issued.quantiles[:, 0].transpose(2, 1, 0)  # as if each bucket were a row
    told = intervals.between(kept, issued.spec, spec.horizons, spec.quantiles)
    return replace(issued, spec=spec, quantiles=told[:, None])


def _scores(ours: backtest.Issued, reference: backtest.Issued, gate: Gate, column: int, warm_up: int) -> Iterator[Score]:
    """Yield what each lead time scored over all but the first *warm_up* buckets."""
    origins = ours.since_start(warm_up)
    scores, theirs = ours.scores(origins), reference.scores(origins)
    pinball = losses.ratio(scores.pinball, theirs.pinball)[0, :, column]
    mae = losses.ratio(scores.mae, theirs.mae)[0]
    for place, lead in enumerate(ours.spec.horizons):
        came = np.where(origins, ours.outcomes(lead), np.nan)[:, 0]
        hours = losses.coverage_by_hour(came, ours.quantiles[:, 0, place, column], ours.slots + lead, ours.spec.day)
        worst = None if np.isnan(hours).all() else int(np.nanargmin(hours))
        yield Score(
            evaluations=int(scores.origins[0, place]),
            pinball_ratio=float(pinball[place]),
            mae_ratio=float(mae[place]),
            coverage=float(scores.coverage[0, place, column]),
            worst_hour=worst,
            worst_hour_coverage=float(scores.worst_hour[0, place, column]),
            gate_open=bool(gate.open[place]),
            verdict=gate.verdict(place),
            why=gate.why(place),
        )
