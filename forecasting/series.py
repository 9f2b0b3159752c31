"""A load over time, on a grid of closed buckets: what all forecasts are made from, and what becomes of samples that do not fit it.

A bucket covers ``step_s`` seconds from a multiple of ``step_s`` since the epoch, UTC: clock changes do not exist here. What is not
known of a bucket is a gap, NaN, and never 0. One rule holds wherever samples become buckets: of one that is known by half or more
the known part stands for all of it in proportion, one of which less is known is a gap, and one that has not ended yet is left out.
"""

import enum
import gzip
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecasting.errors import InputError
from forecasting.forecast import Mask

Values = NDArray[np.float64]

_DAY_S = 86_400
_KNOWN_RATIO = 0.5  # of a bucket, from which on it stands for all of it
_STALE_INTERVALS = 2  # readings of a counter further apart than this many intervals say how much, but not when
_MOST_BUCKETS = 20_000_000  # 38 years of minutes: a timestamp in milliseconds among seconds would ask for more


class How(enum.StrEnum):
    """How the samples of a bucket become its value."""

    MEAN = "mean"
    """Their mean: for gauges, and for rates per second."""
    SUM = "sum"
    """Their sum, in proportion where some are missing: for counts per interval."""
    LAST = "last"
    """The latest of them: for levels that change by steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """What was found among the samples and became of it."""

    samples: int
    """How many were passed in."""
    out_of_order: int = 0
    """Older than one before them: sorted in by their time."""
    duplicates: int = 0
    """Of the same time as another: the one passed in last counts, unless it has no value."""
    future: int = 0
    """At or after *until*: left out."""
    negative: int = 0
    """Left out: a load cannot be negative."""
    not_finite: int = 0
    """NaN or infinite: left out."""
    partial: int = 0
    """Buckets of which less than half is known, so that they are gaps, and the last one if it had not ended, left out."""
    resets: int = 0
    """Drops of a counter: nothing is known between the readings before and after."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A load: one value per bucket, NaN for a gap.

    >>> series = Series(start_s=0, step_s=60, values=[3.0, float("nan"), 5.0])
    >>> series.slots.tolist(), series.gaps.tolist()
    ([0, 1, 2], [False, True, False])
    """

    start_s: int
    """Where the first bucket begins, in seconds since the epoch: a multiple of *step_s*."""
    step_s: int
    """Length of a bucket in seconds: it divides a day."""
    values: Values
    """Shape (buckets,), finite and not negative, or NaN. A copy that cannot be written to."""

    def __init__(self, start_s: int, step_s: int, values: ArrayLike) -> None:
        """Keep a copy of *values*. Raises `InputError` for what is not a load on a grid."""
        _require_step(step_s)
        if start_s % step_s:
            raise InputError(f"start_s {start_s} must be a multiple of step_s {step_s}: use from_samples for times off the grid")
        kept = np.array(values, dtype=np.float64)
        if kept.ndim != 1:
            raise InputError(f"values must have one dimension, not the shape {kept.shape}: one Series per load")
        if np.isinf(kept).any() or (kept < 0).any():
            raise InputError("values must be finite and not negative, with NaN for a gap: from_samples leaves out what is neither")
        kept.flags.writeable = False
        object.__setattr__(self, "start_s", int(start_s))
        object.__setattr__(self, "step_s", int(step_s))
        object.__setattr__(self, "values", kept)

    def __len__(self) -> int:
        """Return the number of buckets, gaps among them."""
        return len(self.values)

    @property
    def end_s(self) -> int:
        """Where the last bucket ends, in seconds since the epoch."""
        return self.start_s + len(self) * self.step_s

    @property
    def slots(self) -> NDArray[np.int64]:
        """The buckets' numbers, ``start_s // step_s`` and on: what `Forecaster.observe` takes."""
        return self.start_s // self.step_s + np.arange(len(self), dtype=np.int64)

    @property
    def gaps(self) -> Mask:
        """Which buckets are unknown."""
        return np.isnan(self.values)

    def last(self, buckets: int) -> "Series":
        """Return the last *buckets* of it, or all if it has fewer."""
        skipped = max(len(self) - max(buckets, 0), 0)
        return Series(self.start_s + skipped * self.step_s, self.step_s, self.values[skipped:])

    def resample(self, step_s: int, how: How = How.MEAN) -> "Series":
        """Return it in buckets of *step_s*, a multiple of its own step; a last one that it does not fill is left out.

        Raises `InputError` for a step that is finer, no multiple or does not divide a day.
        """
        _require_step(step_s)
        if step_s % self.step_s:
            raise InputError(f"step_s {step_s} must be a multiple of {self.step_s}: values cannot be split")
        if step_s == self.step_s or not len(self):
            return Series(self.start_s - self.start_s % step_s, step_s, self.values)
        times = self.start_s + self.step_s * np.arange(len(self))
        series, _ = from_samples(times, self.values, step_s, until=self.end_s, how=how, period_s=self.step_s)
        return series


