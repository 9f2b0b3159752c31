"""KEDA 2.20 (main at 8b4f083, August 2026): its own polling for zero, and a Kubernetes HPA on external metrics for the rest.

Ported: ``pkg/scaling/executor/scale_scaledobjects.go`` (activation, cool-down, idle replicas), ``pkg/scaling/scale_handler.go``
(which triggers are active, and what an error does), ``pkg/fallback/fallback.go``, and the Prometheus scaler's reading of an
empty result (``pkg/scalers/prometheus_scaler.go``). Facts that simpler models miss:

- The cool-down counts only towards zero or the idle count, and that is one jump from any number, past the HPA's own windows.
- With the defaults a query without a result is 0 and not an error, so a lost source scales down, and to zero where that is allowed.
- While it polls every 30 s, the HPA reads metrics every 15 s, live. Both count failures towards the fallback.

Its HTTP add-on is another product: plain KEDA holds no request, so what comes at zero fails. The two clocks stand half of the HPA's
period apart. Annotations (pauses), scaling modifiers and triggers by CPU are left out.
"""

import enum
from dataclasses import dataclass
from typing import assert_never

from autoscaler.simulation.rivals import horizontal, hpa, measures
from autoscaler.simulation.rivals.measures import Metric, MetricType
from autoscaler.simulation.sight import Sight, Wanted
from autoscaler.simulation.world import Path

_ROUNDING_S = 1e-6  # a moment that was asked for in seconds from another one may come this much too early


