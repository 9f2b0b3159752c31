"""AIBrix 0.7's own strategy, APA (main at e3e10f9, August 2026): the mean over pods against its target, by steps of at most twice.

Ported: ``pkg/controller/podautoscaler`` with ``algorithm/apa.go`` (tolerances and rates), ``metrics/client.go`` and
``types/metrics.go`` (the observation window), ``autoscaler.go`` (several metrics, failing ones left out) and
``podautoscaler_controller.go`` (bounds, and the stabiliser). Facts that simpler models miss:

- It reads pods itself, every 10 s, and follows the mean of the last three minutes.
- The mean of the pods that answer is multiplied with ``spec.replicas``, pods that only start included.
- **As shipped its stabiliser is turned round**: on the way down the *lowest* recommendation of five minutes is followed, on the
  way up the highest. `Stabilizer.MENDED` takes them as HPA does, and is a policy of our making that must be called so.
- At zero it stays at zero. Schedules and its optimiser by GPU type are left out.
"""

import enum
import math
from dataclasses import dataclass

from autoscaler.simulation.rivals import measures
from autoscaler.simulation.rivals.measures import Metric, MetricType
from autoscaler.simulation.sight import Sight, Wanted
from autoscaler.simulation.world import Path


class Stabilizer(enum.StrEnum):
    """Which recommendation of a window is followed."""

    AS_SHIPPED = "as shipped"
    """Down the lowest, up the highest."""
    MENDED = "mended"
    """Down the highest, up the lowest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A PodAutoscaler's spec and annotations."""

    metrics: tuple[Metric, ...]
    min_replicas: int = 1
    max_replicas: int
    max_scale_up_rate: float = 2.0
    max_scale_down_rate: float = 2.0
    up_tolerance_ratio: float = 0.1
    down_tolerance_ratio: float = 0.1
    up_cooldown_s: float = 0.0
    down_cooldown_s: float = 300.0
    observe_window_s: float = 180.0
    stabilizer: Stabilizer = Stabilizer.AS_SHIPPED
    sync_s: float = 10.0

    def __post_init__(self) -> None:
        if not self.metrics:
            raise ValueError("a PodAutoscaler has at least one metric")
        if not 0 <= self.min_replicas <= self.max_replicas:
            raise ValueError(f"0 <= minReplicas {self.min_replicas} <= maxReplicas {self.max_replicas}")
        if self.max_scale_up_rate < 1 or self.max_scale_down_rate < 1:
            raise ValueError("the maximum scale rates must be 1 or more")


class Apa:
    """One PodAutoscaler with the strategy APA."""

    holds_requests = False

    def __init__(self, settings: Settings, *, name: str = "aibrix apa") -> None:
        self.name = name
        self.period_s = settings.sync_s
        direct = any(metric.type is MetricType.PODS for metric in settings.metrics)
        self.path: Path | None = measures.DIRECT if direct else None
        self._settings = settings
        self._observed: list[dict[int, float]] = [{} for _ in settings.metrics]
        self._recommended: list[tuple[float, int]] = []

    def ask(self, sight: Sight) -> Wanted:
        """Return the replicas that one reconciliation sets."""
        settings, current = self._settings, sight.replicas
        if current == 0 and settings.min_replicas != 0:
            return Wanted(replicas=0)  # somebody switched the target off
        if current > settings.max_replicas:
            return Wanted(replicas=settings.max_replicas)
        if current < settings.min_replicas:
            return Wanted(replicas=settings.min_replicas)
        proposals = [
            self._proposal(metric, mean, current)
            for metric, observed in zip(settings.metrics, self._observed, strict=True)
            if (mean := self._mean(metric, observed, sight)) is not None
        ]
        if not proposals:
            return Wanted(replicas=current)
        return Wanted(replicas=self._bounded(self._stabilized(max(proposals), current, sight.now)))

    def _mean(self, metric: Metric, observed: dict[int, float], sight: Sight) -> float | None:
        """Return the mean over the window, with what is seen now; None where nothing can be read of any pod."""
        if metric.type is MetricType.EXTERNAL:
            value = measures.total(metric, sight)
            values = [] if value is None else [value]
        else:
            values = list(measures.per_pod(metric, sight, fresh_s=measures.DIRECT_FRESH_S).values())
        if values:
            observed[math.floor(sight.now)] = sum(values) / len(values)
            oldest = math.floor(sight.now - self._settings.observe_window_s)
            for second in [second for second in observed if second < oldest]:
                del observed[second]
        elif sight.pods or metric.type is MetricType.EXTERNAL:
            return None
        # With no pod at all nothing fails: the window is what it was, and an empty one says 0.
        return sum(observed.values()) / len(observed) if observed else 0.0

    def _proposal(self, metric: Metric, mean: float, current: int) -> int:
        settings, ratio = self._settings, mean / metric.target
        if ratio > 1 + settings.up_tolerance_ratio:
            return self._bounded(min(math.ceil(current * ratio), math.ceil(settings.max_scale_up_rate * current)))
        if ratio < 1 - settings.down_tolerance_ratio:
            return self._bounded(max(math.ceil(current * ratio), math.floor(current / settings.max_scale_down_rate)))
        return self._bounded(current)

    def _stabilized(self, recommended: int, current: int, now: float) -> int:
        settings = self._settings
        self._recommended.append((now, recommended))
        longest_s = max(settings.up_cooldown_s, settings.down_cooldown_s)
        self._recommended = [each for each in self._recommended if each[0] > now - longest_s]
        if recommended == current:
            return current
        up = recommended > current
        window_s = settings.up_cooldown_s if up else settings.down_cooldown_s
        within = [number for at, number in self._recommended if at > now - window_s] or [recommended]
        highest = up if settings.stabilizer is Stabilizer.AS_SHIPPED else not up
        return max(within) if highest else min(within)

    def _bounded(self, replicas: int) -> int:
        return min(max(replicas, self._settings.min_replicas), self._settings.max_replicas)
