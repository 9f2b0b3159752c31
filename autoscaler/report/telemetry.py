"""The controller's own metrics: what it decided for each scaler, what limited it, how fresh it is, and how the loop fares.

One registry per instance and no global state. Deciding only stores the decision; series are made of the last ones when somebody
scrapes, and those of a scaler end with it. ``docs/metrics.md`` describes every name.
"""

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector as RegistryCollector

from adapter.kube.watch import Health
from adapter.telemetry import Distribution
from autoscaler.decision.model import Decision, Observation
from autoscaler.decision.offered import Offered
from autoscaler.outlook import Outlook
from autoscaler.report import standings
from autoscaler.report.status import Startup
from autoscaler.resource.scaler import Key, Scaler

_TICK_BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0)
#: A tick that begins later than this is counted as late: what it decides on has aged by as much. Seconds.
LATE_S = 1.0


@dataclass
class Telemetry:
    """The registry, what is counted in it, and how each scaler stands."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=self.registry)

        self.scale_requests = counter("leadtime_scale_requests", "Requests that set replicas, by what became of them.", "result")
        self.promotions = counter("leadtime_promotions", "Warm pods that were given requests.")
        self.leader = gauge("leadtime_leader", "1 while this replica holds the Lease and decides.")
        self.loop_lag = gauge("leadtime_event_loop_lag_seconds", "How late the event loop last woke.")
        self._standings: dict[Key, standings.Standing] = {}
        self._limits: Tally[str] = Tally()
        self._outcomes: Tally[str] = Tally()
        self.late_loads = counter("leadtime_forecast_late_loads", "Loads that came too late to be learned from, and were dropped.")
        self._loop = _Loop()
        self._watches: dict[str, Health] = {}
        self.registry.register(_LoopMetrics(self._loop, self._limits, self._outcomes, self._watches))

    def decided(
        self,
        scaler: Scaler,
        observation: Observation,
        decision: Decision,
        startup: Startup,
        *,
        offered: Offered | None = None,
        outlook: Outlook | None = None,
    ) -> None:
        """Keep *decision* as the last one of *scaler*, and count what limited it and what came of it."""
        labels = standings.labels(scaler)
        self._standings[scaler.key] = standings.Standing(labels, observation, decision, startup, offered, outlook)
        self._limits.update(decision.limited_by)
        self._outcomes[_outcome(decision)] += 1

    def forget(self, key: Key) -> None:
        """End the series of *key*: it is gone, or not ours to decide on."""
        self._standings.pop(key, None)

    def ticked(self, *, late_s: float) -> None:
        """Count one tick that begins *late_s* after it was due."""
        self._loop.ticks += 1
        self._loop.late += late_s > LATE_S

    def took(self, seconds: float) -> None:
        """Observe how long looking at one target and deciding took."""
        self._loop.took.observe(seconds)

    def scaled(self, result: str) -> None:
        """Count one request that set replicas; *result* is ``ok``, ``conflict`` or what the API server said, in a word."""
        self.scale_requests.labels(result).inc()

    def promoted(self, pods: int) -> None:
        """Count *pods* that were warm and get requests now."""
        self.promotions.inc(pods)

    def leading(self, *, leads: bool) -> None:
        """Say whether this replica decides. Who does not shows no scaler's series: they would be yesterday's."""
        self.leader.set(leads)
        if not leads:
            self._standings.clear()

    def watching(self, resource: str, health: Health) -> None:
        """Show *health* as that of the watch of *resource*."""
        self._watches[resource] = health

    def render(self) -> bytes:
        """Return everything in the text format. Safe in a thread: with thousands of scalers it takes a tenth of a second."""
        of_scalers = list(self._standings.values())  # in one step: the loop goes on deciding meanwhile
        return generate_latest(self.registry) + standings.page(of_scalers, now=self.clock())


def _outcome(decision: Decision) -> str:
    if decision.replicas == decision.current:
        return "hold"
    if not decision.act:
        return "not_acted"
    return "up" if decision.replicas > decision.current else "down"


@dataclass
class _Loop:
    """How the control loop keeps up."""

    ticks: int = 0
    late: int = 0
    took: Distribution = field(default_factory=lambda: Distribution(_TICK_BUCKETS))


class _LoopMetrics(RegistryCollector):
    """What the loop counts without looking up labels at every tick."""

    def __init__(self, loop: _Loop, limits: Mapping[str, int], outcomes: Mapping[str, int], watches: Mapping[str, Health]) -> None:
        self._loop = loop
        self._limits = limits
        self._outcomes = outcomes
        self._watches = watches

    def collect(self) -> list[Metric]:
        limits = CounterMetricFamily("leadtime_limit_applied", "Decisions that a limit changed.", labels=["rule"])
        for rule, count in list(self._limits.items()):
            limits.add_metric([rule], count)
        outcomes = CounterMetricFamily("leadtime_decisions", "Decisions, by what came of them.", labels=["outcome"])
        for outcome, count in list(self._outcomes.items()):
            outcomes.add_metric([outcome], count)
        took = HistogramMetricFamily("leadtime_tick_duration_seconds", "Time to look at a target and decide.")
        took.add_metric([], self._loop.took.buckets(), self._loop.took.total)
        return [
            limits,
            outcomes,
            CounterMetricFamily("leadtime_ticks", "Targets that were decided on when they were due.", value=self._loop.ticks),
            CounterMetricFamily("leadtime_ticks_late", "Ticks that began more than a second late.", value=self._loop.late),
            took,
            *self._of_watches(),
        ]

    def _of_watches(self) -> Iterable[Metric]:
        failures = GaugeMetricFamily(
            "leadtime_watch_failures", "Failures of a watch in a row; 0 while it is well.", labels=["resource"]
        )
        last = GaugeMetricFamily(
            "leadtime_watch_last_event_timestamp_seconds", "When the server last said anything on a watch.", labels=["resource"]
        )
        lists = CounterMetricFamily("leadtime_watch_lists", "Full lists that a watch has asked for.", labels=["resource"])
        for resource, health in list(self._watches.items()):
            failures.add_metric([resource], health.failures)
            lists.add_metric([resource], health.lists)
            if health.last_event_at is not None:
                last.add_metric([resource], health.last_event_at)
        return failures, last, lists