def from_samples(
    times: ArrayLike,
    values: ArrayLike,
    step_s: int,
    *,
    until: float | None = None,
    how: How = How.MEAN,
    period_s: float | None = None,
) -> tuple[Series, Cleaning]:
    """Return samples of a gauge, or of counts per interval, as a series from the first to the last closed bucket.

    *times* are in seconds since the epoch and have the shape of *values*; a sample at t tells of the time from t on. *until* is
    when the samples were taken: later ones are left out, and so is a bucket that ends later; by default all of them are old
    enough. *period_s* is the usual distance of two samples, by default their median one. `Cleaning` says what becomes of samples
    that are not as they should be. Raises `InputError` for shapes that do not fit, times that are not finite, and a step that
    does not divide a day.
    """
    _require_step(step_s)
    at, kept, counts = _sorted(times, values, until)
    if not len(at):
        return Series(0, step_s, []), Cleaning(**counts)
    period = float(period_s) if period_s is not None else _period(at, step_s)
    if not period > 0:
        raise InputError(f"period_s {period_s} must be above 0")
    first, buckets, open_ended = _grid(at[0], float(at[-1]), until if until is not None else at[-1] + period, step_s)
    usable = np.isfinite(kept)
    slot = np.floor(at[usable] / step_s).astype(np.int64) - first
    known = kept[usable]
    known, slot = known[slot < buckets], slot[slot < buckets]
    number = np.bincount(slot, minlength=buckets).astype(np.float64)
    expected = max(step_s / period, 1.0)
    enough = number >= _KNOWN_RATIO * np.floor(expected)
    enough &= number > 0
    result = np.full(buckets, np.nan)
    match how:
        case How.LAST:
            result[slot] = known  # sorted by time: the latest stays
        case How.MEAN | How.SUM:
            total = np.bincount(slot, weights=known, minlength=buckets)
            np.divide(total, number, out=result, where=number > 0)
            if how is How.SUM:
                result *= expected
    result[~enough] = np.nan
    partial = int(np.count_nonzero((number > 0) & ~enough)) + open_ended
    return Series(first * step_s, step_s, result), Cleaning(**counts, partial=partial)


def from_counter(times: ArrayLike, values: ArrayLike, step_s: int, *, until: float | None = None) -> tuple[Series, Cleaning]:
    """Return by how much a counter rises in each closed bucket, from readings of it.

    A rise between two readings is spread evenly between them. A reading below the one before is a reset: what happened between
    the two is unknown, whatever the second one says. So is what happened between readings further apart than two buckets and
    two of the usual distances. Never pass the sum of several counters, one of which may be reset, or begin or end: add up their
    series. Arguments, result and errors are those of `from_samples`.
    """
    _require_step(step_s)
    at, kept, counts = _sorted(times, values, until)
    at, kept = at[np.isfinite(kept)], kept[np.isfinite(kept)]
    if len(at) < 2:
        return Series(0, step_s, []), Cleaning(**counts)
    length, rise = np.diff(at), np.diff(kept)
    told = (rise >= 0) & (length <= _STALE_INTERVALS * max(step_s, _period(at, step_s)))
    first, buckets, open_ended = _grid(at[0], float(np.nextafter(at[-1], 0)), until if until is not None else at[-1], step_s)
    edges = (first + np.arange(buckets + 1)) * float(step_s)
    rises = np.diff(np.interp(edges, at, np.concatenate(([0.0], np.cumsum(np.where(told, rise, 0.0))))))
    known_s = np.diff(np.interp(edges, at, np.concatenate(([0.0], np.cumsum(np.where(told, length, 0.0))))))
    enough = known_s >= _KNOWN_RATIO * step_s
    result = np.full(buckets, np.nan)
    np.divide(rises * step_s, known_s, out=result, where=enough)
    partial = int(np.count_nonzero((known_s > 0) & ~enough)) + open_ended
    resets = int(np.count_nonzero(rise < 0))
    return Series(first * step_s, step_s, np.maximum(result, 0.0)), Cleaning(**counts, partial=partial, resets=resets)


