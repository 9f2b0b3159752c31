"""Kthena's autoscaler (main at 3cc0572, August 2026, after 1.0.0-rc.0), for one homogeneous target.

Ported, of ``pkg/autoscaler``: ``algorithm/recommendation.go`` and ``revision.go``, ``autoscaler/scaler.go``, ``status.go`` and
``metric_collector.go``, ``datastructure/sliding_window.go``. A behaviour that is not given is filled in as
``webhook/autoscalingpolicy_mutator.go`` does it, and that leaves panic off. Facts that simpler models miss:

- **As shipped the metrics of all ready pods are added up into one** before they are compared, so the tolerance is about the total
  load and one pod's target, and in effect there is none. `Collection.PER_POD` is how the algorithm is meant: of our making.
- A pod that is on its way out counts as failed, and while there is one, or a ready pod does not answer, nothing is decided.

It reads pods itself, every 15 s. Costs of several targets, ratios of roles and histograms are left out.
"""

import enum
import math
from dataclasses import dataclass

from autoscaler.simulation.rivals import measures
from autoscaler.simulation.rivals.measures import Metric, MetricType
from autoscaler.simulation.sight import Sight, Wanted
from autoscaler.simulation.world import Path

_MOST = 1_000_000_000


class Collection(enum.StrEnum):
    """How the values of pods reach the algorithm."""

    SUMMED = "summed"
    """As shipped: as one pod's."""
    PER_POD = "per pod"
    """Each by itself."""


class Select(enum.StrEnum):
    """Whether a step must keep to either limit, or to both."""

    OR = "Or"
    AND = "And"


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How far replicas may go in *period_s*, and the window of recommendations that they are held to."""

    instances: int
    percent: int
    period_s: float
    window_s: float
    select: Select = Select.OR


@dataclass(frozen=True, slots=True, kw_only=True)
class Panic:
    """From *threshold_percent* of what there is on, growth is held to *percent* in *period_s* alone, for *hold_s* (0: never)."""

    percent: int = 0
    period_s: float = 0.0
    threshold_percent: int = 200
    hold_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """An AutoscalingPolicy's spec."""

    metrics: tuple[Metric, ...]
    min_replicas: int = 1
    max_replicas: int
    tolerance_percent: int = 10
    scale_up: Steps = Steps(instances=4, percent=100, period_s=60.0, window_s=0.0)
    scale_down: Steps = Steps(instances=0, percent=100, period_s=60.0, window_s=300.0)
    panic: Panic = Panic()
    collection: Collection = Collection.SUMMED
    sync_s: float = 15.0

    def __post_init__(self) -> None:
        if not self.metrics:
            raise ValueError("an AutoscalingPolicy has at least one metric")
        if not 1 <= self.min_replicas <= self.max_replicas:
            raise ValueError(f"1 <= minReplicas {self.min_replicas} <= maxReplicas {self.max_replicas}")


class _Recommendations:
    """What was recommended within a window that counts moments just as old as it is."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._past: list[tuple[float, int]] = []

    def append(self, now: float, number: int) -> None:
        self._past = [*self._within(now), (now, number)]

    def numbers(self, now: float) -> list[int]:
        return [number for _, number in self._within(now)] if self._window_s else []

    def _within(self, now: float) -> list[tuple[float, int]]:
        return [each for each in self._past if each[0] + self._window_s >= now]


class _Levels:
    """The replicas that were set within a period: each lasts until the next is set, and is as old as its end."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._ended: list[tuple[float, int]] = []
        self._lasting: tuple[float, int] | None = None

    def append(self, now: float, number: int) -> None:
        self._expire(now)
        if self._lasting is not None:
            self._ended.append((now, self._lasting[1]))
        self._lasting = (now, number)

    def numbers(self, now: float, current: int) -> list[int]:
        """Return them with *current*, or none without a period."""
        if not self._period_s:
            return []
        self._expire(now)
        lasting = [] if self._lasting is None else [self._lasting[1]]
        return [current, *lasting, *(number for _, number in self._ended)]

    def _expire(self, now: float) -> None:
        self._ended = [each for each in self._ended if each[0] + self._period_s >= now]
        if self._lasting is not None and self._lasting[0] + 2 * self._period_s < now:
            self._lasting = None  # nothing was set for two periods


