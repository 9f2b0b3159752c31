"""What can be said of two policies from runs that are paired by their seeds, and how surely.

A policy's front are its points (GPU-hours, share of missed requests) over the levels of tightness, less those that another of
its own points beats in both. Between two points of a front a mixture of the two is assumed: a straight line. Beyond its ends
nothing is.

Intervals are bootstrap intervals (percentiles, 95 %): whole blocks are drawn with replacement, in each block its seeds, and the
same ones for both sides of a difference. A trace is a block, because its seeds share its load.
"""

import enum
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESAMPLES = 1000
_COVERED = (2.5, 97.5)
#: An interval is given while so many of its resamples have a value at all.
_LEAST_KNOWN = 0.95
_DRAWN = 7002  # the cause of the generator that draws resamples


class Bound(enum.StrEnum):
    """How a value was read from a front."""

    EXACT = "exact"
    AT_MOST = "at most"
    """The front's end is better than asked for: its value is an upper bound of what there would be."""
    UNREACHABLE = "unreachable"
    """No point of the front is as good as asked for."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value from a front; NaN where it is unreachable."""

    value: float
    bound: Bound

    @property
    def known(self) -> bool:
        """Return whether there is a value."""
        return self.bound is not Bound.UNREACHABLE


_UNREACHABLE = Reading(math.nan, Bound.UNREACHABLE)


@dataclass(frozen=True, slots=True)
class Point:
    """What one configuration came to: GPU-hours, and the share of requests that were late or failed."""

    gpu_hours: float
    missed_ratio: float


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a value lies with 95 % confidence."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value over all seeds, and its interval where there are enough of them to tell."""

    value: float
    interval: Interval | None


def front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats in both ways, the cheapest first: dearer ones miss less."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda point: (point.gpu_hours, point.missed_ratio)):
        if not kept or point.missed_ratio < kept[-1].missed_ratio:
            kept.append(point)
    return kept


def gpu_hours_at(points: Sequence[Point], missed_ratio: float) -> Reading:
    """Return the least GPU-hours at which no more than *missed_ratio* of the requests are missed."""
    best = front(points)
    if not best or best[-1].missed_ratio > missed_ratio:
        return _UNREACHABLE
    if best[0].missed_ratio <= missed_ratio:
        exact = best[0].missed_ratio == missed_ratio
        return Reading(best[0].gpu_hours, Bound.EXACT if exact else Bound.AT_MOST)
    worse, better = next((a, b) for a, b in itertools.pairwise(best) if b.missed_ratio <= missed_ratio)
    share = (worse.missed_ratio - missed_ratio) / (worse.missed_ratio - better.missed_ratio)
    return Reading(worse.gpu_hours + share * (better.gpu_hours - worse.gpu_hours), Bound.EXACT)


def missed_at(points: Sequence[Point], gpu_hours: float) -> Reading:
    """Return the least share of requests that is missed for no more than *gpu_hours*."""
    best = front(points)
    if not best or best[0].gpu_hours > gpu_hours:
        return _UNREACHABLE
    if best[-1].gpu_hours <= gpu_hours:
        exact = best[-1].gpu_hours == gpu_hours
        return Reading(best[-1].missed_ratio, Bound.EXACT if exact else Bound.AT_MOST)
    cheaper, dearer = next((a, b) for a, b in itertools.pairwise(best) if b.gpu_hours > gpu_hours)
    share = (gpu_hours - cheaper.gpu_hours) / (dearer.gpu_hours - cheaper.gpu_hours)
    return Reading(cheaper.missed_ratio + share * (dearer.missed_ratio - cheaper.missed_ratio), Bound.EXACT)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The runs of one entry on one trace: GPU-hours and missed shares as arrays of (levels, seeds)."""

    gpu_hours: Array
    missed_ratio: Array

    def __post_init__(self) -> None:
        if self.gpu_hours.ndim != 2 or self.gpu_hours.shape != self.missed_ratio.shape or not self.gpu_hours.size:
            raise ValueError(f"levels × seeds are needed of both, not {self.gpu_hours.shape} and {self.missed_ratio.shape}")

    @property
    def seeds(self) -> int:
        """Return the number of seeds."""
        return int(self.gpu_hours.shape[1])

    def first(self, seeds: int) -> "Grid":
        """Return the runs of the first *seeds* only."""
        return Grid(self.gpu_hours[:, :seeds], self.missed_ratio[:, :seeds])

    def points(self) -> list[Point]:
        """Return each level's mean over all seeds."""
        means = (self.gpu_hours.mean(axis=1).tolist(), self.missed_ratio.mean(axis=1).tolist())
        return [Point(*pair) for pair in zip(*means, strict=True)]

    def resampled(self, seeds: NDArray[np.int64]) -> tuple[list[list[float]], list[list[float]]]:
        """Return GPU-hours and missed shares of each row of *seeds*, which may repeat: the levels' means."""
        return self.gpu_hours[:, seeds].mean(axis=2).T.tolist(), self.missed_ratio[:, seeds].mean(axis=2).T.tolist()


