"""How load rises and falls: the curves that made load follows, without a unit; `generate` gives them one and draws requests.

A curve is drawn outwards from the moment at which a workload begins: into its duration, and backwards into its past. So what comes
does not depend on how much past is asked for.
"""

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autoscaler.simulation.workload import Values

_DAY_S = 86_400


class Kind(enum.StrEnum):
    """The kinds of load; `generate.KINDS` says what each is for."""

    DAILY = "daily"
    BURSTY = "bursty"
    SPIKY = "spiky"
    STEPS = "steps"
    RAMP = "ramp"
    FLAT = "flat"
    SHIFTED = "shifted"
    SPARSE = "sparse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The time that a curve is drawn over: *buckets* of *grain_s*, away from the moment *begins_s* (Unix), or before it."""

    begins_s: int
    buckets: int
    grain_s: int
    pace_s: float
    """The time that goes with what comes again and again, where that is neither a day nor a week."""
    backwards: bool = False

    @property
    def away_s(self) -> Values:
        """How far the middle of each bucket is from the beginning, ascending."""
        return np.arange(0.5, self.buckets, dtype=np.float64) * self.grain_s

    @property
    def at_s(self) -> Values:
        """The middle of each bucket in Unix seconds, in the order of *away_s*."""
        return self.begins_s - self.away_s if self.backwards else self.begins_s + self.away_s

    @property
    def lasts_s(self) -> float:
        """How long it is."""
        return float(self.buckets * self.grain_s)


def curve(kind: Kind, stretch: Stretch, rng: np.random.Generator) -> Values:
    """Return the load in each bucket of *stretch*, in the order of its `away_s`, in no unit: 1 is usual."""
    return _CURVES[kind](stretch, rng)


def bursts(stretch: Stretch, rng: np.random.Generator) -> Values:
    """Return by what one client multiplies its load: 1, and now and then 2 to 12 for some minutes; high ones are rare."""
    level = np.ones(stretch.buckets)
    begins_s = 0.0
    while (begins_s := begins_s + rng.exponential(stretch.pace_s / 3)) < stretch.lasts_s:
        lasts_s = rng.gamma(2.0, stretch.pace_s / 60)
        first, end = int(begins_s // stretch.grain_s), int((begins_s + lasts_s) // stretch.grain_s) + 1
        level[first:end] = min(2.0 + 2.0 * rng.pareto(1.5), 12.0)
        begins_s += lasts_s
    return level


def _daily(stretch: Stretch, rng: np.random.Generator) -> Values:
    return _day(stretch, 0.75) * _wander(stretch, rng)


def _bursty(stretch: Stretch, rng: np.random.Generator) -> Values:
    return _day(stretch, 0.4) * _wander(stretch, rng)


def _flat(stretch: Stretch, rng: np.random.Generator) -> Values:  # noqa: ARG001
    return np.ones(stretch.buckets)


def _spiky(stretch: Stretch, rng: np.random.Generator) -> Values:
    pace_s = stretch.pace_s
    return _alternating(
        stretch,
        lambda: (rng.uniform(0.5, 1.5) * pace_s, 0.0),
        lambda: (rng.uniform(0.03, 0.15) * pace_s, rng.uniform(0.5, 1.5)),
    )


def _steps(stretch: Stretch, rng: np.random.Generator) -> Values:
    pace_s = stretch.pace_s
    return _alternating(
        stretch,
        lambda: (rng.uniform(0.5, 1.5) * pace_s, 1.0),
        lambda: (rng.uniform(0.5, 1.5) * pace_s, 5.0),
    )


def _sparse(stretch: Stretch, rng: np.random.Generator) -> Values:
    pace_s = stretch.pace_s
    return _alternating(
        stretch,
        lambda: (min(max(rng.gamma(2.0, 0.75), 0.2), 3.0) * pace_s, 0.0),
        lambda: (rng.uniform(0.05, 0.2) * pace_s, rng.uniform(0.5, 1.5)),
    )


def _ramp(stretch: Stretch, rng: np.random.Generator) -> Values:  # noqa: ARG001
    phase = stretch.away_s / stretch.pace_s % 3.0
    return np.interp(phase, (0.0, 0.5, 2.0, 2.5, 3.0), (1.0, 1.0, 6.0, 6.0, 1.0))


def _shifted(stretch: Stretch, rng: np.random.Generator) -> Values:
    """Return peaks that come again so regularly that one would bet on it, until some time between 30 and 60 % of the duration."""
    away_s, period_s = stretch.away_s, stretch.pace_s
    phase = away_s / period_s % 1.0
    if not stretch.backwards:
        turns_s = rng.uniform(0.3, 0.6) * stretch.lasts_s
        phase = np.where(away_s < turns_s, phase, ((away_s - turns_s) / (0.8 * period_s) + turns_s / period_s + 0.5) % 1.0)
    return np.where(np.abs(phase - 0.5) < 0.1, 5.0, 1.0)


_CURVES: dict[Kind, Callable[[Stretch, np.random.Generator], Values]] = {
    Kind.DAILY: _daily,
    Kind.BURSTY: _bursty,
    Kind.SPIKY: _spiky,
    Kind.STEPS: _steps,
    Kind.RAMP: _ramp,
    Kind.FLAT: _flat,
    Kind.SHIFTED: _shifted,
    Kind.SPARSE: _sparse,
}


def _day(stretch: Stretch, depth_ratio: float) -> Values:
    """Return days that are busiest at 14:00 UTC, and weekends with a bit more than half of a weekday's load."""
    turn = 2 * math.pi * (stretch.at_s / _DAY_S - 14 / 24)
    hours = 1.0 + depth_ratio * np.cos(turn) + 0.1 * np.cos(2 * turn)
    days = stretch.at_s / _DAY_S - 0.5 + 3  # 1970-01-01 was a Thursday: 0 is a Monday's noon
    week = np.array([1.0, 1.0, 1.0, 1.0, 0.95, 0.6, 0.55])
    load: Values = hours * np.interp(days % 7, np.arange(8), np.append(week, week[0]))
    return load


def _wander(stretch: Stretch, rng: np.random.Generator) -> Values:
    """Return a slow drift around 1, of some 8 %, that forgets within half an hour."""
    knot_s, keeps = 300.0, 0.85
    steps = rng.normal(0.0, 0.08 * math.sqrt(1 - keeps**2), int(stretch.lasts_s // knot_s) + 2)
    drift = [0.0]
    for step in steps.tolist():
        drift.append(keeps * drift[-1] + step)
    return np.exp(np.interp(stretch.away_s, np.arange(len(drift)) * knot_s, drift))


def _alternating(stretch: Stretch, low: Callable[[], tuple[float, float]], high: Callable[[], tuple[float, float]]) -> Values:
    """Return levels, low and high in turn, each as long and as high as it is drawn."""
    level = np.zeros(stretch.buckets)
    begins_s = 0.0
    is_high = False
    while begins_s < stretch.lasts_s:
        lasts_s, height = high() if is_high else low()
        first, end = int(begins_s // stretch.grain_s), int((begins_s + lasts_s) // stretch.grain_s)
        level[first:end] = height
        begins_s, is_high = begins_s + lasts_s, not is_high
    return level
