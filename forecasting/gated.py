"""An engine beside what it has to beat, and the gates in between: what a controller runs, and what judges a series beforehand."""

import struct
from collections.abc import Sequence
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from forecasting.engine import Engine
from forecasting.errors import InputError, StateError
from forecasting.forecast import Array, Forecaster, Mask, Spec
from forecasting.gate import Gate, Rules
from forecasting.reactive import Reactive

#: The memories of the reactive forecasters that an engine has to beat, in buckets: the last value, and means of it.
MEMORIES = (0.0, 5.0, 30.0)

_LENGTH = struct.Struct("<Q")


class _InStep(Protocol):
    """What all the parts can do, so that they keep step."""

    @property
    def rows(self) -> int: ...

    @property
    def slot(self) -> int | None: ...

    def advance(self, slot: int) -> None: ...

    def resize(self, rows: int) -> None: ...

    def dump(self) -> bytes: ...


class Gated:
    """An `Engine` with a `Gate` for each of its series. All rows keep step.

    Example, of one series whose 90 % quantile of the next five buckets is wanted:

    >>> gated = Gated(1, Spec(horizons=(1, 5)))
    >>> for value in (10.0, 12.0, 11.0):
    ...     gated.observe(np.array([value]), horizons=np.array([5]), quantiles=np.array([0.9]))
    >>> gated.gate.why(0)
    'it learns: 0 of 200 forecasts have come due'
    """

    def __init__(self, rows: int, spec: Spec | None = None, *, rules: Rules | None = None) -> None:
        """Begin with *rows* series that have seen nothing."""
        spec = spec or Spec()
        self.engine = Engine(rows, spec)
        self.references = tuple(Reactive(rows, spec, memory) for memory in MEMORIES)
        self.gate = Gate(rows, spec, references=len(MEMORIES), rules=rules)

    @property
    def spec(self) -> Spec:
        """What it forecasts."""
        return self.engine.spec

    @property
    def rows(self) -> int:
        """How many series it has."""
        return self.engine.rows

    @property
    def slot(self) -> int | None:
        """The last bucket that was taken in."""
        return self.gate.slot

    def observe(self, values: Array, slot: int | None = None, *, horizons: NDArray[np.integer], quantiles: Array) -> None:
        """Take in a closed bucket, and judge each row from here on at its own horizon and quantile.

        All have shape (rows,); *values* and *slot* are as in `Forecaster.observe`, *horizons* whole buckets up to the last of the
        specification, *quantiles* between its least and largest. Raises `InputError` for what does not fit.
        """
        self.gate.realise(values, slot)
        self.engine.observe(values, self.gate.slot)
        for reference in self.references:
            reference.observe(values, self.gate.slot)
        self.gate.issue(
            at_each(self.engine, horizons, quantiles),
            np.stack([at_each(one, horizons, quantiles) for one in self.references]),
            horizons=horizons,
            quantiles=quantiles,
            shifted=self._shifted(horizons),
        )

    @property
    def _parts(self) -> tuple[_InStep, ...]:
        return self.engine, *self.references, self.gate

    def _shifted(self, horizons: NDArray[np.integer]) -> Mask:
        """Return which rows wait out a shift of level: at the first of the specification's horizons that is not below their own."""
        which = np.searchsorted(self.spec.horizons, horizons)
        shifted: Mask = self.engine.shifted[np.arange(self.rows), which]
        return shifted

    def history(self, row: int) -> tuple[int, NDArray[np.float64]]:
        """Return the values of *row* of the last week, NaN for gaps, and the number of the bucket that they begin with."""
        if self.slot is None:
            return 0, np.empty(0)
        kept, week = self.engine.experts.history, self.spec.week
        first = self.slot - week + 1
        values = kept.ring[np.arange(first, self.slot + 1) % week, row].astype(np.float64) * kept.unit[row]
        known = np.flatnonzero(np.isfinite(values))
        begin = int(known[0]) if known.size else len(values)
        return first + begin, values[begin:]

    def advance(self, slot: int) -> None:
        """Take all buckets up to and with *slot* as gaps; none when it was taken in before."""
        for one in self._parts:
            one.advance(slot)

    def reset(self, rows: Sequence[int] | NDArray[np.intp], *, keep_profile: bool = False) -> None:
        """Forget *rows*; with *keep_profile* all but how their days usually go."""
        self.engine.reset(rows, keep_profile)
        self.gate.reset(rows)
        for reference in self.references:
            reference.reset(rows)

    def resize(self, rows: int) -> None:
        """Keep the first *rows* rows; those beyond what there was have seen nothing."""
        for one in self._parts:
            one.resize(rows)

    def take(self, other: "Gated", at: Sequence[int] | NDArray[np.intp]) -> None:
        """Replace the rows *at* by all rows of *other*, which has come to the same bucket or an earlier one."""
        self.engine.take(other.engine, at)
        for ours, theirs in zip(self.references, other.references, strict=True):
            ours.take(theirs, at)
        self.gate.take(other.gate, at)

    def dump(self) -> bytes:
        """Return all that was learned, for `load`."""
        parts = [one.dump() for one in self._parts]
        return b"".join(piece for part in parts for piece in (_LENGTH.pack(len(part)), part))

    @classmethod
    def load(cls, data: bytes, spec: Spec | None = None, *, rules: Rules | None = None) -> Self:
        """Return what `dump` saved. Raises `StateError` when it is damaged, of another version or made for another *spec*."""
        parts = _pieces(data)
        if len(parts) != 2 + len(MEMORIES):
            raise StateError(f"the saved state has {len(parts)} parts, not {2 + len(MEMORIES)}: learn from history again")
        gated = cls(0, spec, rules=rules)
        gated.engine = Engine.load(parts[0], spec)
        gated.references = tuple(Reactive.load(part, spec) for part in parts[1:-1])
        gated.gate = Gate.load(parts[-1], spec, rules=rules)
        if len({(one.rows, one.slot) for one in gated._parts}) != 1:
            raise StateError("the parts of the saved state do not keep step: learn from history again")
        return gated


def at_each(forecaster: Forecaster, horizons: NDArray[np.integer], quantiles: Array) -> Array:
    """Return what *forecaster* says of each row at that row's own horizon and quantile: all have shape (rows,)."""
    if not horizons.shape == quantiles.shape == (forecaster.rows,):
        raise InputError(f"horizons {horizons.shape} and quantiles {quantiles.shape} must have shape ({forecaster.rows},)")
    if not forecaster.rows:
        return np.empty(0)
    ahead, which = np.unique(horizons, return_inverse=True)
    levels, level = np.unique(quantiles, return_inverse=True)
    told = forecaster.quantiles(ahead.tolist(), levels.tolist())
    each: Array = told[np.arange(forecaster.rows), which, level]
    return each


def _pieces(data: bytes) -> list[bytes]:
    pieces, start = [], 0
    while start < len(data):
        if len(data) - start < _LENGTH.size:
            raise StateError(f"the saved state is cut short at {len(data)} bytes: learn from history again")
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size + length
        if start > len(data):
            raise StateError(f"the saved state is cut short at {len(data)} bytes: learn from history again")
        pieces.append(data[start - length : start])
    return pieces
