"""Kubernetes 1.36's horizontal pod autoscaler, written anew from its documentation and source, with nothing of ours in it.

It is the yardstick for what "the same as HPA" means, and the opponent in comparisons, so it must not share a line with what it
judges. `Autoscaler.sync` does what ``pkg/controller/podautoscaler`` does in one reconciliation of an object with a ``behavior``
and metrics of the types Pods, Object and External: the ready-pod arithmetic of ``replica_calculator.go``, and the windows, rate
policies and bounds of ``horizontal.go``. Scaling to zero is left out: 1.36 ships its gate closed.

Times are whole nanoseconds and metric values whole thousandths, as the original keeps them; ratios are binary64 in its order of
operations. One sync sees one time, where the original asks its clock anew a few microseconds later.
"""

import enum
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

_SECOND_NS = 1_000_000_000
_MAX_INT32 = 2**31 - 1
_MAX_INT64 = 2**63 - 1


class Phase(enum.StrEnum):
    """A pod's phase."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod that the target's selector finds."""

    name: str
    phase: Phase = Phase.RUNNING
    ready: bool = True
    terminating: bool = False


class MetricType(enum.StrEnum):
    """Where a metric comes from."""

    PODS = "Pods"
    OBJECT = "Object"
    EXTERNAL = "External"


class TargetType(enum.StrEnum):
    """How a metric is compared with its target."""

    VALUE = "Value"
    AVERAGE_VALUE = "AverageValue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One of the object's metrics, with its target in thousandths."""

    type: MetricType
    target_type: TargetType = TargetType.AVERAGE_VALUE
    target_milli: int


class PolicyType(enum.StrEnum):
    """What a scaling policy counts."""

    PODS = "Pods"
    PERCENT = "Percent"


class Select(enum.StrEnum):
    """Which of several scaling policies rules."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """At most *value* pods, or per cent, in *period_s* seconds."""

    type: PolicyType
    value: int
    period_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingRules:
    """The behaviour in one direction, with every default filled in as the API server does it."""

    window_s: int
    policies: tuple[ScalingPolicy, ...]
    select: Select = Select.MAX
    tolerance: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """The object's spec."""

    min_replicas: int = 1
    max_replicas: int
    metrics: tuple[Metric, ...]
    scale_up: ScalingRules = ScalingRules(
        window_s=0, policies=(ScalingPolicy(PolicyType.PODS, 4, 15), ScalingPolicy(PolicyType.PERCENT, 100, 15))
    )
    scale_down: ScalingRules = ScalingRules(window_s=300, policies=(ScalingPolicy(PolicyType.PERCENT, 100, 15),))


