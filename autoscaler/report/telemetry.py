"""The controller's own metrics: what it decided for each scaler, what limited it, how fresh it is, and how the loop fares.

One registry per instance and no global state. Deciding only stores the decision; series are made of the last ones when somebody
scrapes, and those of a scaler end with it. ``docs/metrics.md`` describes every name.
"""

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector as RegistryCollector

from adapter.kube.watch import Health
from adapter.telemetry import Distribution
from autoscaler.decision.model import Decision, Observation
from autoscaler.report.status import Startup
from autoscaler.resource.scaler import Key, Scaler

_TICK_BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0)
#: A tick that begins later than this is counted as late: what it decides on has aged by as much. Seconds.
LATE_S = 1.0

_SCALER = ("namespace", "scaler", "target")


@dataclass(frozen=True, slots=True)
class _Standing:
    """How one scaler stands."""

    labels: tuple[str, str, str]
    observation: Observation
    decision: Decision
    startup: Startup


@dataclass
class Telemetry:
    """The registry and what is counted in it."""

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
        self._standings: dict[Key, _Standing] = {}
        self._limits: Tally[str] = Tally()
        self._outcomes: Tally[str] = Tally()
        self._loop = _Loop()
        self._watches: dict[str, Health] = {}
        self.registry.register(_ScalerMetrics(self._standings, self.clock))
        self.registry.register(_LoopMetrics(self._loop, self._limits, self._outcomes, self._watches))

    def decided(self, scaler: Scaler, observation: Observation, decision: Decision, startup: Startup) -> None:
        """Keep *decision* as the last one of *scaler*, and count what limited it and what came of it."""
        labels = (scaler.key.namespace, scaler.key.name, str(scaler.target))
        self._standings[scaler.key] = _Standing(labels, observation, decision, startup)
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
        """Return everything in the text format. Safe in a thread: with thousands of scalers it takes a good part of a second."""
        return generate_latest(self.registry)


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


class _ScalerMetrics(RegistryCollector):
    """What was decided last for each scaler."""

    def __init__(self, standings: Mapping[Key, _Standing], clock: Callable[[], float]) -> None:
        self._standings = standings
        self._clock = clock

    def collect(self) -> list[Metric]:
        now = self._clock()
        standings = list(self._standings.values())  # in one step: the loop goes on deciding meanwhile
        return [*_replicas(standings, now), *_of_signals(standings), _startup(standings)]


def _replicas(standings: Sequence[_Standing], now: float) -> Iterable[Metric]:
    figures: tuple[tuple[str, str, Callable[[_Standing], float]], ...] = (
        ("leadtime_desired_replicas", "Replicas decided on, warm ones included.", lambda one: one.decision.replicas),
        ("leadtime_current_replicas", "Replicas that the target asks for.", lambda one: one.observation.replicas),
        ("leadtime_serving_replicas", "Replicas decided on that are to get requests.", lambda one: one.decision.serving),
        ("leadtime_warm_replicas", "Replicas decided on that are to be ready without requests.", lambda one: one.decision.warm),
        ("leadtime_ready_replicas", "Pods that are ready, warm ones included.", lambda one: _ready(one.observation)),
        ("leadtime_starting_replicas", "Pods on their way, warm ones included.", lambda one: _starting(one.observation)),
        ("leadtime_decision_age_seconds", "Age of the last decision.", lambda one: max(0.0, now - one.decision.at)),
    )
    for name, text, figure in figures:
        family = GaugeMetricFamily(name, text, labels=_SCALER)
        for one in standings:
            family.add_metric(one.labels, figure(one))
        yield family


def _ready(observation: Observation) -> int:
    return observation.pods.ready + observation.pods.warm_ready


def _starting(observation: Observation) -> int:
    return observation.pods.starting + observation.pods.warm_starting


def _of_signals(standings: Sequence[_Standing]) -> Iterable[Metric]:
    labels = (*_SCALER, "signal")
    value = GaugeMetricFamily("leadtime_signal_value", "A signal's value: of a replica, or of the object.", labels=labels)
    target = GaugeMetricFamily("leadtime_signal_target", "What a signal is compared with.", labels=labels)
    demand = GaugeMetricFamily("leadtime_signal_demand", "How many replicas a signal asks for.", labels=labels)
    age = GaugeMetricFamily("leadtime_metric_age_seconds", "Age of a signal's oldest sample when it was decided on.", labels=labels)
    for one in standings:
        for vote in one.decision.votes:
            key = (*one.labels, vote.signal)
            target.add_metric(key, vote.target)
            for family, figure in ((value, vote.value), (demand, vote.demand), (age, vote.age_s)):
                if figure is not None:
                    family.add_metric(key, figure)
    return value, target, demand, age


def _startup(standings: Sequence[_Standing]) -> Metric:
    family = GaugeMetricFamily(
        "leadtime_startup_seconds", "How long a pod takes from its creation to ready.", labels=(*_SCALER, "quantile")
    )
    for one in standings:
        for quantile, seconds in (("0.5", one.startup.p50_s), ("0.9", one.startup.p90_s), ("0.99", one.startup.p99_s)):
            family.add_metric((*one.labels, quantile), seconds)
    return family


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