#: Compares the points of some entries on one trace, all from the same seeds; None where it cannot be said.
Measure = Callable[[Sequence[Sequence[Point]]], float | None]


def measured(block: Sequence[Grid], measure: Measure, *, seed: int, resamples: int = RESAMPLES) -> Estimate | None:
    """Return what *measure* says of a trace's entries, paired by their seeds; None where it says nothing."""
    return mean_measured([block], measure, seed=seed, resamples=resamples)


def mean_measured(blocks: Sequence[Sequence[Grid]], measure: Measure, *, seed: int, resamples: int = RESAMPLES) -> Estimate | None:
    """Return the mean of *measure* over those *blocks* (traces) for which it says something; None where that is none.

    How many these are is for the caller to count and to say.
    """
    told = [(block, value) for block in blocks if (value := measure([grid.points() for grid in block])) is not None]
    if not told:
        return None
    value = math.fsum(each for _, each in told) / len(told)
    kept = [block for block, _ in told]
    if len(kept) == 1 and _pairs(kept[0]) < 2:
        return Estimate(value, None)
    rng = np.random.default_rng([seed, _DRAWN])
    drawn = rng.integers(len(kept), size=(resamples, len(kept)))
    values = np.full(drawn.shape, np.nan)
    for place, block in enumerate(kept):
        here = drawn == place
        values[here] = _again(block, measure, int(here.sum()), rng)
    known = np.isfinite(values)
    said = known.any(axis=1)
    means = np.nansum(values[said], axis=1) / known[said].sum(axis=1)
    if len(means) < _LEAST_KNOWN * resamples:
        return Estimate(value, None)
    low, high = np.percentile(means, _COVERED)
    return Estimate(value, Interval(float(low), float(high)))


def _again(block: Sequence[Grid], measure: Measure, times: int, rng: np.random.Generator) -> list[float]:
    """Return what *measure* says of a block so many times, of seeds that are drawn each time; NaN where it says nothing."""
    pairs = _pairs(block)
    seeds = rng.integers(pairs, size=(times, pairs))
    drawn = [_points(*grid.resampled(seeds)) for grid in block]
    values = [measure(entries) for entries in zip(*drawn, strict=True)]
    return [math.nan if value is None else value for value in values]


def _points(gpu_hours: list[list[float]], missed_ratio: list[list[float]]) -> list[list[Point]]:
    """Return the points of each row of levels."""
    return [list(map(Point, *row)) for row in zip(gpu_hours, missed_ratio, strict=True)]


def _pairs(block: Sequence[Grid]) -> int:
    counts = {grid.seeds for grid in block}
    if len(counts) != 1:
        raise ValueError(f"runs are paired by their seeds, and these have {sorted(counts)} of them")
    return counts.pop()


def mean_difference(ours: Sequence[float], theirs: Sequence[float], *, seed: int, resamples: int = RESAMPLES) -> Estimate:
    """Return the mean of *ours* less *theirs*, which are paired, with its interval from two pairs on."""
    if len(ours) != len(theirs) or not ours:
        raise ValueError(f"{len(ours)} and {len(theirs)} values do not pair")
    differences = np.array(ours, dtype=np.float64) - np.array(theirs, dtype=np.float64)
    value = float(differences.mean())
    if len(differences) < 2:
        return Estimate(value, None)
    drawn = np.random.default_rng([seed, _DRAWN]).integers(len(differences), size=(resamples, len(differences)))
    low, high = np.percentile(differences[drawn].mean(axis=1), _COVERED)
    return Estimate(value, Interval(float(low), float(high)))
