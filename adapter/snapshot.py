"""What is known right now: every rule's last result, immutable, replaced as a whole after each collection.

A read is a look-up here: no source, no API server and no parsing is on its way. Values are kept with the bytes that answers are
put together from; a value past its rule's maximum age is not served, whoever asks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache

from adapter import quantity
from adapter.metric import Labels, MetricId, Missing, ObjectRef, Reason, Sample
from adapter.rules.model import Rule

#: For how many maximum ages a value whose series is gone is remembered.
REMEMBERED_AGES = 10.0


@dataclass(frozen=True, slots=True)
class Value:
    """One object's value as it is served.

    *parts* are the values by the labels that the rule keeps (empty when it keeps none): a metricLabelSelector chooses among
    them, and the chosen ones are folded by the rule's reducer.
    """

    sample: Sample
    parts: tuple[tuple[Labels, Sample], ...] = ()
    encoded: bytes = b""  # `"timestamp":"…","value":"…"` and the window, made once when the value is

    @staticmethod
    def of(sample: Sample, parts: tuple[tuple[Labels, Sample], ...] = ()) -> "Value":
        """Return *sample* as a value, encoded."""
        return Value(sample, parts, encode(sample))


def rfc3339(at: float) -> str:
    """Return *at* (Unix seconds) as the API writes times: UTC, whole seconds."""
    return _second(int(at // 1))


@lru_cache(maxsize=1024)  # the samples of one collection share a few seconds, and formatting one costs more than encoding it
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def encode(sample: Sample) -> bytes:
    """Return the members of a JSON item that depend on the sample: ``"timestamp":"…","value":"…"``.

    Every version of the API spells these two the same; the window's key differs and is added by the documents.
    """
    return b'"timestamp":"%b","value":"%b"' % (
        rfc3339(sample.at).encode(),
        quantity.from_float(sample.value).encode(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """What one rule last gave.

    A collection that fails leaves *values* as they were (they age out by themselves) and says why in *fault*.
    """

    rule: Rule
    at: float | None = None  # when it last succeeded, Unix seconds
    values: Mapping[ObjectRef, Value] = field(default_factory=dict)
    missing: Mapping[ObjectRef, Missing] = field(default_factory=dict)  # seen, and why they have no value
    fault: Missing | None = None
    unattributed: int = 0  # rows that name no object: idle GPUs, missing labels

    def failed(self, fault: Missing) -> "RuleResult":
        """Return the last good result with *fault* beside it; its `since` is when the faults began."""
        since = self.fault.since if self.fault is not None and self.fault.reason is not Reason.WARMING else fault.since
        return replace(self, fault=replace(fault, since=since))

    def carrying(self, previous: "RuleResult", *, now: float) -> "RuleResult":
        """Return this result with the values of objects that have just lost their series.

        A failed scrape makes series vanish at once, and a sum would sink with them. Such a value keeps its true time and is
        served until its maximum age; after that it is kept a while longer, so that a reader is told how old the last one was.
        A value that is known to be bad (not a number, blank) is not papered over, and one whose absence the rule has a number for
        (`absent_as`) is not remembered for longer than it is served.
        """
        ages = REMEMBERED_AGES if self.rule.absent_as is None else 1.0
        horizon = now - ages * self.rule.max_age_s
        lost = {
            ref: value
            for ref, value in previous.values.items()
            if ref not in self.values and ref not in self.missing and value.sample.at >= horizon
        }
        return replace(self, values={**lost, **self.values}) if lost else self


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every rule's result by name, and the same by what they serve; *generation* grows with every replacement."""

    results: Mapping[str, RuleResult] = field(default_factory=dict)
    by_metric: Mapping[MetricId, tuple[RuleResult, ...]] = field(default_factory=dict)
    generation: int = 0

    @staticmethod
    def warming(rules: Iterable[Rule]) -> "Snapshot":
        """Return the snapshot before the first collection: every metric is known, and none has a value yet."""
        return Snapshot().updated(
            RuleResult(rule=rule, fault=Missing(Reason.WARMING, "no collection has ended yet", rule=rule.name, source=rule.source))
            for rule in rules
        )

    def updated(self, results: Iterable[RuleResult]) -> "Snapshot":
        """Return a snapshot with *results* in place of their predecessors; new ones stand behind those that are known."""
        merged = {**self.results, **{result.rule.name: result for result in results}}
        by_metric: dict[MetricId, list[RuleResult]] = {}
        for result in merged.values():
            by_metric.setdefault(result.rule.metric_id(), []).append(result)
        return Snapshot(merged, {key: tuple(found) for key, found in by_metric.items()}, self.generation + 1)
