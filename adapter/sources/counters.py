"""Rates and quantiles from successive pages, for sources that see only the present.

A counter says how much there has been since its process began; a rule wants how much there was lately. So every counter's last
pages are kept for the window, and what it grew by is summed with restarts allowed for. A histogram's buckets are counters that
restart together and are kept as one.
"""

import math
import operator
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from adapter.metric import Labels, Row
from adapter.sources.exposition import LabelSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How much the counters of one series grew, over what part of the window they were seen for."""

    labels: LabelSet
    amounts: Mapping[str, float]  # by bucket bound as the page spells it; a plain counter has the one bound ""
    elapsed_s: float
    at: float  # Unix seconds of the newest measurement


class _History:
    """What the counters of one series have grown to since it was first seen, page by page, oldest first.

    Kept flat: at 20 buckets and 12 pages a list of lists would take six times the memory.
    """

    __slots__ = ("_last", "_times", "_totals", "bounds", "page")

    def __init__(self, bounds: tuple[str, ...]) -> None:
        self.bounds = bounds
        self.page = 0  # the newest page that it stood on
        self._last: Sequence[float] = ()
        self._times = array("d")
        self._totals = array("d")

    def add(self, at: float, counts: Sequence[float]) -> None:
        if self._times and at <= self._times[-1]:
            # The exporter has not measured again (it says so by its own timestamp).
            return
        width = len(self.bounds)
        if self._times:
            # Counters of a process restart together, at zero: then all that they show has come since.
            restarted = any(map(operator.lt, counts, self._last))
            grown = counts if restarted else map(operator.sub, counts, self._last)
            totals: Iterable[float] = map(operator.add, self._totals[-width:], grown)
        else:
            totals = [0.0] * width
        self._times.append(at)
        self._totals.extend(totals)
        self._last = array("d", counts)

    def trim(self, window_s: float, now: float) -> None:
        """Forget what was measured longer than *window_s* before *now*, or so far after it that the clock was set back."""
        future = bool(self._times) and self._times[-1] > now + window_s
        gone = len(self._times) if future else bisect_right(self._times, now - window_s)
        if gone:
            del self._times[:gone]
            del self._totals[: gone * len(self.bounds)]

    @property
    def empty(self) -> bool:
        return not self._times

    def growth(self, labels: LabelSet) -> Growth | None:
        if len(self._times) < 2:
            return None
        width = len(self.bounds)
        return Growth(
            labels=labels,
            amounts=dict(zip(self.bounds, map(operator.sub, self._totals[-width:], self._totals[:width]), strict=True)),
            elapsed_s=self._times[-1] - self._times[0],
            at=self._times[-1],
        )


class Counters:
    """The counters of one name on one target: feed it every page, then ask what they grew by in the window.

    *buckets* says that the rows are a histogram's ``NAME_bucket`` with a label ``le``: they are kept together per remaining
    label set.
    """

    def __init__(self, window_s: float, *, buckets: bool = False) -> None:
        self.window_s = window_s
        self._buckets = buckets
        self._histories: dict[LabelSet, _History] = {}
        self._split: dict[int, _Split] = {}
        self._page = 0

    def __len__(self) -> int:
        return len(self._histories)

    def add(self, rows: Iterable[Row], *, now: float) -> None:
        """Take a page's rows, and forget what was measured longer than the window before *now*.

        A count that is no finite number says nothing: its series is as if it had not stood on the page.
        """
        self._page += 1
        plain = ((_label_set(row), row.at, {"": row.value}) for row in rows)
        found = self._histograms(rows) if self._buckets else plain
        for labels, at, counts in found:
            if not all(map(math.isfinite, counts.values())):
                continue
            history = self._histories.get(labels)
            bounds = tuple(counts)
            if history is None or history.bounds != bounds:
                # Other buckets are another histogram: nothing can be told from the difference.
                history = self._histories[labels] = _History(bounds)
            history.add(at, tuple(counts.values()))
            history.page = self._page
        for labels in list(self._histories):
            history = self._histories[labels]
            history.trim(self.window_s, now)
            if history.empty:
                del self._histories[labels]

    def growths(self) -> Iterator[Growth]:
        """Iterate over the series of the newest page that were seen at least twice in the window."""
        for labels, history in self._histories.items():
            growth = history.growth(labels) if history.page == self._page else None
            if growth is not None:
                yield growth

    def rates(self) -> list[Row]:
        """Return the per-second growth of each series of the newest page, as of its newest measurement."""
        return [Row(growth.labels, growth.amounts[""] / growth.elapsed_s, growth.at) for growth in self.growths()]

    def _histograms(self, rows: Iterable[Row]) -> Iterator[tuple[LabelSet, float, dict[str, float]]]:
        # By the identity of label sets, which page after page are the same objects: hashing one costs more than all the rest.
        known, seen = self._split, dict[int, _Split]()
        bares: dict[LabelSet, LabelSet] | None = None
        found: dict[int, tuple[LabelSet, float, dict[str, float]]] = {}
        for row in rows:
            split = known.get(id(row.labels))
            if split is None:
                if bares is None:
                    bares = {each.bare: each.bare for each in known.values()}
                rest, bound = _without_bound(_label_set(row))
                split = _Split(row.labels, bares.setdefault(rest, rest), bound)
            seen[id(row.labels)] = split
            _, bare, bound = split
            group = found.get(id(bare))
            if group is None:
                group = found[id(bare)] = (bare, row.at, {})
            elif row.at < group[1]:
                found[id(bare)] = (bare, row.at, group[2])
            group[2][bound] = row.value
        # What stood on this page is what the next one will most likely ask for.
        self._split = seen
        return iter(found.values())


class _Split(NamedTuple):
    """A bucket's label set, the same without its bound, and the bound."""

    labels: Labels  # kept, so that no other object gets its identity
    bare: LabelSet
    bound: str


