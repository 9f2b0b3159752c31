"""What forecasters take in: which values can be a load, which buckets were left out, and what became of earlier forecasts."""

from typing import ClassVar

import numpy as np

from forecasting.errors import InputError
from forecasting.forecast import Array, Spec, Target

#: Larger values cannot be a load, and their squares would not fit into 32 bits.
LARGEST = 1e15


def loads(values: Array, rows: int) -> Array:
    """Return *values* as float32 with NaN in place of all that cannot be a load: negative, infinite, beyond `LARGEST`.

    Raises `InputError` unless their shape is (rows,).
    """
    given = np.asarray(values, dtype=np.float64)
    if given.shape != (rows,):
        raise InputError(f"values of shape {given.shape}: one value for each of the {rows} rows is needed, NaN for a gap")
    with np.errstate(invalid="ignore"):
        possible = (given >= 0.0) & (given <= LARGEST)
    return np.where(possible, given, np.nan).astype(np.float32)


def left_out(last: int | None, slot: int | None, *, longest: int) -> tuple[int, list[int]]:
    """Return the bucket that follows *last* (or *slot*) and those left out in between that matter.

    These are the first *longest*, in which forecasts come due, and the last *longest*, in which those are issued that come due
    next; in between nothing changes. Raises `InputError` for a bucket that was taken in before: late and repeated samples have to
    be dropped by the caller.
    """
    if last is None:
        return (0 if slot is None else slot), []
    if slot is None:
        return last + 1, []
    if slot <= last:
        raise InputError(f"bucket {slot} was taken in before, the last one is {last}: drop late and repeated samples")
    missing = range(last + 1, slot)
    if len(missing) <= 2 * longest:
        return slot, [*missing]
    return slot, [*missing[:longest], *missing[-longest:]]


class Due:
    """Where that which was issued at a bucket waits until it is due: rings with h places for each horizon h, one after another."""

    def __init__(self, horizons: tuple[int, ...]) -> None:
        self._lengths = np.array(horizons)
        self._starts = np.cumsum((0, *horizons[:-1]))
        self.places = int(sum(horizons))

    def at(self, slot: int) -> Array:
        """Return, per horizon, the place of what was issued for *slot*; what is issued at *slot* goes to the same place."""
        places: Array = self._starts + slot % self._lengths
        return places


class Recent:
    """The latest values of all rows, and what they say about the forecasts that are due."""

    STATE: ClassVar[tuple[str, ...]] = ("ring",)

    def __init__(self, rows: int, spec: Spec, *, length: int = 1) -> None:
        self._spec = spec
        self.length = max(length, spec.horizons[-1])
        self.ring = np.full((self.length, rows), np.nan, dtype=np.float32)

    def add(self, slot: int, values: Array) -> None:
        """Take in the *values* of bucket *slot*, NaN for a gap."""
        self.ring[slot % self.length] = values

    def outcome(self, slot: int) -> Array:
        """Return what the forecasts that are due at *slot* were of, shape (horizons, rows); NaN where it is not known.

        The largest value of the last h buckets is taken as known when at least half of them are.
        """
        horizons = self._spec.horizons
        if self._spec.target is Target.AT:
            return np.broadcast_to(self.ring[slot % self.length], (len(horizons), self.ring.shape[1]))
        outcome = np.empty((len(horizons), self.ring.shape[1]), dtype=np.float32)
        highest = np.full(self.ring.shape[1], np.nan, dtype=np.float32)
        known = np.zeros(self.ring.shape[1], dtype=np.int32)
        before = 0
        for place, horizon in enumerate(horizons):
            values = self.latest(slot, before, horizon)
            highest = np.fmax(highest, np.fmax.reduce(values, axis=0))
            known += np.count_nonzero(np.isfinite(values), axis=0)
            outcome[place] = np.where(2 * known >= horizon, highest, np.nan)
            before = horizon
        return outcome

    def latest(self, slot: int, start: int, stop: int) -> Array:
        """Return the values that are *start* to *stop* − 1 buckets old at *slot*, newest first: shape (stop − start, rows)."""
        values: Array = self.ring[(slot - np.arange(start, stop)) % self.length]
        return values
