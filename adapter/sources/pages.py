"""From the pages of many targets to the rows that were asked for: each page is read once, for all selections together.

What must be remembered between pages stays with its target (`Reader`); what one collection adds up goes into a `Tally`.
"""

from collections.abc import Iterator, Mapping, Sequence

from adapter.metric import Labels, Row
from adapter.rules.model import LabelMatch, Latest, Quantile, Rate, Selection
from adapter.sources import Wanted, counters, exposition
from adapter.sources.exposition import LabelCache, LabelSet, LineProblem
from adapter.sources.targets import Target, attach

#: About a millisecond's worth.
_QUANTILES_PER_TURN = 64


class Tally:
    """What one collection has found so far.

    Rows of gauges and rates keep all their labels. A quantile is of all the observations behind the wanted labels, so the
    buckets of series that differ in others, and of several targets, are added up first.
    """

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self.wanted = wanted
        self.names = frozenset(want.selection.name for want in wanted)
        self.rows: dict[Selection, list[Row]] = {want.selection: [] for want in wanted}
        self._sums: dict[Selection, dict[LabelSet, _Sum]] = {want.selection: {} for want in wanted}

    def add_rows(self, selection: Selection, rows: Sequence[Row]) -> None:
        """Take the rows of one page."""
        self.rows[selection].extend(row for row in rows if _meets(row.labels, selection.where))

    def add_growth(self, want: Wanted, growth: counters.Growth) -> None:
        """Take what one histogram of one page grew by."""
        if not _meets(growth.labels, want.selection.where):
            return
        labels = growth.labels
        if want.labels:
            labels = LabelSet({label: labels[label] for label in want.labels if label in labels})
        sums = self._sums[want.selection]
        if labels in sums:
            sums[labels].add(growth)
        else:
            sums[labels] = _Sum(growth)

    def settle(self) -> Iterator[None]:
        """Turn the buckets into quantiles, NaN where there was no observation; yields now and then, for others to have a turn."""
        for selection, sums in self._sums.items():
            if not isinstance(selection.measure, Quantile):
                continue
            for count, (labels, total) in enumerate(sums.items()):
                self.rows[selection].append(Row(labels, counters.quantile(selection.measure.q, total.amounts), total.at))
                if count % _QUANTILES_PER_TURN == 0:
                    yield


class _Sum:
    """The buckets of several histograms, added up, as of the oldest of them."""

    def __init__(self, growth: counters.Growth) -> None:
        self.amounts: dict[str, float] = dict(growth.amounts)
        self.at = growth.at

    def add(self, growth: counters.Growth) -> None:
        for bound, amount in growth.amounts.items():
            self.amounts[bound] = self.amounts.get(bound, 0.0) + amount
        self.at = min(self.at, growth.at)


class Reader:
    """Reads the pages of one target and remembers what rates and quantiles need of them."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._labels = LabelCache(attach(target.labels))
        self._counters: dict[tuple[str, float, bool], counters.Counters] = {}

    def read(self, body: bytes, tally: Tally, *, at: float, openmetrics: bool) -> tuple[LineProblem, ...]:
        """Add what stands on the page *body*, asked for at *at*, to *tally*; return the wanted lines that cannot be read.

        Raises:
            ExpositionError: the page as a whole cannot be trusted; nothing was added.

        """
        page = exposition.parse(body, tally.names, at=at, openmetrics=openmetrics, cache=self._labels)
        before, self._counters = self._counters, {}
        for want in tally.wanted:
            selection = want.selection
            match selection.measure:
                case Latest():
                    tally.add_rows(selection, page.rows.get(selection.name, ()))
                case Rate(window_s=window_s):
                    counted = self._counted(before, (selection.name, window_s, False), page.rows, at)
                    tally.add_rows(selection, counted.rates())
                case Quantile(window_s=window_s):
                    counted = self._counted(before, (f"{selection.name}_bucket", window_s, True), page.rows, at)
                    for growth in counted.growths():
                        tally.add_growth(want, growth)
        return page.problems

    def _counted(
        self,
        before: Mapping[tuple[str, float, bool], counters.Counters],
        key: tuple[str, float, bool],
        rows: Mapping[str, list[Row]],
        at: float,
    ) -> counters.Counters:
        """Return the counters under *key* with this page in them; selections of one name and window share them."""
        counted = self._counters.get(key)
        if counted is None:
            name, window_s, buckets = key
            counted = self._counters[key] = before.get(key) or counters.Counters(window_s, buckets=buckets)
            counted.add(rows.get(name, ()), now=at)
        return counted


def _meets(labels: Labels, where: Sequence[LabelMatch]) -> bool:
    return all(match.holds(labels.get(match.label, "")) for match in where)
