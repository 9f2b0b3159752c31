"""What forecasts would have been, had a forecaster run all along: every bucket is an origin, and nothing after it is known to it.

`run` plays any `Forecaster` through many series at once and keeps all that it issues; `refit` asks a model that is fitted anew,
from all that was known, at chosen origins. Both give an `Issued`, which scores itself against what came: two of the same series,
over the same times, are compared with `losses.ratio` and `losses.geometric_mean`.

>>> from forecasting.reactive import Reactive
>>> from forecasting.series import Series
>>> load = Series(0, 60, np.random.default_rng(1).poisson(50, 3000))
>>> spec = Spec(horizons=(1, 5), quantiles=(0.5, 0.9), target=Target.AT)
>>> scores = run(Reactive, [load], spec).scores()
>>> scores.pinball.shape
(1, 2, 2)
>>> bool(0.88 < scores.coverage[0, 0, 1] < 0.92)
True
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecasting import losses
from forecasting.errors import InputError, ModelError
from forecasting.forecast import Array, Forecaster, Mask, Spec, Target
from forecasting.series import Series

#: Makes a forecaster of so many rows: `Reactive` and `Engine` are such, and so is a lambda that gives them more arguments.
Make = Callable[[int, Spec], Forecaster]
#: Fits a model to all that is known, shape (buckets,) with NaN for gaps, and returns quantiles of shape (horizons, quantiles).
Fit = Callable[[Array, Spec], Array]

_MEDIAN = 0.5
_FEWEST = 2  # buckets: one to forecast from, one to be forecast
_KNOWN_RATIO = 0.5  # of the buckets of a maximum, from which on it is taken for known


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How good forecasts were: of each series, horizon and quantile, over all origins that counted. NaN where none did."""

    spec: Spec
    origins: NDArray[np.int64]
    """How many counted, shape (series, horizons)."""
    pinball: Array
    """Shape (series, horizons, quantiles), in the units of the series."""
    coverage: Array
    """Shape (series, horizons, quantiles), 0 to 1."""
    worst_hour: Array
    """The least coverage in any of the day's 24 hours apart, shape (series, horizons, quantiles), 0 to 1."""
    crps: Array
    """Shape (series, horizons), in the units of the series."""
    mae: Array
    """Of the median, shape (series, horizons), in the units of the series; NaN if the specification has no median."""
    mase: Array
    """The same in units of the series' mean change from one bucket to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What was issued from the end of each bucket, beside what came."""

    spec: Spec
    slots: NDArray[np.int64]
    """The numbers of the buckets, shape (buckets,)."""
    values: Array
    """What came, shape (buckets, series); NaN for gaps, and before the first and after the last bucket of a series."""
    first: NDArray[np.intp]
    """Where in *slots* each series begins, shape (series,)."""
    quantiles: Array
    """What was issued, shape (buckets, series, horizons, quantiles); NaN where nothing was."""

    def outcomes(self, horizon: int) -> Array:
        """Return what became true of *horizon* buckets after each: shape (buckets, series), NaN where that is not known.

        The maximum of a window is taken as known when at least half of its buckets are.
        """
        return outcomes(self.values, horizon, self.spec.target)

    def since_start(self, begin: int, end: int | None = None) -> Mask:
        """Return which origins lie *begin* to *end* − 1 buckets after the first known value of their series: (buckets, series)."""
        started = np.argmax(~np.isnan(self.values), axis=0)
        age = np.arange(len(self.slots))[:, None] - started
        chosen: Mask = (age >= begin) & (age < (len(self.slots) if end is None else end))
        return chosen

    def scores(self, origins: Mask | None = None) -> Scores:
        """Return the scores over *origins*, shape (buckets, series): by default all after the first day of each series.

        What is scored is the value that an origin's forecast was of; origins for which that is unknown do not count.
        """
        chosen = self.since_start(self.spec.day) if origins is None else origins
        if chosen.shape != self.values.shape:
            raise InputError(f"origins {chosen.shape} must have the shape {self.values.shape}: buckets, series")
        levels = np.array(self.spec.quantiles)
        median = np.flatnonzero(levels == _MEDIAN)
        parts: dict[str, list[Array]] = {name: [] for name in ("pinball", "coverage", "worst_hour", "crps", "mae", "mase")}
        counted: list[NDArray[np.int64]] = []
        for place, horizon in enumerate(self.spec.horizons):
            actual = np.where(chosen, self.outcomes(horizon), np.nan)
            told = self.quantiles[:, :, place, :].astype(np.float64)
            each = np.broadcast_to(actual[:, :, None], told.shape)
            counted.append((~np.isnan(actual)).sum(axis=0))
            parts["pinball"].append(losses.pinball(actual, told, levels))
            parts["coverage"].append(losses.coverage(each, told))
            hours = losses.coverage_by_hour(each, told, self.slots + horizon, self.spec.day)
            parts["worst_hour"].append(np.fmin.reduce(hours, axis=0))
            parts["crps"].append(losses.crps(actual, told, levels))
            middle = told[:, :, median[0]] if median.size else np.full(actual.shape, np.nan)
            parts["mae"].append(losses.mae(actual, middle))
            parts["mase"].append(losses.mase(actual, middle, self.values))
        stacked = {name: np.stack(part, axis=1) for name, part in parts.items()}
        return Scores(spec=self.spec, origins=np.stack(counted, axis=1), **stacked)


