"""What a forecast is of, and what everything that makes forecasts can do."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from forecasting.errors import InputError

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]

_WEEK_DAYS = 7


class Target(enum.StrEnum):
    """What of the future is forecast, seen from the end of bucket t, at a horizon of h buckets."""

    AT = "at"
    """The value of bucket t+h."""
    MAX = "max"
    """The largest value of the buckets t+1 … t+h: what has to be served until something that is started now is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What is forecast: the same for all series of one forecaster."""

    step_s: int = 60
    """Length of a bucket in seconds."""
    horizons: tuple[int, ...] = (1, 5, 10, 30)
    """How far ahead, in buckets, ascending. Others in between are interpolated."""
    quantiles: tuple[float, ...] = (0.5, 0.9, 0.97, 0.99)
    """Which quantiles, ascending. Others in between are interpolated."""
    target: Target = Target.MAX
    day_s: int = 86_400
    """The length of the shorter season in seconds; the longer one has seven of them. A day, unless time is scaled down."""

    def __post_init__(self) -> None:
        if self.step_s < 1 or self.day_s % self.step_s:
            raise InputError(f"step_s {self.step_s} must divide a day of {self.day_s} s: choose 15, 60, 300 or 600")
        if not self.horizons or list(self.horizons) != sorted(set(self.horizons)) or self.horizons[0] < 1:
            raise InputError(f"horizons {self.horizons} must be one bucket or more, ascending")
        if not self.quantiles or list(self.quantiles) != sorted(set(self.quantiles)):
            raise InputError(f"quantiles {self.quantiles} must be ascending")
        if not (self.quantiles[0] > 0.0 and self.quantiles[-1] < 1.0):
            raise InputError(f"quantiles {self.quantiles} must lie between 0 and 1")

    @property
    def day(self) -> int:
        """The shorter season in buckets."""
        return self.day_s // self.step_s

    @property
    def week(self) -> int:
        """The longer season in buckets."""
        return _WEEK_DAYS * self.day


class Forecaster(Protocol):
    """Forecasts many series at once, one row each. It knows no clock: a bucket is numbered by the caller.

    Bucket *slot* covers the seconds from ``slot * spec.step_s`` since the epoch, UTC, so seasons fall where the clock has them.
    """

    @property
    def spec(self) -> Spec:
        """What it forecasts."""
        ...

    @property
    def rows(self) -> int:
        """How many series it has."""
        ...

    def observe(self, values: Array, slot: int | None = None) -> None:
        """Take in a closed bucket of every series.

        *values* has shape (rows,); NaN is a gap, and so is what cannot be a load: negative or infinite. *slot* is the bucket's
        number, by default the one after the last; buckets left out are gaps of all series. Raises `InputError` for a shape that
        does not fit and for a bucket that was taken in before.
        """
        ...

    def quantiles(self, horizons: Sequence[float] | None = None, q: Sequence[float] | None = None) -> Array:
        """Return the quantiles of what follows the last bucket: shape (rows, len(horizons), len(q)).

        *horizons* are in buckets, *q* between 0 and 1; by default the specification's. All of them are finite, not negative and
        ascending along *q*; rows that have seen nothing are NaN.
        """
        ...