def read_csv(text: str | bytes, *, column: str = "requests", until: float | None = None) -> tuple[Series, Cleaning]:
    """Return a series from CSV: a header that names ``timestamp_s`` and *column*, then a line per sample; no value is a gap.

    *text* may be bytes, also those of a gzip file. The step is the usual distance of two samples, or the next longer one that
    divides a day. Raises `InputError` with the line that cannot be read.
    """
    lines = _text(text).splitlines()
    names = [name.strip() for name in lines[0].lstrip("\ufeff").split(",")] if lines else []
    missing = {"timestamp_s", column} - set(names)
    if missing:
        raise InputError(f"the header must name timestamp_s and {column}: {', '.join(sorted(missing))} is not in {names}")
    time_at, value_at = names.index("timestamp_s"), names.index(column)
    times: list[float] = []
    values: list[float] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        cells = line.split(",")
        try:
            times.append(float(cells[time_at]))
            values.append(float(cells[value_at].strip() or "nan"))
        except (ValueError, IndexError) as exc:
            raise InputError(f"line {number}, {line[:80]!r}: timestamp_s and {column} must be numbers") from exc
    stamps = np.array(times)
    if not np.isfinite(stamps).all():
        raise InputError("timestamp_s must be finite in every line: leave the value empty for a gap, not the time")
    if len(np.unique(stamps)) < 2:
        raise InputError("at least two samples of different times are needed: the step is their distance")
    period = _period(np.sort(stamps), step_s=1)
    return from_samples(stamps, values, _dividing(period), until=until, how=How.MEAN, period_s=period)


def _text(text: str | bytes) -> str:
    if isinstance(text, str):
        return text
    try:
        return (gzip.decompress(text) if text.startswith(b"\x1f\x8b") else text).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as exc:
        raise InputError(f"this is neither UTF-8 text nor a whole gzip file of it: {exc}") from exc


def _require_step(step_s: int) -> None:
    if step_s < 1 or step_s != int(step_s) or _DAY_S % step_s:
        raise InputError(f"step_s {step_s} must divide a day of {_DAY_S} s: choose 15, 60, 300 or 600")


def _dividing(period: float) -> int:
    """Return the shortest step that divides a day and is not shorter than *period*; one second of it is rounding."""
    return next((step for step in range(max(round(period), 1), _DAY_S) if _DAY_S % step == 0), _DAY_S)


def _period(at: Values, step_s: int) -> float:
    distances = np.diff(np.unique(at))
    return float(np.median(distances)) if len(distances) else float(step_s)


def _sorted(times: ArrayLike, values: ArrayLike, until: float | None) -> tuple[Values, Values, dict[str, int]]:
    """Return times, ascending, their values (NaN for what is none), and what was found."""
    at, kept = np.array(times, dtype=np.float64), np.array(values, dtype=np.float64)
    if at.ndim != 1 or at.shape != kept.shape:
        raise InputError(f"times {at.shape} and values {kept.shape} must be of one dimension and length: a time for each value")
    if not np.isfinite(at).all():
        raise InputError("times must be finite: leave out the sample, or keep its time with the value NaN for a gap")
    not_finite, negative = ~np.isfinite(kept), kept < 0
    negative &= ~not_finite
    counts = {
        "samples": len(at),
        "not_finite": int(not_finite.sum()),
        "negative": int(negative.sum()),
        "out_of_order": int((at < np.maximum.accumulate(at)).sum()) if len(at) else 0,
    }
    kept[not_finite | negative] = np.nan
    past = at < until if until is not None else np.ones(len(at), dtype=np.bool_)
    counts["future"] = int((~past).sum())
    at, kept = at[past], kept[past]
    order = np.lexsort((np.isfinite(kept), at))  # of the same time: what has no value before what has one, else as passed in
    at, kept = at[order], kept[order]
    latest = np.append(at[1:] != at[:-1], True) if len(at) else np.zeros(0, dtype=np.bool_)
    counts["duplicates"] = int((~latest).sum())
    return at[latest], kept[latest], counts


def _grid(first_s: float, last_s: float, until: float, step_s: int) -> tuple[int, int, int]:
    """Return the first bucket, the number of closed ones, and 1 if there is one more that had not ended, else 0."""
    first = int(first_s // step_s)
    begun = int(last_s // step_s) - first + 1
    if begun > _MOST_BUCKETS:
        raise InputError(f"times from {first_s:.0f} to {last_s:.0f} s span {begun} buckets of {step_s} s: some are in another unit")
    closed = min(begun, int(until // step_s) - first)
    return first, max(closed, 0), int(closed < begun)