def run(make: Make, loads: Sequence[Series], spec: Spec) -> Issued:
    """Play *loads* through a forecaster, all of them at once, and return what it issued after each bucket.

    Series of other times are shifted beside each other by whole weeks, so that days and weeks keep their shape. Raises
    `InputError` unless all have the specification's step.
    """
    slots, values, first = beside(loads, spec)
    quantiles = play(make(len(loads), spec), slots, values)
    return Issued(spec=spec, slots=slots, values=values, first=first, quantiles=quantiles)


def play(forecaster: Forecaster, slots: NDArray[np.int64], values: Array) -> Array:
    """Return what *forecaster* issues after each bucket, shape (buckets, series, horizons, quantiles).

    *slots* has shape (buckets,), *values* (buckets, series), and may hold anything: bad input is what some are tried with.
    """
    spec = forecaster.spec
    issued = np.empty((*values.shape, len(spec.horizons), len(spec.quantiles)), dtype=np.float32)
    for place, slot in enumerate(slots):
        forecaster.observe(values[place], int(slot))
        issued[place] = forecaster.quantiles()
    return issued


def refit(fit: Fit, loads: Sequence[Series], spec: Spec, origins: Mask, *, memory: int) -> tuple[Issued, int]:
    """Ask *fit* at each of *origins* for a forecast from the *memory* buckets before; return it and how often that failed.

    *origins* has shape (buckets, series), as in the `Issued` that `run` returns for the same series. A fit fails by raising
    `ModelError` or `ArithmeticError` or by returning what is not finite: then the last value stands in for all quantiles, as it
    would in production. Negative quantiles are raised to 0, crossing ones sorted.
    """
    slots, values, first = beside(loads, spec)
    shape = (len(spec.horizons), len(spec.quantiles))
    issued = np.full((*values.shape, *shape), np.nan, dtype=np.float32)
    failures = 0
    for place, row in np.argwhere(origins):
        known = values[max(place + 1 - memory, first[row]) : place + 1, row].copy()
        try:
            told = np.asarray(fit(known, spec), dtype=np.float64)
        except (ModelError, ArithmeticError):
            told = np.full(shape, np.nan)
        if told.shape != shape:
            raise InputError(f"a fit must return {shape}, horizons × quantiles, not {told.shape}")
        if not np.isfinite(told).all():
            failures += 1
            seen = known[~np.isnan(known)]
            told = np.full(shape, seen[-1] if seen.size else 0.0)
        issued[place, row] = np.maximum(np.sort(told, axis=-1), 0.0)
    return Issued(spec=spec, slots=slots, values=values, first=first, quantiles=issued), failures


def last_value(issued: Issued) -> Issued:
    """Return the forecast that has neither model nor interval, at the same origins: the last value for every quantile."""
    place = np.where(np.isnan(issued.values), -1, np.arange(len(issued.slots))[:, None])
    place = np.maximum.accumulate(place, axis=0)
    held = np.where(place < 0, np.nan, np.take_along_axis(issued.values, np.maximum(place, 0), axis=0))
    quantiles = np.broadcast_to(held[:, :, None, None], issued.quantiles.shape)
    return Issued(spec=issued.spec, slots=issued.slots, values=issued.values, first=issued.first, quantiles=quantiles)


def outcomes(values: Array, horizon: int, target: Target) -> Array:
    """Return what a forecast from the end of each bucket was of: *values* has shape (buckets, …), and so has the result."""
    found = np.full(values.shape, np.nan)
    if horizon >= len(values):
        return found
    if target is Target.AT:
        found[:-horizon] = values[horizon:]
        return found
    highest = np.full(values[horizon:].shape, np.nan)
    known = np.zeros(highest.shape, dtype=np.int64)
    for ahead in range(1, horizon + 1):
        then = values[ahead : len(values) - horizon + ahead]
        highest = np.fmax(highest, then)
        known += ~np.isnan(then)
    found[:-horizon] = np.where(known >= _KNOWN_RATIO * horizon, highest, np.nan)
    return found


def beside(loads: Sequence[Series], spec: Spec) -> tuple[NDArray[np.int64], Array, NDArray[np.intp]]:
    """Return bucket numbers, values (buckets, series) with NaN around each series, and where each begins.

    Series are shifted by whole weeks into the shortest stretch of time that holds the start of each.
    """
    for load in loads:
        if load.step_s != spec.step_s or len(load) < _FEWEST:
            raise InputError(f"a series of {len(load)} buckets of {load.step_s} s: pass {_FEWEST} or more of {spec.step_s} s each")
    if not loads:
        raise InputError("there is no series to test on: pass at least one")
    starts = np.array([load.slots[0] for load in loads])
    phases = np.sort(starts % spec.week)
    pauses = np.diff(np.append(phases, phases[0] + spec.week))
    begin = int(phases[(int(np.argmax(pauses)) + 1) % len(phases)])  # after the longest stretch of the week in which none starts
    first = (starts - begin) % spec.week
    length = int(max(place + len(load) for place, load in zip(first, loads, strict=True)))
    values = np.full((length, len(loads)), np.nan)
    for row, load in enumerate(loads):
        values[first[row] : first[row] + len(load), row] = load.values
    return begin + np.arange(length, dtype=np.int64), values, first.astype(np.intp)
