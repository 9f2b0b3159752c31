"""What our policy is told of the load to come: nothing, what the product's forecaster says, or the truth.

The product's forecaster costs some milliseconds a simulated minute. Many runs of one workload, which all see about the same load,
may share what it would have said: a `Recording`. Times are Unix seconds, as forecasts follow the hours of the day.
"""

import bisect
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from autoscaler.anticipate import followed
from autoscaler.anticipate.buckets import Buckets
from autoscaler.anticipate.learner import Learner, Lesson, Told, Wants
from autoscaler.decision.model import Forecast, Kind, Policy, Source, TargetType
from autoscaler.decision.offered import Offered
from autoscaler.resource.scaler import Key
from autoscaler.simulation import loads
from autoscaler.simulation.measures import MeasureError
from autoscaler.simulation.workload import Values, Workload
from autoscaler.simulation.world import Path
from forecasting.engine import Source as Origin
from forecasting.forecast import Mask, Spec
from forecasting.gated import Gated
from forecasting.series import Series

#: What a recording has: a lead time that is not among the horizons, in buckets, is answered from the next longer one.
HORIZONS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30)
QUANTILES = (0.5, 0.8, 0.9, 0.95, 0.97, 0.99)

_KEY = Key("simulation", "target")


class Foresight(Protocol):
    """Foretells the load of one target, in replicas' worth. Asked before each decision, told what was seen after it."""

    def forecast(self, now: float, lead_s: float, quantile: float, pool_quantile: float) -> Forecast | None:
        """Return what the largest load within *lead_s* may be, or None where nothing can be said."""
        ...

    def saw(self, offered: Offered | None, now: float) -> None:
        """Take in what was seen of the load; None is a gap."""
        ...


@dataclass(frozen=True, slots=True)
class Unseen:
    """Nothing is foretold."""

    def forecast(self, now: float, lead_s: float, quantile: float, pool_quantile: float) -> Forecast | None:  # noqa: ARG002
        """Return None."""
        return None

    def saw(self, offered: Offered | None, now: float) -> None:
        """Take no notice."""


class Learning:
    """The product's forecaster at work on one run: it learns from what the policy sees, and from the *past* before that.

    *past* is in replicas' worth. Each simulated minute costs some milliseconds.
    """

    def __init__(self, *, past: Series | None = None, spec: Spec | None = None) -> None:
        self._spec = spec or Spec()
        if past is not None and past.step_s != self._spec.step_s:
            raise ValueError(
                f"the past is in buckets of {past.step_s} s and must be in those of {self._spec.step_s} s: resample it"
            )
        self._past = past
        self._buckets = Buckets(self._spec.step_s)
        self._learner = Learner(self._spec, Gated(1, self._spec))
        self._told: Told | None = None
        self._wants: Wants | None = None
        self._number = 0  # of the bucket that is open

    def forecast(self, now: float, lead_s: float, quantile: float, pool_quantile: float) -> Forecast | None:
        """Return what is expected from the last closed bucket on. A new lead or quantile is answered from the next one on."""
        spec = self._spec
        wants = Wants(
            horizons=np.array([followed.horizon(lead_s, spec)]),
            quantiles=np.array([followed.within(quantile, spec)]),
            pools=np.array([followed.within(pool_quantile, spec)]),
        )
        if self._wants is None:
            self._begin(now, wants)
        self._close(now)
        self._wants = wants
        if self._told is None or self._told.slot is None:
            return None
        forecast = self._told.outlooks[0].forecast
        return forecast if forecast is not None and _stands(forecast, self._told.slot, now, spec) else None

    def saw(self, offered: Offered | None, now: float) -> None:
        """Take in what was seen of the load; None is a gap."""
        if offered is not None:
            self._buckets.saw(_KEY, offered.replicas, now=now)

    def _begin(self, now: float, wants: Wants) -> None:
        """Learn the past, up to the bucket that is open now."""
        self._number, self._wants = self._buckets.number(now), wants
        if self._past is None:
            return
        for slot, value in zip(self._past.slots.tolist(), self._past.values, strict=True):
            if slot < self._number:
                self._learner.observe(slot, np.array([value]), wants)
        self._told = self._learner.told(wants)

    def _close(self, now: float) -> None:
        """Take in the buckets that are over."""
        if self._wants is None or self._buckets.number(now) <= self._number:
            return
        self._number = self._buckets.number(now)
        closed = [(slot, {0: seen[_KEY]} if _KEY in seen else {}) for slot, seen in self._buckets.close(now=now)]
        self._told = self._learner.learn(Lesson(wants=self._wants, buckets=closed))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """What the product's forecaster would say of a workload in each bucket, in requests per second; NaN where it says nothing.

    It is data, to be shared by runs and processes.
    """

    spec: Spec
    first: int
    """The number of the bucket from which *said*'s first was made: the last that was closed then."""
    horizons: tuple[int, ...]
    quantiles: tuple[float, ...]
    said: Values
    """Shape (buckets, horizons, quantiles)."""
    open: Mask
    """Whether the gate of a forecast of that horizon and quantile was open, of the same shape."""


