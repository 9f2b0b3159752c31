"""From point forecasts to quantiles: an online quantile tracker on scaled errors, and interpolation between what is tracked.

The tracker is the proportional part of conformal PID control (Angelopoulos, Candès and Tibshirani, 2023) on errors that are
divided by a running scale; it needs a few numbers per quantile and no window of past errors.
"""

import itertools
from collections.abc import Sequence
from statistics import NormalDist
from typing import ClassVar

import numpy as np

from forecasting import intake
from forecasting.errors import InputError
from forecasting.forecast import Array, Mask, Spec, Target

#: Keeps scales of all-zero series apart from 0. Loads are at most 1e15, so their products stay within 32 bits.
TINY = np.float32(1e-20)

_HOURS = 24
_STALE_BUCKETS = 3  # input that is late by less changes nothing

# Memories are in buckets.
_LEVEL_MEMORY = 1440.0
_STEP_MEMORY = 240.0
_FAST_MEMORY = 60.0
_SLOW_MEMORY = 1440.0
_HOURS_MEMORY_DAYS = 7.0

_RATE = 0.1
# Feedback that is h buckets late overshoots at a higher rate; that on maxima comes in runs besides, as the windows overlap.
_SLOWING = {Target.AT: 0.5, Target.MAX: 0.7}
# Around a mixture that is right on the whole the median has little to follow: what it follows in vain is an error of its own.
_SLOWING_OF_MEDIAN = 1.0
_START_GAIN = 6.0
_START_BUCKETS = 10.0
_PRIOR_BUCKETS = 30.0
_FLOOR_OF_LEVEL = 1e-3
_FLOOR_OF_SLOW = 0.1
_UNKNOWN_STEP_OF_LEVEL = 0.3
_LONGEST_STEP = 3.0
_HOURS_SHARE = 0.5


class Pace:
    """What is known of a series as a whole: its last value and its age, its mean level and its mean step between buckets."""

    STATE: ClassVar[tuple[str, ...]] = ("last", "age", "count", "level", "step")

    def __init__(self, rows: int) -> None:
        self.last = np.full(rows, np.nan, dtype=np.float32)
        self.age = np.zeros(rows, dtype=np.int32)
        self.count = np.zeros(rows, dtype=np.float32)
        self.level = np.zeros(rows, dtype=np.float32)
        self.step = np.zeros(rows, dtype=np.float32)

    @property
    def seen(self) -> Mask:
        """Which rows have seen a value."""
        return self.count > 0

    def learn(self, values: Array) -> None:
        """Take in the *values* of the next bucket, shape (rows,), NaN for a gap."""
        known = np.isfinite(values)
        self.age += 1
        self.age[known] = 0
        gain = np.maximum(1.0 / (self.count + 1.0), 1.0 / _LEVEL_MEMORY)
        self.level += np.where(known, gain * (values - self.level), 0.0)
        gain = np.maximum(1.0 / (self.count + 1.0), 1.0 / _STEP_MEMORY)
        both = known & self.seen
        self.step += np.where(both, gain * (np.abs(values - self.last) - self.step), 0.0)
        self.last = np.where(known, values, self.last)
        self.count += known