def _label_set(row: Row) -> LabelSet:
    return row.labels if isinstance(row.labels, LabelSet) else LabelSet(row.labels)


def _without_bound(labels: LabelSet) -> tuple[LabelSet, str]:
    rest = LabelSet(labels)
    return rest, rest.pop("le", "")


@lru_cache(maxsize=1024)
def _bound(le: str) -> float:
    try:
        return float(le)
    except ValueError:
        return math.nan


def quantile(q: float, amounts: Mapping[str, float]) -> float:
    """Return the *q*-quantile (0..1) of the observations that a classic histogram's buckets hold, as Prometheus computes it.

    *amounts* are cumulative by upper bound. Within a bucket the observations are taken to be spread evenly, from zero in the
    lowest one when its bound is positive; a quantile in the ``+Inf`` bucket is the highest finite bound. No observation, no
    ``+Inf`` bucket or none besides it: NaN. https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile

    >>> quantile(0.5, {"1": 10.0, "2": 30.0, "+Inf": 30.0})
    1.25
    """
    buckets: list[tuple[float, float]] = []
    for upper, amount in sorted((_bound(le), amount) for le, amount in amounts.items() if not math.isnan(_bound(le))):
        if buckets and buckets[-1][0] == upper:
            # `1` and `1.0` are one bound that two servers spell in their own way.
            buckets[-1] = (upper, buckets[-1][1] + amount)
        else:
            buckets.append((upper, amount))
    if len(buckets) < 2 or not math.isinf(buckets[-1][0]):
        return math.nan
    # Pages of several targets can differ in buckets; a cumulative count never falls.
    counts: list[float] = []
    for _, amount in buckets:
        counts.append(max(amount, counts[-1]) if counts else amount)
    if not counts[-1] > 0:
        return math.nan
    rank = q * counts[-1]
    place = next(index for index, count in enumerate(counts) if count >= rank)
    if place == len(buckets) - 1:
        return buckets[-2][0]
    upper = buckets[place][0]
    if place == 0:
        if upper <= 0:
            return upper
        lower, below = 0.0, 0.0
    else:
        lower, below = buckets[place - 1][0], counts[place - 1]
    inside = counts[place] - below
    return lower + (upper - lower) * (rank - below) / inside if inside > 0 else lower
