"""The PromQL that a selection becomes: one query per selection, for the values and for when they were measured.

An instant query answers with the time of its evaluation, and a value can be five minutes older than that. So the query asks
for both, told apart by the label `PART_LABEL`: the values, and the `timestamp()` of the series behind them.
"""

import re
from collections.abc import Iterable, Sequence

from adapter.rules.model import LabelMatch, Latest, MatchOp, Quantile, Rate, Selection
from adapter.sources import Wanted

PART_LABEL = "leadtime_part"
VALUE = "value"
TIME = "time"

_PLAIN_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_PLAIN_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def query(wanted: Wanted) -> str:
    """Return the query whose answer `prometheus.rows` can read; a PromQL expression is sent as it stands.

    Only the wanted labels survive, which keeps answers small and folds the copies that an HA pair of servers stores. A gauge's
    copies differ by one scrape: the larger counts. The oldest measurement dates the value.
    """
    selection = wanted.selection
    if selection.promql:
        return selection.promql
    values, times = _parts(selection, wanted.labels)
    return f"{_marked(values, VALUE)} or {_marked(times, TIME)}"


def milliseconds(seconds: float) -> str:
    """Return a duration as PromQL writes it; whole milliseconds are its finest unit."""
    return f"{max(1, round(seconds * 1000))}ms"


def series(name: str, where: Sequence[LabelMatch] = ()) -> str:
    """Return the vector selector of *name*; a name outside the classic character set is quoted (Prometheus 3)."""
    matchers = [f"{_label(match.label)}{match.op.value}{_string(match.value)}" for match in where]
    if _PLAIN_METRIC.fullmatch(name):
        return f"{name}{{{','.join(matchers)}}}" if matchers else name
    return f"{{{','.join((_string(name), *matchers))}}}"


def _parts(selection: Selection, labels: frozenset[str]) -> tuple[str, str]:
    name, where = selection.name, selection.where
    vector = series(name, where)
    match selection.measure:
        case Latest():
            if not labels:
                return vector, f"timestamp({vector})"
            return _by("max", labels, vector), _by("min", labels, f"timestamp({vector})")
        case Rate(window_s=window_s):
            rate = f"rate({vector}[{milliseconds(window_s)}])"
            if not labels:
                return rate, f"timestamp({vector})"
            return _by("sum", labels, rate), _by("min", labels, f"timestamp({vector})")
        case Quantile(q=q, window_s=window_s):
            window = milliseconds(window_s)
            classic = f"rate({series(f'{name}_bucket', where)}[{window}])"
            native = f"rate({vector}[{window}])"
            # Every classic histogram has this bucket, so it alone can date them all.
            top = series(f"{name}_bucket", (*where, LabelMatch("le", MatchOp.EQUAL, "+Inf")))
            times = f"timestamp({top}) or timestamp({vector})"
            if labels:
                classic, native = _by("sum", labels | {"le"}, classic), _by("sum", labels - {"le"}, native)
                times = _by("min", labels - {"le"}, times)
            else:
                times = f"min without (le) ({times})"
            # Servers that store native histograms may have no buckets; to the others the second half is empty.
            return f"histogram_quantile({q!r}, {classic}) or histogram_quantile({q!r}, {native})", times


def _marked(vector: str, part: str) -> str:
    return f'label_replace({vector}, "{PART_LABEL}", "{part}", "", "")'


def _by(aggregation: str, labels: Iterable[str], vector: str) -> str:
    return f"{aggregation} by ({', '.join(map(_label, sorted(labels)))}) ({vector})"


def _label(name: str) -> str:
    return name if _PLAIN_LABEL.fullmatch(name) else _string(name)


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
