"""The mean day, and how much of the distance to it is left h buckets later."""

from typing import ClassVar

import numpy as np

from forecasting import intake
from forecasting.forecast import Array, Mask, Spec

_BINS = 288
_MEMORY_DAYS = 4.0
_RESIDUAL_GAIN = np.float32(0.4)
_DECAY = np.float32(0.999)
_START = 0.9
_BURST = np.float32(20.0)
_NEARLY_ALL = 0.95


class Profile:
    """The mean of each bin of the day, with a memory of four days, and φ_h, the autocorrelation of what it leaves.

    The forecast is ``profile(t+h) + φ_h·r``, with r the smoothed distance from the profile now and
    ``φ_h = Σ r[t−h]·e[t] / Σ r[t−h]²``, discounted, between 0 and 1.
    """

    STATE: ClassVar[tuple[str, ...]] = ("mean", "count", "filled", "residual", "before", "variance", "covariance")

    def __init__(self, rows: int, spec: Spec) -> None:
        self._day = spec.day
        self.bins = min(_BINS, spec.day)
        self._width = float(spec.day / self.bins)
        self._due = intake.Due(spec.horizons)
        self._memory = _MEMORY_DAYS * self._width
        horizons = len(spec.horizons)
        self.mean = np.full((self.bins, rows), np.nan, dtype=np.float32)
        self.count = np.zeros((self.bins, rows), dtype=np.uint8)
        self.filled = np.zeros(rows, dtype=np.int32)
        self.residual = np.zeros(rows, dtype=np.float32)
        self.before = np.zeros((self._due.places, rows), dtype=np.float32)
        self.variance = np.ones((horizons, rows), dtype=np.float32)
        self.covariance = np.full((horizons, rows), _START, dtype=np.float32)

    def learn(self, slot: int, values: Array, scales: Array) -> None:
        """Take in the *values* of bucket *slot*; *scales*, shape (horizons, rows), are those at the issue of what is due."""
        known = np.isfinite(values)
        distance = values - self.at(slot)
        usable = np.isfinite(distance) & (values < _BURST * scales)
        units = np.where(usable, scales, 1.0)
        before = np.where(usable, self.before[self._due.at(slot)] / units, 0.0)
        error = np.where(usable, distance / units, 0.0)
        decay = np.where(known, _DECAY, np.float32(1.0))
        self.variance = decay * self.variance + before * before
        self.covariance = decay * self.covariance + before * error
        self._learn_mean(slot, values)
        distance = values - self.at(slot)
        self.residual += np.where(np.isfinite(distance), _RESIDUAL_GAIN * (distance - self.residual), 0.0)

    def _learn_mean(self, slot: int, values: Array) -> None:
        place = int(slot % self._day / self._width)
        known = np.isfinite(values)
        mean, count = self.mean[place], self.count[place]
        gain = np.maximum(1.0 / (count + 1.0), 1.0 / self._memory).astype(np.float32)
        fresh = np.where(np.isnan(mean), values, mean)
        self.filled += known & np.isnan(mean)
        self.mean[place] = np.where(known, fresh + gain * (values - fresh), mean)
        self.count[place] = np.minimum(count, 254) + known

    @property
    def ready(self) -> Mask:
        """Which rows have seen nearly all of a day."""
        return self.filled >= _NEARLY_ALL * self.bins

    def issue(self, slot: int) -> Array:
        """Return φ_h·r, what is expected to be left of the distance now, shape (horizons, rows)."""
        self.before[self._due.at(slot)] = self.residual
        left: Array = np.clip(self.covariance / self.variance, 0.0, 1.0) * self.residual
        return left

    def at(self, slot: int) -> Array:
        """Return the mean at the time of day of *slot*, between the middles of bins; NaN where neither was seen."""
        place = (slot % self._day) / self._width - 0.5
        lower = int(np.floor(place))
        share = np.float32(place - lower)
        before, after = self.mean[lower % self.bins], self.mean[(lower + 1) % self.bins]
        mixed = (1 - share) * before + share * after
        mean: Array = np.where(np.isnan(mixed), np.where(np.isnan(before), after, before), mixed)
        return mean