class Tracker:
    """Follows quantiles of the errors of point forecasts, each horizon by itself.

    With e the error of the forecast that is due, s the scale and c the offset at its issue and τ the quantile::

        c ← c + η·(τ − 1[e ≤ c·s]),   forecast = point + c·s,   η = 0.1·h^−ε · (1 + 6/(1 + n/10))

    n counts the errors learned from, so that it settles within minutes; ε is 0.5, for maxima 0.7, and 1 for the median of values.
    s is the mean of two running means of |e|, of an hour and a day; with *hours*, half of it is the mean of 2·max(e, 0) at the hour
    of day that the forecast is for. While n < 30 the mean step between buckets stands in for it, and the offsets start as those of
    a Laplace distribution.
    """

    STATE: ClassVar[tuple[str, ...]] = ("offsets", "count", "fast", "slow", "upward", "upward_count", "points", "scales")

    def __init__(self, rows: int, spec: Spec, *, hours: bool = False) -> None:
        horizons = len(spec.horizons)
        self._spec = spec
        self._hours = min(_HOURS, spec.day) if hours else 0
        self._horizons = np.array(spec.horizons)
        self._each = np.arange(horizons)
        self._due = intake.Due(spec.horizons)
        self._levels = np.array(spec.quantiles, dtype=np.float32)[:, None, None]
        self._root = np.sqrt(self._horizons).astype(np.float32)[:, None]
        slowing = np.array([_slowing(q, spec.target) for q in spec.quantiles])[:, None, None]
        self._rate = (_RATE * self._horizons[:, None] ** -slowing).astype(np.float32)
        start = np.array([_laplace(q) for q in spec.quantiles], dtype=np.float32)
        self.offsets = np.empty((len(spec.quantiles), horizons, rows), dtype=np.float32)
        self.offsets[:] = start[:, None, None]
        self.count = np.zeros((horizons, rows), dtype=np.float32)
        self.fast = np.zeros((horizons, rows), dtype=np.float32)
        self.slow = np.zeros((horizons, rows), dtype=np.float32)
        self.upward = np.zeros((self._hours, horizons, rows), dtype=np.float32)
        self.upward_count = np.zeros((self._hours, horizons, rows), dtype=np.float16)
        self.points = np.full((self._due.places, rows), np.nan, dtype=np.float32)
        self.scales = np.ones((self._due.places, rows), dtype=np.float32)

    def learn(self, slot: int, outcome: Array) -> None:
        """Learn from the *outcome*, shape (horizons, rows), of the forecasts that are due at *slot*; NaN where it is not known."""
        due = self._due.at(slot)
        error = outcome - self.points[due]
        known = np.isfinite(error)
        error[~known] = 0.0
        gain = self._rate * (known * (1.0 + _START_GAIN / (1.0 + self.count / _START_BUCKETS)))
        inside = error / self.scales[due] <= self.offsets
        self.offsets += gain * (self._levels - inside)
        self.count += known
        magnitude = np.abs(error)
        share = known / np.maximum(self.count, 1.0)
        self.fast += np.maximum(share, known * np.float32(1.0 / _FAST_MEMORY)) * (magnitude - self.fast)
        self.slow += np.maximum(share, known * np.float32(1.0 / _SLOW_MEMORY)) * (magnitude - self.slow)
        if self._hours:
            self._learn_hour(slot, error, known)

    def issue(self, slot: int, points: Array, pace: Pace) -> Array:
        """Return the quantiles, shape (quantiles, horizons, rows), around *points*, shape (horizons, rows), issued at *slot*.

        When the last value of a row is more than three buckets old, its width grows with √((h + age)/h), as a random walk's does.
        """
        scale = self._scale(slot, pace)
        due = self._due.at(slot)
        self.points[due] = points
        self.scales[due] = scale
        if pace.age.max(initial=0) > _STALE_BUCKETS:
            age = np.where(pace.age > _STALE_BUCKETS, pace.age, 0)
            scale = scale * np.sqrt(1.0 + age / self._horizons[:, None]).astype(np.float32)
        quantiles: Array = points + scale * self.offsets
        return ascending(quantiles)

    def _learn_hour(self, slot: int, error: Array, known: Mask) -> None:
        """Learn the size of upward errors at the hour of day of *slot*."""
        hour = self._hour(slot)
        length = self._spec.day // self._hours
        memory = _HOURS_MEMORY_DAYS * length
        count = np.minimum(self.upward_count[hour] + known, memory).astype(np.float16)
        self.upward_count[hour] = count
        gain = known / np.maximum(count.astype(np.float32), 1.0)
        self.upward[hour] += gain * (2.0 * np.maximum(error, 0.0) - self.upward[hour])

    def _scale(self, slot: int, pace: Pace) -> Array:
        base = 0.5 * (self.fast + self.slow)
        if self._hours:
            hours = self._hour(slot + self._horizons)
            ready = self.upward_count[hours, self._each] >= self._spec.day // self._hours
            base = np.where(ready, (1.0 - _HOURS_SHARE) * base + _HOURS_SHARE * self.upward[hours, self._each], base)
        floor = _FLOOR_OF_LEVEL * pace.level
        prior = np.maximum(pace.step * np.minimum(self._root, _LONGEST_STEP), floor)
        prior = np.maximum(prior, np.where(pace.count <= 3, _UNKNOWN_STEP_OF_LEVEL * pace.level, 0.0))
        trust = np.minimum(self.count * np.float32(1.0 / _PRIOR_BUCKETS), 1.0)
        scale: Array = np.maximum(trust * base + (1.0 - trust) * prior, np.maximum(floor, _FLOOR_OF_SLOW * self.slow))
        np.maximum(scale, TINY, out=scale)
        return scale

    def _hour(self, slot: Array | int) -> Array:
        hour: Array = np.asarray(slot % self._spec.day * self._hours // self._spec.day)
        return hour


def ascending(quantiles: Array, axis: int = 0) -> Array:
    """Return *quantiles* raised where needed: along *axis* none is negative or lower than the one before."""
    ordered: Array = np.maximum(quantiles, 0.0)
    for lower, higher in itertools.pairwise(np.moveaxis(ordered, axis, 0)):
        np.maximum(lower, higher, out=higher)
    return ordered


def between(quantiles: Array, spec: Spec, horizons: Sequence[float] | None, q: Sequence[float] | None) -> Array:
    """Return *quantiles*, shape (len(spec.quantiles), len(spec.horizons), rows), at *horizons* and *q*: (rows, horizons, q).

    Linear in √h, since errors grow with it, and in normal scores of the quantile. Nearer than the first horizon is like the first.
    Raises `InputError` beyond the last horizon and outside the specification's quantiles.
    """
    if q is not None:
        quantiles = _mix(
            quantiles, _scores(spec.quantiles), _scores(_inside(q, "q", spec.quantiles[0], spec.quantiles[-1])), axis=0
        )
    if horizons is not None:
        wanted = np.maximum(_inside(horizons, "horizons", 0.0, spec.horizons[-1]), spec.horizons[0])
        quantiles = _mix(quantiles, np.sqrt(np.array(spec.horizons, dtype=float)), np.sqrt(wanted), axis=1)
    return np.ascontiguousarray(quantiles.transpose(2, 1, 0), dtype=np.float64)


def _mix(values: Array, known: Array, wanted: Array, *, axis: int) -> Array:
    """Interpolate *values* along *axis* from the ascending places *known* to *wanted*."""
    upper = np.clip(np.searchsorted(known, wanted), 1, max(len(known) - 1, 1))
    lower = upper - 1
    upper = np.minimum(upper, len(known) - 1)
    gap = known[upper] - known[lower]
    share = np.where(gap > 0, (wanted - known[lower]) / np.where(gap > 0, gap, 1.0), 0.0)
    shape = [1] * values.ndim
    shape[axis] = len(wanted)
    share = share.reshape(shape).astype(values.dtype)
    mixed: Array = (1 - share) * values.take(lower, axis=axis) + share * values.take(upper, axis=axis)
    return mixed


def _inside(wanted: Sequence[float], name: str, lowest: float, highest: float) -> Array:
    given = np.asarray(wanted, dtype=float)
    if given.ndim != 1 or not np.all((given >= lowest) & (given <= highest)):
        raise InputError(f"{name} {wanted} must lie between {lowest} and {highest}: name what is needed in the Spec")
    return given


def _scores(q: Sequence[float] | Array) -> Array:
    normal = NormalDist()
    return np.array([normal.inv_cdf(float(each)) for each in q])


def _slowing(q: float, target: Target) -> float:
    """Return ε, by which rates fall with the horizon."""
    return _SLOWING_OF_MEDIAN if target is Target.AT and q == 0.5 else _SLOWING[target]


def _laplace(q: float) -> float:
    """Return the *q*-quantile of a Laplace distribution whose mean deviation is 1."""
    return float(-np.log(2.0 * (1.0 - q)) if q > 0.5 else np.log(2.0 * q))
