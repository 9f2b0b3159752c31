"""The recent past of one target in numbers: two rings of points, a fine one of minutes and a coarse one of a day.

A point is what one decision saw. Each ring keeps the last point of every step and forgets the oldest; what was not known is NaN
and never 0. Columns are arrays of single precision: a target with three signals costs `bytes_kept`, which a test holds to a bound.
"""

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

#: What is kept of a decision, beside its signals.
FIGURES = (
    "serving",  # ready, and getting requests
    "warm",  # ready, held back
    "starting",
    "desired",  # decided on, warm ones included
    "least",  # the bounds in force
    "most",
    "offered",  # the load, in replicas' worth, as are those that follow
    "median",  # the largest load within the horizon, as forecast
    "likely",
    "realised",  # the largest load of the last horizon
    "horizon",  # seconds
)
#: More signals than this are not drawn.
MOST_SIGNALS = 8

#: By name, each with its value and its target.
Signals = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Point:
    """What one decision saw at *at*, Unix seconds; *figures* stand in the order of `FIGURES`."""

    at: float
    figures: Sequence[float]
    signals: Signals

    def document(self) -> dict[str, object]:
        """Return the point for the page, NaN as nothing."""
        named = zip(FIGURES, self.figures, strict=True)
        return {
            "at": round(self.at, 3),
            "figures": {name: plain(value) for name, value in named},
            "signals": {name: [plain(value), plain(target)] for name, (value, target) in self.signals.items()},
        }


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a ring keeps: *points* of *step_s* seconds each."""

    step_s: float
    points: int


class Ring:
    """The last points of one target, one for each step of time."""

    __slots__ = ("_at", "_columns", "_signals", "extent")

    def __init__(self, extent: Extent) -> None:
        self.extent = extent
        self._at = array("d")
        self._columns = tuple(array("f") for _ in FIGURES)
        self._signals: dict[str, tuple[array[float], array[float]]] = {}

    def __len__(self) -> int:
        return len(self._at)

    def add(self, point: Point) -> None:
        """Take *point* in, in the place of the last one where both are of the same step."""
        if self._at and self._step(self._at[-1]) == self._step(point.at):
            self._drop(len(self._at) - 1, len(self._at))
        known = len(self._at)
        self._at.append(point.at)
        for column, value in zip(self._columns, point.figures, strict=True):
            column.append(value)
        for name, pair in point.signals.items():
            if name not in self._signals and len(self._signals) < MOST_SIGNALS:
                self._signals[name] = (_unknown(known), _unknown(known))
            for column, value in zip(self._signals.get(name, ()), pair, strict=False):
                column.append(value)
        for columns in self._signals.values():
            for column in columns:
                if len(column) == known:
                    column.append(math.nan)
        self._trim()

    def narrow(self, points: int) -> None:
        """Keep at most *points* from now on."""
        self.extent = Extent(self.extent.step_s, points)
        self._trim()

    def document(self) -> dict[str, object]:
        """Return the ring for the page, column by column."""
        return {
            "stepSeconds": self.extent.step_s,
            "points": self.extent.points,
            "at": [round(at, 3) for at in self._at],
            "figures": {name: _plain(column) for name, column in zip(FIGURES, self._columns, strict=True)},
            "signals": {name: [_plain(value), _plain(target)] for name, (value, target) in self._signals.items()},
        }

    @property
    def begins(self) -> float:
        """Return when the oldest point was, Unix seconds; without any, never yet."""
        return self._at[0] if self._at else math.inf

    @property
    def ends(self) -> float:
        """Return when the newest point was, Unix seconds; without any, before all."""
        return self._at[-1] if self._at else -math.inf

    def newer(self, at: float) -> int:
        """Return how many of the last points are newer than *at*."""
        count = 0
        while count < len(self._at) and self._at[-1 - count] > at:
            count += 1
        return count

    def tail(self, count: int) -> list[dict[str, object]]:
        """Return the last *count* points for the page, the oldest first."""
        start = max(0, len(self._at) - count)
        return [self._point(place).document() for place in range(start, len(self._at))]

    @property
    def bytes_kept(self) -> int:
        """Return how many bytes the columns take."""
        return sum(len(column) * column.itemsize for column in self._arrays())

    def _point(self, place: int) -> Point:
        signals = {name: (values[place], targets[place]) for name, (values, targets) in self._signals.items()}
        return Point(self._at[place], [column[place] for column in self._columns], signals)

    def _arrays(self) -> Iterator["array[float]"]:
        yield self._at
        yield from self._columns
        for columns in self._signals.values():
            yield from columns

    def _step(self, at: float) -> int:
        return math.floor(at / self.extent.step_s)

    def _drop(self, start: int, end: int) -> None:
        for column in self._arrays():
            del column[start:end]

    def _trim(self) -> None:
        surplus = len(self._at) - self.extent.points
        if surplus <= 0:
            return
        self._drop(0, surplus)
        # A signal that the policy has no longer ends when its last value has grown old.
        for name, (values, targets) in list(self._signals.items()):
            if all(map(math.isnan, targets)) and all(map(math.isnan, values)):
                del self._signals[name]


@dataclass(slots=True)
class Past:
    """Both rings of one target."""

    fine: Ring
    coarse: Ring

    def add(self, point: Point) -> None:
        """Take *point* in."""
        self.fine.add(point)
        self.coarse.add(point)


def plain(value: float) -> float | None:
    """Return *value* in as many digits as a chart can show, or None for what is not known."""
    if not math.isfinite(value):
        return None
    whole = round(value)
    return float(whole) if value == whole else float(f"{value:.4g}")


def _plain(column: "array[float]") -> list[float | None]:
    return [plain(value) for value in column]


def _unknown(count: int) -> "array[float]":
    return array("f", (math.nan,)) * count