#: What the metrics API said: by pod for Pods, a list of values for the other types (Object has one); None where it failed.
Answer = Mapping[str, int] | Sequence[int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What one sync finds; `answers` stand in the order of the spec's metrics."""

    now_ns: int
    replicas: int
    status_replicas: int
    pods: tuple[Pod, ...]
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class _Stamped:
    """A recommendation, or the size of a change, and when it was made."""

    number: int
    at_ns: int


class _MetricError(Exception):
    """A metric gives no replica count."""


class Autoscaler:
    """One object under the controller's care, with what the controller remembers of it."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._recommendations: list[_Stamped] = []
        self._ups: list[_Stamped] = []
        self._downs: list[_Stamped] = []

    def sync(self, world: World) -> int:
        """Return the replicas that the target shall have after one reconciliation; the write is taken to succeed."""
        if not self._recommendations:
            self._recommendations.append(_Stamped(world.replicas, world.now_ns))
        desired = self._desired(world)
        if desired != world.replicas:
            self._remember_change(world.replicas, desired, world.now_ns)
        return desired

    def _desired(self, world: World) -> int:
        current, spec = world.replicas, self.spec
        if current == 0:
            return 0  # somebody switched the target off
        if current > spec.max_replicas:
            return spec.max_replicas
        if current < spec.min_replicas:
            return spec.min_replicas
        proposal = self._proposal(world)
        if proposal is None:
            return current
        stabilized = self._stabilize(max(proposal, 0), world)
        return self._limit_rate(stabilized, world)

    def _proposal(self, world: World) -> int | None:
        """Return the largest of what the metrics ask for; None when failing metrics forbid to follow it."""
        proposals = []
        for metric, answer in zip(self.spec.metrics, world.answers, strict=True):
            try:
                proposals.append(_replicas(metric, answer, world, self._within_tolerance))
            except _MetricError:
                continue
        if not proposals:
            return None
        largest = max(proposals)
        if len(proposals) < len(self.spec.metrics) and largest < world.replicas:
            return None
        return largest

    def _within_tolerance(self, ratio: float) -> bool:
        return 1.0 - self.spec.scale_down.tolerance <= ratio <= 1.0 + self.spec.scale_up.tolerance

    def _stabilize(self, desired: int, world: World) -> int:
        """Return *desired* within the recommendations of both windows, and record it."""
        up_cutoff = world.now_ns - self.spec.scale_up.window_s * _SECOND_NS
        down_cutoff = world.now_ns - self.spec.scale_down.window_s * _SECOND_NS
        lowest = highest = desired
        stale = None
        for index, past in enumerate(self._recommendations):
            if past.at_ns > up_cutoff:
                lowest = min(lowest, past.number)
            if past.at_ns > down_cutoff:
                highest = max(highest, past.number)
            if past.at_ns < up_cutoff and past.at_ns < down_cutoff:
                stale = index
        _put(self._recommendations, stale, _Stamped(desired, world.now_ns))
        return min(max(world.replicas, lowest), highest)

    def _limit_rate(self, desired: int, world: World) -> int:
        current = world.replicas
        if desired > current:
            limit = max(self._up_limit(current, world.now_ns), current)
            return min(desired, limit, self.spec.max_replicas)
        if desired < current:
            limit = min(self._down_limit(current, world.now_ns), current)
            return max(desired, limit, self.spec.min_replicas)
        return desired

    def _up_limit(self, current: int, now_ns: int) -> int:
        rules = self.spec.scale_up
        if rules.select is Select.DISABLED:
            return current
        limits = []
        for policy in rules.policies:
            start = self._at_period_start(current, policy, now_ns)
            if policy.type is PolicyType.PODS:
                limits.append(start + policy.value)
            else:
                limits.append(math.ceil(float(start) * (1.0 + float(policy.value) / 100.0)))
        return min(limits) if rules.select is Select.MIN else max(limits)

    def _down_limit(self, current: int, now_ns: int) -> int:
        rules = self.spec.scale_down
        if rules.select is Select.DISABLED:
            return current
        limits = []
        for policy in rules.policies:
            start = self._at_period_start(current, policy, now_ns)
            if policy.type is PolicyType.PODS:
                limits.append(start - policy.value)
            else:
                limits.append(math.trunc(float(start) * (1.0 - float(policy.value) / 100.0)))
        # The smallest change leaves the most replicas.
        return max(limits) if rules.select is Select.MIN else min(limits)

    def _at_period_start(self, current: int, policy: ScalingPolicy, now_ns: int) -> int:
        cutoff = now_ns - policy.period_s * _SECOND_NS
        added = sum(change.number for change in self._ups if change.at_ns > cutoff)
        removed = sum(change.number for change in self._downs if change.at_ns > cutoff)
        return current - added + removed

    def _remember_change(self, before: int, after: int, now_ns: int) -> None:
        """Record the change, in place of the last one that no policy of its own direction looks back to.

        A policy of the other direction may look back further, and then misses the one that made room.
        """
        rules, changes = (self.spec.scale_up, self._ups) if after > before else (self.spec.scale_down, self._downs)
        cutoff = now_ns - max((policy.period_s for policy in rules.policies), default=0) * _SECOND_NS
        outdated = [index for index, change in enumerate(changes) if change.at_ns < cutoff]
        _put(changes, outdated[-1] if outdated else None, _Stamped(abs(after - before), now_ns))


def _put(entries: list[_Stamped], index: int | None, entry: _Stamped) -> None:
    if index is None:
        entries.append(entry)
    else:
        entries[index] = entry


def _replicas(metric: Metric, answer: Answer, world: World, within_tolerance: Callable[[float], bool]) -> int:
    """Return what one metric asks for; raise `_MetricError` when it cannot say."""
    if not answer:
        raise _MetricError("the metrics API failed, or returned no item")
    if isinstance(answer, Mapping):
        return _by_pods(metric.target_milli, answer, world, within_tolerance)
    if metric.target_type is TargetType.VALUE:
        return _by_value(float(_total(answer)) / float(metric.target_milli), world, within_tolerance)
    usage = _total(answer, sign_is_overflow=metric.type is MetricType.EXTERNAL)
    return _by_average(usage, metric.target_milli, world.status_replicas, within_tolerance)


def _by_pods(target: int, answer: Mapping[str, int], world: World, within_tolerance: Callable[[float], bool]) -> int:
    """Return the replicas for a metric of pods.

    Pending pods count as nothing on the way up and not at all on the way down. Pods without a value count as nothing on the
    way up, and as exactly on target on the way down. What turns the direction round changes nothing.
    """
    if not world.pods:
        raise _MetricError("the selector finds no pods")
    values = dict(answer)
    counted = 0
    pending: list[str] = []
    missing: list[str] = []
    for pod in world.pods:
        if pod.terminating or pod.phase is Phase.FAILED:
            values.pop(pod.name, None)
        elif pod.phase is Phase.PENDING:
            values.pop(pod.name, None)
            pending.append(pod.name)
        elif pod.name in values:
            counted += 1
        else:
            missing.append(pod.name)
    if not values:
        raise _MetricError("no pod that counts has a value")

    ratio = _usage_ratio(values.values(), target)
    up_with_pending = bool(pending) and ratio > 1.0
    if not up_with_pending and not missing:
        return world.replicas if within_tolerance(ratio) else math.ceil(ratio * float(counted))

    if ratio < 1.0:
        values.update(dict.fromkeys(missing, target))
    elif ratio > 1.0:
        values.update(dict.fromkeys(missing, 0))
    if up_with_pending:
        values.update(dict.fromkeys(pending, 0))
    careful = _usage_ratio(values.values(), target)
    if within_tolerance(careful) or (ratio < 1.0 < careful) or (careful < 1.0 < ratio):
        return world.replicas
    proposal = math.ceil(careful * float(len(values)))
    if (careful < 1.0 and proposal > world.replicas) or (careful > 1.0 and proposal < world.replicas):
        return world.replicas
    return proposal


def _usage_ratio(values: Iterable[int], target: int) -> float:
    numbers = list(values)
    total = sum(numbers)
    mean = abs(total) // len(numbers)  # Go's division cuts towards zero
    return float(mean if total >= 0 else -mean) / float(target)


def _by_value(ratio: float, world: World, within_tolerance: Callable[[float], bool]) -> int:
    """Return the replicas for an object's or external value that every ready pod contributes to."""
    if within_tolerance(ratio):
        return world.replicas
    if not world.pods:
        raise _MetricError("the selector finds no pods")
    ready = sum(pod.phase is Phase.RUNNING and pod.ready for pod in world.pods)
    return min(math.ceil(ratio * float(ready)), _MAX_INT32)


def _by_average(usage: int, target: int, status_replicas: int, within_tolerance: Callable[[float], bool]) -> int:
    """Return the replicas for an object's or external value that is shared out evenly.

    With no replica in the status the original divides by zero, and what comes of that is never within tolerance.
    """
    if status_replicas != 0 and within_tolerance(float(usage) / (float(target) * float(status_replicas))):
        return status_replicas
    return min(math.ceil(float(usage) / float(target)), _MAX_INT32)


def _total(values: Iterable[int], *, sign_is_overflow: bool = False) -> int:
    """Return the sum of *values*, no more than int64 holds; a negative one counts as overflow where the original takes it so."""
    total = 0
    for value in values:
        total += value
        if total > _MAX_INT64 or (sign_is_overflow and total < 0):
            return _MAX_INT64
    return total