class FallbackBehavior(enum.StrEnum):
    """What a failing trigger asks for."""

    STATIC = "static"
    CURRENT_REPLICAS = "currentReplicas"
    CURRENT_REPLICAS_IF_HIGHER = "currentReplicasIfHigher"
    CURRENT_REPLICAS_IF_LOWER = "currentReplicasIfLower"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Past *failure_threshold* failures in a row a trigger says what *replicas* would need."""

    failure_threshold: int
    replicas: int
    behavior: FallbackBehavior = FallbackBehavior.STATIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A Prometheus trigger by average value."""

    metric: Metric
    activation_threshold: float = 0.0
    """Active above it, for going from and to zero; between one and the maximum it means nothing."""
    ignore_null_values: bool = True
    """A query without a result is 0, not an error."""

    def __post_init__(self) -> None:
        if self.metric.type is not MetricType.EXTERNAL:
            raise ValueError(f"KEDA's triggers are External metrics, and {self.metric.name} is of the type {self.metric.type}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A ScaledObject's spec."""

    triggers: tuple[Trigger, ...]
    min_replica_count: int = 0
    max_replica_count: int = 100
    idle_replica_count: int | None = None
    """So many while no trigger is active, fewer than the minimum."""
    polling_interval_s: float = 30.0
    cooldown_period_s: float = 300.0
    initial_cooldown_period_s: float = 0.0
    """Before it, a target whose triggers were never active is left alone."""
    fallback: Fallback | None = None
    scale_up: horizontal.ScalingRules = hpa.SCALE_UP
    scale_down: horizontal.ScalingRules = hpa.SCALE_DOWN
    sync_s: float = 15.0
    """The HPA controller's."""

    def __post_init__(self) -> None:
        if not self.triggers:
            raise ValueError("a ScaledObject has at least one trigger")
        if not 0 <= self.min_replica_count <= self.max_replica_count or self.max_replica_count < 1:
            raise ValueError(f"0 <= minReplicaCount {self.min_replica_count} <= maxReplicaCount {self.max_replica_count}, from 1")
        if self.idle_replica_count is not None and not 0 <= self.idle_replica_count < self.min_replica_count:
            raise ValueError(f"idleReplicaCount {self.idle_replica_count} must be below minReplicaCount {self.min_replica_count}")


class Keda:
    """One ScaledObject: the operator's loop and the HPA that it made."""

    path: Path | None = None
    holds_requests = False

    def __init__(self, settings: Settings, *, name: str = "keda") -> None:
        self.name = name
        self.period_s = settings.polling_interval_s
        self._settings = settings
        self._hpa_min = max(settings.min_replica_count, 1)
        self._hpa = horizontal.Autoscaler(
            hpa.spec(
                hpa.Settings(
                    metrics=tuple(trigger.metric for trigger in settings.triggers),
                    min_replicas=self._hpa_min,
                    max_replicas=settings.max_replica_count,
                    scale_up=settings.scale_up,
                    scale_down=settings.scale_down,
                )
            )
        )
        self._failures = [0] * len(settings.triggers)
        self._last_active_at: float | None = None
        self._begun = False
        self._initial_until = self._poll_at = self._sync_at = 0.0

    def ask(self, sight: Sight) -> Wanted:
        """Poll, sync, or both, whatever is due, and return the replicas after it."""
        now, replicas = sight.now, sight.replicas
        if not self._begun:
            self._begun = True
            self._initial_until = now + self._settings.initial_cooldown_period_s
            self._poll_at, self._sync_at = now, now + self._settings.sync_s / 2
        if self._poll_at <= now + _ROUNDING_S:
            self._poll_at = now + self._settings.polling_interval_s
            replicas = self._poll(sight)
        if self._sync_at <= now + _ROUNDING_S:
            self._sync_at = now + self._settings.sync_s
            replicas = self._sync(sight, replicas)
        return Wanted(replicas=replicas, in_s=min(self._poll_at, self._sync_at) - now)

    def _sync(self, sight: Sight, replicas: int) -> int:
        """Return what the HPA sets; out of its bounds, and switched off at zero, it reads no metrics."""
        answers: tuple[horizontal.Answer, ...] = (None,) * len(self._failures)
        if self._hpa_min <= replicas <= self._settings.max_replica_count:
            read = [self._read(index, sight)[0] for index in range(len(self._failures))]
            answers = tuple(None if value is None else (hpa.milli(value),) for value in read)
        return self._hpa.sync(hpa.world(sight, replicas, answers))

    def _poll(self, sight: Sight) -> int:
        """Return the replicas that the operator's own loop sets."""
        readings = [self._read(index, sight) for index in range(len(self._failures))]
        failed = any(value is None for value, _ in readings)
        settings, current, now = self._settings, sight.replicas, sight.now
        least, idle = settings.min_replica_count, settings.idle_replica_count
        if any(active for _, active in readings):
            if current == 0 or (idle is not None and current < least):
                self._last_active_at = now
                return max(least, 1)
            if not failed:
                self._last_active_at = now
            return current
        if failed and (settings.fallback is None or settings.fallback.replicas != 0):
            return current
        if (idle is not None and current > idle) or (current > 0 and least == 0):
            return (least if idle is None else idle) if self._has_cooled_down(now) else current
        if idle is None and current < least:
            return least
        return current

    def _has_cooled_down(self, now: float) -> bool:
        if self._last_active_at is None:
            return self._initial_until <= now
        return self._last_active_at + self._settings.cooldown_period_s < now

    def _read(self, index: int, sight: Sight) -> tuple[float | None, bool]:
        """Return a trigger's value, None when it fails, and whether it is active."""
        trigger, fallback = self._settings.triggers[index], self._settings.fallback
        value = measures.total(trigger.metric, sight)
        if value is None and trigger.ignore_null_values:
            value = 0.0
        if value is not None:
            self._failures[index] = 0
            return max(value, 0.0), value > trigger.activation_threshold
        self._failures[index] += 1
        if fallback is None or self._failures[index] <= fallback.failure_threshold:
            return None, False
        return trigger.metric.target * _fallen_back(fallback, sight.replicas), True


def _fallen_back(fallback: Fallback, current: int) -> int:
    match fallback.behavior:
        case FallbackBehavior.STATIC:
            return fallback.replicas
        case FallbackBehavior.CURRENT_REPLICAS:
            return current
        case FallbackBehavior.CURRENT_REPLICAS_IF_HIGHER:
            return max(current, fallback.replicas)
        case FallbackBehavior.CURRENT_REPLICAS_IF_LOWER:
            return min(current, fallback.replicas)
        case _:
            assert_never(fallback.behavior)
