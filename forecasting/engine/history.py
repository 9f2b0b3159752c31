"""The last week of every series, bucket by bucket: cron jobs come at exact minutes, which averages would blur.

Values are kept in 16 bits, divided by a power of two of each row's own: three digits, for values from a 16,000th to 4,000 times
the row's first value, and less exactly below.
"""

from typing import ClassVar

import numpy as np

from forecasting.forecast import Array, Mask, Spec

_FULL = np.float32(60_000.0)  # the largest number in 16 bits is 65,504
_USUAL = 4  # new values are stored as about 2**4


class History:
    """The values of the last seven days, NaN for gaps."""

    STATE: ClassVar[tuple[str, ...]] = ("ring", "unit")

    def __init__(self, rows: int, spec: Spec) -> None:
        self._week = spec.week
        self.ring = np.full((spec.week, rows), np.nan, dtype=np.float16)
        self.unit = np.zeros(rows, dtype=np.float32)

    def add(self, slot: int, values: Array) -> None:
        """Take in the *values*, shape (rows,), of bucket *slot*."""
        with np.errstate(invalid="ignore"):
            outgrown = values > self.unit * _FULL
        if outgrown.any():
            self._rescale(outgrown, values)
        self.ring[slot % self._week] = values / np.where(self.unit > 0, self.unit, 1)

    def skip(self, start: int, stop: int) -> None:
        """Take the buckets from *start* to *stop* − 1 as gaps."""
        if stop > start:
            self.ring[np.arange(max(start, stop - self._week), stop) % self._week] = np.nan

    def at(self, slot: int) -> Array:
        """Return the values of *slot*, one of the last seven days."""
        values: Array = self.ring[slot % self._week] * self.unit
        return values

    def _rescale(self, outgrown: Mask, values: Array) -> None:
        """Give *outgrown* rows a unit that their new *values* fit."""
        at = np.flatnonzero(outgrown)
        _, exponent = np.frexp(values[at])
        unit = np.ldexp(np.float32(1.0), exponent - _USUAL)
        before = np.where(self.unit[at] > 0, self.unit[at], unit)
        self.ring[:, at] *= (before / unit).astype(np.float32)
        self.unit[at] = unit
