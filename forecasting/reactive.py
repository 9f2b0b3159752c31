"""Forecasting without foresight: the last value, or a moving mean of it, with the same quantile tracker that the engine has.

It is what a forecast has to beat: an autoscaler that reacts with a well-calibrated margin.
"""

import math
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from forecasting import intake, intervals, state
from forecasting.errors import InputError
from forecasting.forecast import Array, Spec


class Held:
    """What is held until the next bucket: the level and the quantiles around it."""

    STATE: ClassVar[tuple[str, ...]] = ("level", "quantiles")

    def __init__(self, rows: int, spec: Spec) -> None:
        self.level = np.full(rows, np.nan, dtype=np.float32)
        self.quantiles = np.full((len(spec.quantiles), len(spec.horizons), rows), np.nan, dtype=np.float32)


class Reactive:
    """A `Forecaster` that expects the level to stay where it is.

    *memory* is that of the exponentially weighted mean, in buckets: y ← y + (1 − e^(−1/memory))·(value − y); 0 is the last value.

    >>> reactive = Reactive(rows=1, spec=Spec(horizons=(1, 5), quantiles=(0.5, 0.9)))
    >>> for value in (10.0, 12.0, 11.0):
    ...     reactive.observe(np.array([value]))
    >>> reactive.quantiles().shape
    (1, 2, 2)
    """

    def __init__(self, rows: int, spec: Spec | None = None, memory: float = 0.0) -> None:
        if not (math.isfinite(memory) and memory >= 0.0):
            raise InputError(f"memory {memory} must be 0 buckets or more")
        self._spec = spec or Spec()
        self.memory = memory
        self._gain = np.float32(1.0 - math.exp(-1.0 / memory) if memory > 0 else 1.0)
        self._slot: int | None = None
        self._build(rows)

    @property
    def spec(self) -> Spec:
        """What it forecasts."""
        return self._spec

    @property
    def rows(self) -> int:
        """How many series it has."""
        return len(self._pace.last)

    @property
    def slot(self) -> int | None:
        """The last bucket that was taken in."""
        return self._slot

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
        return intervals.between(self._held.quantiles, self._spec, horizons, q)

    def resize(self, rows: int) -> None:
        """Keep the first *rows* rows; those beyond what there was have seen nothing."""
        before = self.parts
        self._build(rows)
        state.resize(before, self.parts)

    def reset(self, rows: Sequence[int] | NDArray[np.intp]) -> None:
        """Forget all about *rows*."""
        state.replace(self.parts, Reactive(1, self._spec, self.memory).parts, state.places(rows, self.rows))

    def take(self, other: "Reactive", at: Sequence[int] | NDArray[np.intp]) -> None:
        """Replace the rows *at* by all rows of *other*, which learned them up to the same bucket, or is brought up to it with gaps.

        Raises `InputError` when *other* is ahead, or differs in specification, memory or number of rows.
        """
        places = state.places(at, self.rows)
        if (other.spec, other.memory, other.rows) != (self._spec, self.memory, len(places)):
            raise InputError(f"{other.rows} rows cannot replace {len(places)}: number, specification and memory must be the same")
        self._slot = state.meet(self._slot, other)
        state.replace(self.parts, other.parts, places)

    def dump(self) -> bytes:
        """Return all that was learned, for `load`."""
        return state.dump(self.parts, self._spec, {"rows": self.rows, "slot": self._slot, "memory": self.memory})

    @classmethod
    def load(cls, data: bytes, spec: Spec | None = None) -> Self:
        """Return what `dump` saved. Raises `StateError` when it is damaged, of another version or made for another *spec*."""
        spec = spec or Spec()
        facts = state.facts(data, spec)
        reactive = cls(facts["rows"], spec, facts["memory"])
        state.restore(data, spec, reactive.parts)
        reactive._slot = facts["slot"]
        return reactive

    def _build(self, rows: int) -> None:
        """Make the parts for *rows* rows that have seen nothing."""
        self._recent = intake.Recent(rows, self._spec)
        self._pace = intervals.Pace(rows)
        self._tracker = intervals.Tracker(rows, self._spec)
        self._held = Held(rows, self._spec)
        self.parts: dict[str, state.Part] = {
            "recent": self._recent,
            "pace": self._pace,
            "tracker": self._tracker,
            "held": self._held,
        }

    def _tick(self, slot: int, values: Array) -> None:
        """Learn from the bucket *slot* and forecast from it."""
        if self._slot is not None:
            self._pace.age += slot - self._slot - 1
        self._recent.add(slot, values)
        self._tracker.learn(slot, self._recent.outcome(slot))
        self._pace.learn(values)
        level = self._held.level
        level = np.where(np.isnan(level), values, level)
        self._held.level = np.where(np.isnan(values), level, level + self._gain * (values - level))
        points = np.broadcast_to(self._held.level, (len(self._spec.horizons), self.rows))
        self._held.quantiles = self._tracker.issue(slot, points, self._pace)
        self._slot = slot