class Kthena:
    """One AutoscalingPolicy with a homogeneous target."""

    holds_requests = False

    def __init__(self, settings: Settings, *, name: str = "kthena") -> None:
        self.name = name
        self.period_s = settings.sync_s
        direct = any(metric.type is MetricType.PODS for metric in settings.metrics)
        self.path: Path | None = measures.DIRECT if direct else None
        self._settings = settings
        self._panic_until = -math.inf
        self._for_up, self._for_down = _Recommendations(settings.scale_up.window_s), _Recommendations(settings.scale_down.window_s)
        self._up, self._down = _Levels(settings.scale_up.period_s), _Levels(settings.scale_down.period_s)
        self._in_panic = _Levels(settings.panic.period_s)

    def ask(self, sight: Sight) -> Wanted:
        """Return the replicas that one pass sets."""
        settings, now, current = self._settings, sight.now, sight.replicas
        recommended = self._recommend(sight)
        if recommended is None:
            return Wanted(replicas=current)
        panic = settings.panic.hold_s > 0 and now <= self._panic_until
        if settings.panic.hold_s > 0 and recommended * 100 >= current * settings.panic.threshold_percent:
            panic, self._panic_until = True, now + settings.panic.hold_s
        corrected = self._in_a_panic(recommended, current, now) if panic else self._in_calm(recommended, current, now)
        corrected = self._bounded(corrected)
        for window in (self._for_up, self._for_down):
            window.append(now, recommended)
        for levels in (self._up, self._down, self._in_panic):
            levels.append(now, corrected)
        return Wanted(replicas=corrected)

    def _recommend(self, sight: Sight) -> int | None:
        """Return what the metrics ask for; None where no metric says anything."""
        settings, current = self._settings, sight.replicas
        if current < settings.min_replicas:
            return settings.min_replicas
        if current > settings.max_replicas:
            return settings.max_replicas
        proposals = [proposal for metric in settings.metrics if (proposal := self._proposal(metric, sight)) is not None]
        return self._bounded(max(proposals)) if proposals else None

    def _proposal(self, metric: Metric, sight: Sight) -> int | None:
        if metric.type is MetricType.EXTERNAL:
            value = measures.total(metric, sight)
            if value is None:
                return None
            desired = value / metric.target
            return sight.replicas if self._is_near(desired / sight.replicas) else _ceil(desired)
        ready = [pod.name for pod in sight.pods if pod.running and pod.ready]
        found = measures.per_pod(metric, sight, fresh_s=measures.DIRECT_FRESH_S)
        if not ready or any(pod.terminating for pod in sight.pods) or any(name not in found for name in ready):
            return None
        values = [found[name] for name in ready]
        if self._settings.collection is Collection.SUMMED:
            values = [sum(values)]
        return self._by_pods(values, metric.target, unready=len(sight.pods) - len(ready), current=sight.replicas)

    def _by_pods(self, values: list[float], target: float, *, unready: int, current: int) -> int:
        """Return the replicas for what pods say; those that are not ready count as nothing on the way up."""
        ratio = sum(values) / len(values) / target
        if not unready or ratio < 1.0:
            return current if self._is_near(ratio) else _ceil(ratio * len(values))
        counted = len(values) + unready
        careful = sum(values) / counted / target
        if self._is_near(careful) or careful < 1.0:
            return current
        return max(_ceil(careful * counted), current)

    def _is_near(self, ratio: float) -> bool:
        return abs(ratio - 1.0) <= self._settings.tolerance_percent * 0.01

    def _in_a_panic(self, recommended: int, current: int, now: float) -> int:
        levels = self._in_panic.numbers(now, current)
        if levels and (lowest := min(levels)) > 0:
            recommended = min(recommended, lowest + math.trunc(lowest * self._settings.panic.percent / 100.0))
        return max(recommended, current)

    def _in_calm(self, recommended: int, current: int, now: float) -> int:
        if recommended < current:
            return self._down_to(recommended, current, now)
        if recommended > current:
            return self._up_to(recommended, current, now)
        return recommended

    def _down_to(self, recommended: int, current: int, now: float) -> int:
        steps = self._settings.scale_down
        corrected = max([recommended, *self._for_down.numbers(now)])
        if levels := self._down.numbers(now, current):
            highest = max(levels)
            limits = (highest - steps.instances, highest - highest * steps.percent // 100)
            corrected = max(corrected, min(limits) if steps.select is Select.OR else max(limits))
        return min(corrected, current)

    def _up_to(self, recommended: int, current: int, now: float) -> int:
        steps = self._settings.scale_up
        corrected = min([recommended, *self._for_up.numbers(now)])
        if levels := self._up.numbers(now, current):
            lowest = min(levels)
            limits = (lowest + steps.instances, lowest + lowest * steps.percent // 100)
            corrected = min(corrected, max(limits) if steps.select is Select.OR else min(limits))
        return max(corrected, current)

    def _bounded(self, replicas: int) -> int:
        return min(max(replicas, self._settings.min_replicas), self._settings.max_replicas)


def _ceil(value: float) -> int:
    return min(max(math.ceil(value), 0), _MOST)
