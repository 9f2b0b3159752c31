"""Levels and trends: two exponentially weighted means and Holt's damped trend (Holt, 1957; Gardner and McKenzie, 1985)."""

import math
from typing import ClassVar

import numpy as np

from forecasting.forecast import Array

_ALPHA, _BETA, _PHI = np.float32(0.4), np.float32(0.1), np.float32(0.9)
_SHORT_GAIN = np.float32(1.0 - math.exp(-1.0 / 5.0))
_LONG_GAIN = np.float32(1.0 - math.exp(-1.0 / 30.0))


class Smoothing:
    """The levels of every series and its damped trend.

    ``l ← α·y + (1−α)(l + φ·b)``, ``b ← β·Δl + (1−β)·φ·b``, and ``l + φ·b`` is expected next: α is 0.4, β 0.1 and φ 0.9.
    """

    STATE: ClassVar[tuple[str, ...]] = ("short", "long", "level", "trend")

    def __init__(self, rows: int) -> None:
        self.short = np.full(rows, np.nan, dtype=np.float32)
        self.long = self.short.copy()
        self.level = self.short.copy()
        self.trend = np.zeros(rows, dtype=np.float32)

    def learn(self, values: Array) -> None:
        """Take in the *values* of the next bucket, NaN for a gap."""
        known = np.isfinite(values)
        first = known & np.isnan(self.level)
        for state in (self.short, self.long, self.level):
            state[first] = values[first]
        self.short += np.where(known, _SHORT_GAIN * (values - self.short), 0.0)
        self.long += np.where(known, _LONG_GAIN * (values - self.long), 0.0)
        trend = _PHI * self.trend
        level = _ALPHA * values + (1 - _ALPHA) * (self.level + trend)
        self.trend = np.where(known, _BETA * (level - self.level) + (1 - _BETA) * trend, self.trend)
        self.level = np.where(known, level, self.level)

    @property
    def next(self) -> Array:
        """What level and trend together expect of the next bucket, shape (rows,)."""
        expected: Array = self.level + _PHI * self.trend
        return expected
