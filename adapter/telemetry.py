"""The adapter's own metrics: how fresh each rule is, how each source fares, what readers ask and how fast they are answered.

One registry per instance and no global state. The read path holds ready-made children, since looking one up by its labels costs
more than the read itself.
"""

import itertools
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector as RegistryCollector

from adapter.errors import SourceError
from adapter.snapshot import RuleResult
from adapter.sources import Batch

_READ_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_COLLECT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# The name under which every adapter of this family exposes how old its answers are, so that dashboards compare.
_FRESHNESS_BUCKETS = (1, 2.5, 5, 10, 15, 30, 45, 60, 90, 120, 180, 300)


@dataclass
class Telemetry:
    """The registry and what is counted in it."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=self.registry)

        def histogram(name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

        self.requests = counter("leadtime_adapter_requests", "Requests answered.", "kind", "code")
        self.read_seconds = Distribution(_READ_BUCKETS)
        self._freshness: dict[str, Distribution] = {}
        self.collections = counter("leadtime_adapter_collections", "Collections from a source.", "source", "outcome")
        self.queries = counter("leadtime_adapter_source_queries", "Selections asked of a source.", "source")
        self.collect_seconds = histogram(
            "leadtime_adapter_collection_duration_seconds", "Duration of a collection.", _COLLECT_BUCKETS, "source"
        )
        self.targets_down = gauge("leadtime_adapter_scrape_targets_down", "Targets that did not answer.", "source")
        self.config_ok = gauge("leadtime_adapter_config_reload_successful", "1 while the configuration file on disk is in force.")
        self.certificate_expiry = gauge(
            "leadtime_adapter_serving_certificate_expiry_timestamp_seconds", "When the serving certificate expires."
        )
        self.loop_lag = gauge("leadtime_adapter_event_loop_lag_seconds", "How late the event loop last woke.")
        self._rules = _RuleMetrics()
        self.registry.register(self._rules)
        self.registry.register(_ReadMetrics(self.read_seconds, self._freshness))

    def freshness_of(self, group: str) -> "Distribution":
        """Return where the age of the oldest value in an answer of *group* is observed."""
        return self._freshness.setdefault(group, Distribution(_FRESHNESS_BUCKETS))

    def collected(self, batch: Batch, results: Sequence[RuleResult]) -> None:
        """Count one collection and what its rules made of it."""
        failures = sum(isinstance(rows, SourceError) for rows in batch.rows.values())
        outcome = "ok" if not failures else "failed" if failures == len(batch.rows) else "partial"
        self.collections.labels(batch.source, outcome).inc()
        self.queries.labels(batch.source).inc(len(batch.rows))
        self.collect_seconds.labels(batch.source).observe(batch.took_s)
        self.targets_down.labels(batch.source).set(len(batch.down))
        self._rules.put(results)

    def broken(self, source: str, results: Sequence[RuleResult]) -> None:
        """Count one collection that ended by a defect of ours, and with it the results of its rules."""
        self.collections.labels(source, "broken").inc()
        self._rules.put(results)

    def keep_rules(self, names: frozenset[str]) -> None:
        """Forget the series of rules that are gone, and the gauges of sources that no rule reads any more."""
        before = self._rules.sources()
        self._rules.keep(names)
        for source in before - self._rules.sources():
            self.targets_down.remove(source)

    def render(self) -> bytes:
        """Return everything in the text format."""
        return generate_latest(self.registry)


class Distribution:
    """A histogram that the event loop alone observes: it needs no lock, and costs a quarter of prometheus-client's own."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count *value*."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return how many values were at most each bound, by the bound as the text format spells it."""
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        return list(zip(names, itertools.accumulate(self._counts), strict=True))


class _ReadMetrics(RegistryCollector):
    """What reads observe, as metrics, when somebody scrapes."""

    def __init__(self, seconds: Distribution, freshness: Mapping[str, Distribution]) -> None:
        self._seconds = seconds
        self._freshness = freshness

    def collect(self) -> list[Metric]:
        took = HistogramMetricFamily("leadtime_adapter_read_duration_seconds", "Time to answer a metric read, TLS left out.")
        took.add_metric([], self._seconds.buckets(), self._seconds.total)
        age = HistogramMetricFamily(
            "metrics_apiserver_metric_freshness_seconds", "Age of the oldest value in an answer.", labels=["group"]
        )
        for group, ages in self._freshness.items():
            age.add_metric([group], ages.buckets(), ages.total)
        return [took, age]


class _RuleMetrics(RegistryCollector):
    """Per-rule gauges, made from the last results when somebody scrapes."""

    def __init__(self) -> None:
        self._results: dict[str, RuleResult] = {}

    def put(self, results: Sequence[RuleResult]) -> None:
        self._results.update((result.rule.name, result) for result in results)

    def sources(self) -> set[str]:
        return {result.rule.source for result in self._results.values()}

    def keep(self, names: frozenset[str]) -> None:
        self._results = {name: result for name, result in self._results.items() if name in names}

    def collect(self) -> list[Metric]:
        labels = ["rule", "source", "metric"]
        up = GaugeMetricFamily("leadtime_adapter_rule_up", "1 while the rule's last collection succeeded.", labels=labels)
        success = GaugeMetricFamily(
            "leadtime_adapter_rule_last_success_timestamp_seconds", "When the rule last had an answer.", labels=labels
        )
        objects = GaugeMetricFamily("leadtime_adapter_rule_objects", "Objects that the rule has a value for.", labels=labels)
        missing = GaugeMetricFamily(
            "leadtime_adapter_rule_missing", "Objects that the rule saw and has no value for.", labels=[*labels, "reason"]
        )
        for result in self._results.values():
            rule = result.rule
            key = [rule.name, rule.source, rule.metric]
            up.add_metric(key, 0.0 if result.fault else 1.0)
            if result.at is not None:
                success.add_metric(key, result.at)
            objects.add_metric(key, len(result.values))
            counts: dict[str, int] = {}
            for lost in result.missing.values():
                counts[lost.reason.words] = counts.get(lost.reason.words, 0) + 1
            for reason, count in counts.items():
                missing.add_metric([*key, reason], count)
        return [up, success, objects, missing]
