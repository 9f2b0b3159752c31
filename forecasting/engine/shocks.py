"""What to do about the unlikely: one extreme value is held back until a second confirms it, a shift of level is waited out."""

import math
from typing import ClassVar

import numpy as np

from forecasting import intake, intervals
from forecasting.forecast import Array, Mask, Spec

_PEAK_MEMORY_DAYS = 2.0
_EXTREME = np.float32(5.0)
_ALIKE = np.float32(2.0)
_FIRST = 30

_GAIN = np.float32(0.4)
_LARGEST = np.float32(20.0)
_SHIFTED = np.float32(4.0)
_SETTLED = 60
_SCALE_MEMORY = 240.0
_WAIT_BUCKETS = 10
_LONGEST_WAIT = 5
_LONG_AGO = 1_000_000
_LOSS_GAIN = np.float32(0.1)
_FORESEEN = np.float32(0.95)


class Peaks:
    """The largest value of late, with a memory of two days, and lone values beyond five times that.

    One that follows on another, or is less than twice as large as one that was held before, is taken for real: a job that runs once
    a day is held on the first day only.
    """

    STATE: ClassVar[tuple[str, ...]] = ("peak", "suspect", "held", "count")

    def __init__(self, rows: int, spec: Spec) -> None:
        self._decay = np.float32(math.exp(-1.0 / (_PEAK_MEMORY_DAYS * spec.day)))
        self.peak = np.zeros(rows, dtype=np.float32)
        self.suspect = np.zeros(rows, dtype=np.float32)
        self.held = np.zeros(rows, dtype=np.bool_)
        self.count = np.zeros(rows, dtype=np.float32)

    def hold(self, values: Array) -> Array:
        """Return *values* with lone extremes as gaps."""
        with np.errstate(invalid="ignore"):
            extreme = (values > _EXTREME * self.peak) & (values > _ALIKE * self.suspect) & (self.peak > 0)
        held = extreme & ~self.held & (self.count > _FIRST)
        self.held = np.where(np.isfinite(values), held, self.held)
        self.suspect = np.where(held, values, self.suspect * np.where(np.isfinite(values), self._decay, np.float32(1.0)))
        return np.where(held, np.float32(np.nan), values)

    def learn(self, values: Array) -> None:
        """Take in the *values* of the next bucket."""
        known = np.isfinite(values)
        self.peak = np.where(known, np.fmax(values, self.peak * self._decay), self.peak)
        self.count += known


class Shift:
    """Tells that the level has moved: a running mean of errors in units of their usual size leaves its bounds.

    What has been learned is then worth little, and its losses come due only h buckets later: until 10 buckets after that, the last
    value is the safer forecast. Not where the mixture has lately lost clearly less than the last value: it has seen the move
    coming. One error of ten times the usual size is enough; of those that are half as large it takes four in a row.
    """

    STATE: ClassVar[tuple[str, ...]] = ("drift", "scale", "since", "count", "before", "losses")

    def __init__(self, rows: int, spec: Spec) -> None:
        horizons = len(spec.horizons)
        self._due = intake.Due(spec.horizons)
        self._wait = np.minimum(spec.horizons, _LONGEST_WAIT)[:, None] + _WAIT_BUCKETS
        self.drift = np.zeros(rows, dtype=np.float32)
        self.scale = np.zeros(rows, dtype=np.float32)
        self.since = np.full(rows, _LONG_AGO, dtype=np.int32)
        self.count = np.zeros(rows, dtype=np.float32)
        self.before = np.full((2, self._due.places, rows), np.nan, dtype=np.float32)
        self.losses = np.zeros((2, horizons, rows), dtype=np.float32)

    def learn(self, slot: int, values: Array) -> None:
        """Take in the *values* of bucket *slot*."""
        error = values - self.before[:, self._due.at(slot)]
        self.losses += np.where(np.isfinite(error), _LOSS_GAIN * (np.abs(error) - self.losses), 0.0)
        nearest = error[0, 0]
        known = np.isfinite(nearest)
        nearest = np.where(known, nearest, 0.0)
        units = np.clip(nearest / np.maximum(self.scale, intervals.TINY), -_LARGEST, _LARGEST)
        self.drift += np.where(known & (self.count > 0), _GAIN * (units - self.drift), 0.0)
        self.count += known
        gain = np.maximum(1.0 / np.maximum(self.count, 1.0), 1.0 / _SCALE_MEMORY)
        self.scale += np.where(known, gain * (np.abs(nearest) - self.scale), 0.0)
        shifted = known & (np.abs(self.drift) > _SHIFTED) & (self.count > _SETTLED)
        self.since = np.where(shifted, 0, np.minimum(self.since + known, _LONG_AGO)).astype(np.int32)

    def issue(self, slot: int, mixed: Array, last: Array) -> None:
        """Remember what the mixture, shape (horizons, rows), and the *last* value, shape (rows,), forecast at *slot*."""
        due = self._due.at(slot)
        self.before[0, due] = mixed
        self.before[1, due] = last

    @property
    def recent(self) -> Mask:
        """At which horizons of which rows a shift is being waited out: shape (horizons, rows)."""
        unforeseen = self.losses[0] > _FORESEEN * self.losses[1]
        recent: Mask = unforeseen & (self.since < self._wait)
        return recent
