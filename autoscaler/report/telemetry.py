"""The controller's own metrics: what it decided for each scaler, what limited it, how fresh it is, and how the loop fares.

One registry per instance and no global state. Deciding only stores the decision; series are made of the last ones when somebody
scrapes, and those of a scaler end with it and with our leading. ``docs/metrics.md`` describes every name.
"""

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector as RegistryCollector

from adapter.kube.client import Answered
from adapter.kube.watch import Health
from adapter.telemetry import Distribution
from autoscaler.cost.account import Account
from autoscaler.cost.census import Census
from autoscaler.cost.prices import Prices
from autoscaler.decision.model import Decision, Observation
from autoscaler.decision.offered import Offered
from autoscaler.decision.startup import Start
from autoscaler.outlook import Outlook
from autoscaler.report import answers, changes, standings, starts, usage
from autoscaler.report.apirequests import ApiRequests
from autoscaler.report.conditions import Condition
from autoscaler.report.status import Startup
from autoscaler.resource.scaler import Key, Scaler
from autoscaler.seen import Pool

_TICK_BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0)
#: A tick that begins later than this is counted as late: what it decides on has aged by as much. Seconds.
LATE_S = 1.0


@dataclass
class Telemetry:
    """The registry, what is counted in it, and how each scaler stands. *prices* are those of now, and may be others later."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    prices: Prices | None = None
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=self.registry)

        self.scale_requests = counter("leadtime_scale_requests", "Requests that set replicas, by what became of them.", "result")
        self.leader = gauge("leadtime_leader", "1 while this replica holds the Lease and decides.")
        self.loop_lag = gauge("leadtime_event_loop_lag_seconds", "How late the event loop last woke.")
        self._leads = False
        self._standings: dict[Key, standings.Standing] = {}
        self._usages: dict[Key, usage.Usage] = {}
        self._starts: dict[Key, starts.Starts] = {}
        self._changes: dict[Key, changes.Changes] = {}
        self._answers: dict[Key, str] = {}
        self._limits: Tally[str] = Tally()
        self._outcomes: Tally[str] = Tally()
        self.late_loads = counter("leadtime_forecast_late_loads", "Loads that came too late to be learned from, and were dropped.")
        self._loop = _Loop()
        self._watches: dict[str, Health] = {}
        self._api_requests = ApiRequests()
        self.registry.register(_LoopMetrics(self._loop, self._limits, self._outcomes, self._watches))
        self.registry.register(self._api_requests)

    def decided(
        self,
        scaler: Scaler,
        observation: Observation,
        decision: Decision,
        startup: Startup,
        *,
        offered: Offered | None = None,
        outlook: Outlook | None = None,
        pool: Pool | None = None,
    ) -> None:
        """Keep *decision* as the last one of *scaler*, and count what limited it and what came of it."""
        policy = scaler.policy
        mechanism = pool.mechanism if pool is not None and policy.warm_pool.max else None
        labels = standings.labels(scaler.key, scaler)
        self._standings[scaler.key] = standings.Standing(
            labels, policy, observation, decision, startup, offered, outlook, mechanism
        )
        self._limits.update(decision.limited_by)
        outcome = _outcome(decision)
        self._outcomes[outcome] += 1
        changed = self._changes.get(scaler.key)
        if changed is None or changed.labels != labels:
            changed = self._changes[scaler.key] = changes.Changes(labels)
        changed.pooled = bool(policy.warm_pool.max)
        if outcome in ("up", "down"):
            changed.add(outcome, reason=decision.reason, at=decision.at)

    def used(self, scaler: Scaler, census: Census, account: Account, *, now: float) -> None:
        """Count until *now* in *scaler*'s *account*, and show it with what the pods hold and wait for from now on."""
        account.look(census.holdings, self.prices, now=now)
        self._usages[scaler.key] = usage.Usage(standings.labels(scaler.key, scaler), census, account)

    def started(self, scaler: Scaler, start: Start) -> None:
        """Count one start of a pod of *scaler*."""
        known = self._starts.get(scaler.key)
        labels = standings.labels(scaler.key, scaler)
        if known is None or known.labels != labels:
            known = self._starts[scaler.key] = starts.Starts(labels)
        known.add(start)

    def answered(self, key: Key, scaler: Scaler | None, said: Sequence[Condition]) -> None:
        """Show *said* as the conditions of *key*, decided on or not; *scaler* is None where the object makes no sense."""
        self._answers[key] = answers.lines(standings.labels(key, scaler), said)

    def undecided(self, key: Key) -> None:
        """End the series of what was decided and seen of *key*: nobody decides on it now. Its conditions say why."""
        self._standings.pop(key, None)
        self._usages.pop(key, None)

    def forget(self, key: Key) -> None:
        """End all series of *key*: it is gone."""
        self.undecided(key)
        self._starts.pop(key, None)
        self._changes.pop(key, None)
        self._answers.pop(key, None)

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

    def promoted(self, key: Key, pods: int) -> None:
        """Count *pods* of *key* that were warm and get requests now, as was decided."""
        if (changed := self._changes.get(key)) is not None:
            changed.promotions += pods

    def leading(self, *, leads: bool) -> None:
        """Say whether this replica decides. Who does not shows no scaler's series, which would be yesterday's, and no prices."""
        self.leader.set(leads)
        self._leads = leads
        if not leads:
            for series in (self._standings, self._usages, self._starts, self._changes, self._answers):
                series.clear()

    def asked(self, request: Answered) -> None:
        """Count one request to the API server."""
        self._api_requests.answered(request)

    def watching(self, resource: str, health: Health) -> None:
        """Show *health* as that of the watch of *resource*."""
        self._watches[resource] = health

    def render(self) -> bytes:
        """Return everything in the text format. Safe in a thread: with thousands of scalers it takes a tenth of a second."""
        # Each in one step: the loop goes on deciding meanwhile.
        parts = (
            generate_latest(self.registry),
            standings.page(list(self._standings.values()), now=self.clock()),
            answers.page(list(self._answers.values())),
            starts.page(list(self._starts.values())),
            changes.page(list(self._changes.values())),
            usage.page(list(self._usages.values()), self.prices if self._leads else None),
        )
        return b"".join(parts)


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
