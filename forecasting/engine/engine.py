"""The engine itself: the order in which its parts learn from a bucket and forecast from it, and what can be done with its rows."""

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from forecasting import intake, intervals, state
from forecasting.engine import autoregressive, experts, guard, mixing, shocks
from forecasting.engine.parts import Part, Source
from forecasting.errors import InputError
from forecasting.forecast import Array, Mask, Spec, Target
from forecasting.tuning import Tuning

_HEADROOM = np.float32(1.3)
_STALE_S = 1800


class Served:
    """What is served until the next bucket, and where it came from."""

    STATE: ClassVar[tuple[str, ...]] = ("quantiles", "source")

    def __init__(self, rows: int, spec: Spec) -> None:
        self.quantiles = np.full((len(spec.quantiles), len(spec.horizons), rows), np.nan, dtype=np.float32)
        self.source = np.full((len(spec.horizons), rows), Source.COLD, dtype=np.uint8)


class Engine:
    """A `Forecaster` that mixes cheap recursive forecasts by their recent losses and calibrates the mixture.

    The forecasts are the last value, an exponentially weighted mean, the same minute a week ago, the mean day, a ridge regression
    on these, yesterday and a damped trend, and an autoregression where a row was tuned to one. Parts in *without* are left out.

    >>> engine = Engine(rows=1, spec=Spec(horizons=(1, 5), quantiles=(0.5, 0.9)))
    >>> for value in (10.0, 12.0, 11.0):
    ...     engine.observe(np.array([value]))
    >>> engine.quantiles().shape
    (1, 2, 2)
    """

    def __init__(self, rows: int, spec: Spec | None = None, without: frozenset[Part] = frozenset()) -> None:
        self._spec = spec or Spec()
        if self._spec.horizons[-1] > self._spec.week:
            raise InputError(
                f"horizon {self._spec.horizons[-1]} exceeds the {self._spec.week} buckets of a week: choose shorter ones"
            )
        self._without = without
        self._slot: int | None = None
        self._build(rows)

    @property
    def spec(self) -> Spec:
        """What it forecasts."""
        return self._spec

    @property
    def without(self) -> frozenset[Part]:
        """The parts that it was made without."""
        return self._without

    @property
    def rows(self) -> int:
        """How many series it has."""
        return len(self._pace.last)

    @property
    def slot(self) -> int | None:
        """The last bucket that was taken in."""
        return self._slot

    @property
    def source(self) -> NDArray[np.uint8]:
        """Where the forecasts come from, a `Source` for each row and horizon: shape (rows, horizons)."""
        stale = self._pace.age * self._spec.step_s > _STALE_S
        return np.where(stale & self._pace.seen, np.uint8(Source.STALE), self._served.source).T

    @property
    def age(self) -> NDArray[np.int32]:
        """How many buckets ago each row had its last value, shape (rows,)."""
        return self._pace.age.copy()

    @property
    def peak(self) -> Array:
        """The largest value of each row, with a memory of two days, shape (rows,)."""
        return self._peaks.peak.astype(np.float64)

    @property
    def shifted(self) -> NDArray[np.bool_]:
        """At which horizons a level shift is being waited out, shape (rows, horizons)."""
        return self._waiting.T

    def observe(self, values: Array, slot: int | None = None) -> None:
        """Take in a closed bucket: see `Forecaster.observe`."""
        loads = intake.loads(values, self.rows)
        slot, missing = intake.left_out(self._slot, slot, longest=self._recent.length)
        gap = np.full(self.rows, np.nan, dtype=np.float32)
        for each in missing:
            self._tick(each, gap)
        self._tick(slot, loads)

    def advance(self, slot: int) -> None:
        """Take all buckets up to and with *slot* as gaps; none when it was taken in before."""
        if self._slot is not None and slot > self._slot:
            self.observe(np.full(self.rows, np.nan), slot)

    def quantiles(self, horizons: Sequence[float] | None = None, q: Sequence[float] | None = None) -> Array:
        """Return the quantiles of what follows: see `Forecaster.quantiles`."""
        return intervals.between(self._served.quantiles, self._spec, horizons, q)

    def tune(self, row: int, tuning: Tuning) -> None:
        """Let *row* have what a fit has found for it; what is None there stays. Raises `InputError` for what cannot be run."""
        (at,) = state.places([row], self.rows)
        self.experts.tune(at, tuning)
        if tuning.autoregression is not None and self._autoregression is not None:
            self._mixing.admit(self._autoregression, at)

    def reset(self, rows: Sequence[int] | NDArray[np.intp], keep_profile: bool = True) -> None:
        """Forget all about *rows*, or, with *keep_profile*, all but the mean day and the last week."""
        places = state.places(rows, self.rows)
        fresh = Engine(1, self._spec, self._without)
        self._match(fresh)
        kept = {"profile", "history"} if keep_profile else set()
        state.replace(
            {name: part for name, part in self.parts.items() if name not in kept},
            {name: part for name, part in fresh.parts.items() if name not in kept},
            places,
        )

    def resize(self, rows: int) -> None:
        """Keep the first *rows* rows; those beyond what there was have seen nothing."""
        before, grown = self.parts, self.experts.autoregressions.grown
        self._build(rows)
        if grown:
            self.experts.autoregressions.grow()
        state.resize(before, self.parts)

    def take(self, other: "Engine", at: Sequence[int] | NDArray[np.intp]) -> None:
        """Replace the rows *at* by all rows of *other*, which learned them up to the same bucket, or is brought up to it with gaps.

        Raises `InputError` when *other* is ahead, or differs in specification, parts or number of rows.
        """
        places = state.places(at, self.rows)
        if (other.spec, other.without, other.rows) != (self._spec, self._without, len(places)):
            raise InputError(f"{other.rows} rows cannot replace {len(places)}: number, specification and parts must be the same")
        self._slot = state.meet(self._slot, other)
        self._match(other)
        state.replace(self.parts, other.parts, places)

    def dump(self) -> bytes:
        """Return all that was learned, for `load`."""
        facts = {
            "rows": self.rows,
            "slot": self._slot,
            "without": sorted(self._without),
            "autoregressions": self.experts.autoregressions.grown,
        }
        return state.dump(self.parts, self._spec, facts)

    @classmethod
    def load(cls, data: bytes, spec: Spec | None = None) -> Self:
        """Return what `dump` saved. Raises `StateError` when it is damaged, of another version or made for another *spec*."""
        spec = spec or Spec()
        facts = state.facts(data, spec)
        engine = cls(facts["rows"], spec, frozenset(map(Part, facts["without"])))
        if facts["autoregressions"]:
            engine.experts.autoregressions.grow()
        state.restore(data, spec, engine.parts)
        engine._slot = facts["slot"]
        return engine

    def _build(self, rows: int) -> None:
        """Make the parts for *rows* rows that have seen nothing."""
        spec = self._spec
        self._recent = intake.Recent(rows, spec, length=autoregressive.LAGS)
        self._pace = intervals.Pace(rows)
        self._peaks = shocks.Peaks(rows, spec)
        self._shift = shocks.Shift(rows, spec)
        self.experts = experts.Experts(rows, spec, self._recent, self._without)
        mixed = self.experts.parts_mixed
        self._mixing = mixing.Mixing(rows, spec, experts=1 + len(mixed))
        self._autoregression = 1 + mixed.index(Part.AUTOREGRESSION) if Part.AUTOREGRESSION in mixed else None
        if self._autoregression is not None:
            self._mixing.dismiss(self._autoregression)
        self._tracker = intervals.Tracker(rows, spec, hours=Part.HOURS not in self._without)
        self._last_tracker = intervals.Tracker(rows, spec)
        self._guard = guard.Guard(rows, spec)
        self._served = Served(rows, spec)
        self.parts: dict[str, state.Part] = {
            "recent": self._recent,
            "pace": self._pace,
            "peaks": self._peaks,
            "shift": self._shift,
            **self.experts.parts,
            "mixing": self._mixing,
            "tracker": self._tracker,
            "last_tracker": self._last_tracker,
            "guard": self._guard,
            "served": self._served,
        }

    def _match(self, other: "Engine") -> None:
        """Let both engines have room for autoregressions if one has."""
        if self.experts.autoregressions.grown or other.experts.autoregressions.grown:
            self.experts.autoregressions.grow()
            other.experts.autoregressions.grow()

    def _tick(self, slot: int, loads: Array) -> None:
        """Learn from the bucket *slot* and forecast from it."""
        if self._slot is not None:
            self._pace.age += slot - self._slot - 1
            self.experts.history.skip(self._slot + 1, slot)
        values = loads if Part.HOLD in self._without else self._peaks.hold(loads)
        self._learn(slot, values)
        self._issue(slot)
        self._slot = slot

    def _learn(self, slot: int, values: Array) -> None:
        """Learn from the forecasts that are due, then from the values."""
        self._recent.add(slot, values)
        outcome = self._recent.outcome(slot)
        self._guard.learn(slot, outcome)
        self._tracker.learn(slot, outcome)
        self._last_tracker.learn(slot, outcome)
        self._mixing.learn(slot, values)
        self._shift.learn(slot, values)
        self.experts.learn(slot, values)
        self._pace.learn(values)
        self._peaks.learn(values)

    @property
    def _waiting(self) -> Mask:
        """Where, shape (horizons, rows), a level shift is being waited out."""
        recent = self._shift.recent
        return np.zeros_like(recent) if Part.SHIFT in self._without else recent

    def _issue(self, slot: int) -> None:
        """Forecast from the bucket *slot*."""
        seen = self._pace.seen
        last = self._pace.last
        mixed = self._mixing.issue(slot, self.experts.forecast(slot, self._pace, self._peaks.peak))
        self._shift.issue(slot, mixed, last)
        shifted = self._waiting
        mixed = np.where(shifted, last, mixed)
        points = intervals.ascending(mixed) if self._spec.target is Target.MAX else mixed
        ours = self._tracker.issue(slot, points, self._pace)
        theirs = self._last_tracker.issue(slot, np.broadcast_to(last, points.shape), self._pace)
        served, fallen = self._guard.issue(slot, ours, theirs)
        if Part.GUARD in self._without:
            served, fallen = ours, np.zeros_like(fallen)
        cap = _HEADROOM * self._peaks.peak
        served = np.minimum(intervals.ascending(served), cap)
        if self._spec.target is Target.MAX:
            served = intervals.ascending(served, axis=1)
        self._served.quantiles = np.where(seen, served, np.float32(np.nan))
        source = np.where(shifted | fallen[-1], np.uint8(Source.LAST_VALUE), np.uint8(Source.ENSEMBLE))
        self._served.source = np.where(self._mixing.ready & seen, source, np.uint8(Source.COLD))