def record(
    workload: Workload,
    *,
    path: Path | None = None,
    spec: Spec | None = None,
    horizons: tuple[int, ...] = HORIZONS,
    quantiles: tuple[float, ...] = QUANTILES,
) -> Recording:
    """Return what the product's forecaster would have said of *workload*, which it sees by *path*, or as it came without one.

    It costs some milliseconds for each minute, those of the past included. Forecasts scale with the load, so that one recording
    serves policies with whatever rates per replica.
    """
    spec = spec or Spec()
    series = loads.series(workload, step_s=spec.step_s, path=path)
    begins = loads.start_s(workload) // spec.step_s - 1
    levels = np.tile(quantiles, len(horizons))
    ahead: NDArray[np.int64] = np.repeat(np.array(horizons, dtype=np.int64), len(quantiles))
    shape = (len(horizons), len(quantiles))
    gated = Gated(len(levels), spec)
    said: list[Values] = []
    opened: list[Mask] = []
    first = max(begins, int(series.slots[0]))
    for slot, value in zip(series.slots.tolist(), series.values, strict=True):
        gated.observe(np.full(len(levels), value), slot, horizons=ahead, quantiles=levels)
        if slot >= first:
            stale = bool((gated.engine.source[0] == Origin.STALE).any())
            told = gated.engine.quantiles(horizons, quantiles)[0].astype(np.float64)
            said.append(np.full(shape, np.nan) if stale else told)
            opened.append(gated.gate.open.reshape(shape))
    return Recording(
        spec=spec, first=first, horizons=horizons, quantiles=quantiles, said=np.array(said), open=np.array(opened, dtype=np.bool_)
    )


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording played back, for a policy whose replicas each take *per_replica* requests per second."""

    recording: Recording
    per_replica: float

    def forecast(self, now: float, lead_s: float, quantile: float, pool_quantile: float) -> Forecast | None:
        """Return what was said after the last closed bucket, of the nearest horizon that is no shorter and the nearest quantile."""
        kept = self.recording
        step_s = kept.spec.step_s
        slot = int(now // step_s) - 1
        at = min(slot - kept.first, len(kept.said) - 1)
        if at < 0:
            return None
        wanted = followed.horizon(lead_s, kept.spec)
        ahead = min(bisect.bisect_left(kept.horizons, wanted), len(kept.horizons) - 1)
        level, pool = _nearest(kept.quantiles, quantile), _nearest(kept.quantiles, pool_quantile)
        serving = float(kept.said[at, ahead, level])
        if math.isnan(serving):
            return None
        forecast = Forecast(
            serving=serving / self.per_replica,
            pool=float(kept.said[at, ahead, pool]) / self.per_replica,
            horizon_s=float(kept.horizons[ahead] * step_s),
            gate_open=bool(kept.open[at, ahead, level]),
        )
        return forecast if _stands(forecast, kept.first + at, now, kept.spec) else None

    def saw(self, offered: Offered | None, now: float) -> None:
        """Take no notice: it is all recorded."""


class Perfect:
    """The truth: the largest rate of any bucket that begins within the lead time, at no uncertainty and with an open gate."""

    def __init__(self, workload: Workload, per_replica: float, *, step_s: int = 60) -> None:
        truth = loads.series(workload, step_s=step_s)
        self._step_s, self._first = step_s, int(truth.slots[0])
        self._loads = np.nan_to_num(truth.values) / per_replica

    def forecast(self, now: float, lead_s: float, quantile: float, pool_quantile: float) -> Forecast | None:  # noqa: ARG002
        """Return the largest load within *lead_s*, or None once nobody comes any more."""
        begin = max(0, int(now // self._step_s) - self._first)
        end = max(0, int((now + lead_s) // self._step_s) - self._first + 1)
        coming = self._loads[begin:end]
        if not len(coming):
            return None
        most = float(coming.max())
        return Forecast(serving=most, pool=most, horizon_s=lead_s, gate_open=True, why="it is the truth")

    def saw(self, offered: Offered | None, now: float) -> None:
        """Take no notice: it knows."""


def rate_per_replica(policy: Policy) -> float:
    """Return the requests per second that fill a replica, by the rate signal whose load forecasts are then of.

    Raises `MeasureError` where there is none: what such a policy's forecasts are of has to be learned in each run, by `Learning`.
    """
    for signal in policy.signals:
        per_replica = signal.source is Source.PODS or signal.target_type is TargetType.AVERAGE_VALUE
        if signal.kind is Kind.RATE and per_replica and "token" not in signal.name:
            return signal.target_milli / 1000
    raise MeasureError("no signal is a rate of requests per replica, so a forecast of requests says nothing of replicas: add one")


def _nearest(levels: tuple[float, ...], wanted: float) -> int:
    return min(range(len(levels)), key=lambda at: abs(levels[at] - wanted))


def _stands(forecast: Forecast, slot: int, now: float, spec: Spec) -> bool:
    """Return whether what was made after bucket *slot* is still of the future, as the controller has it."""
    made_at = (slot + 1) * spec.step_s
    return -spec.step_s <= now - made_at < forecast.horizon_s and math.isfinite(forecast.serving)
