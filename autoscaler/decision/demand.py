"""What each signal asks for: HPA's integers, number for number, and beside them the demand as a real number of replicas.

The integer is what the HPA controller of Kubernetes 1.36 would propose for this metric: milli arithmetic, tolerance, missing
pods at the target on the way down and at nothing on the way up, pending pods at nothing on the way up, and no change where
that turns the direction. The real number is what the scale-down rules, the warm pool and the forecast work on. What several
signals make together is `combine`'s.
"""

import math
from typing import NamedTuple

from autoscaler.decision import capacity
from autoscaler.decision.model import Kind, Memory, Observation, Pods, Policy, Reading, Signal, Source, TargetType, Trust, Vote

MAX_REPLICAS = 2**31 - 1  # replicas are int32
MAX_MILLI = 2**63 - 1  # as a quantity's thousandths travel
#: A latency says that there are too few replicas, not how many: it asks for twice those that serve, and for half at the least.
LATENCY_BOUNDS = (0.5, 2.0)

SHARED = "its device is shared with other workloads: it may keep replicas, and not add any"
SATURATED = "it no longer rises with the load: it may keep replicas, and not add any"


class _Scene(NamedTuple):
    """What all signals of a tick have in common."""

    now: float
    current: int
    status: int  # HPA's status replicas, without the warm pods
    pods: Pods
    low: float
    high: float

    def within(self, ratio: float) -> bool:
        return self.low <= ratio <= self.high


class _Answer(NamedTuple):
    value_milli: float
    demand: float
    proposal: int


def votes(policy: Policy, observation: Observation, memory: Memory, *, current: int) -> tuple[Vote, ...]:
    """Return what each signal of *policy* asks for, in their order, when *current* replicas serve.

    It raises ValueError where there are not as many readings as signals.
    """
    pods = observation.pods
    behavior = policy.behavior
    scene = _Scene(
        observation.now,
        current,
        max(0, observation.status_replicas - pods.warm_ready - pods.warm_starting),
        pods,
        1.0 - behavior.down.tolerance,
        1.0 + behavior.up.tolerance,
    )
    return tuple(
        _vote(signal, reading, capacity.target_milli(signal, memory), memory, scene)
        for signal, reading in zip(policy.signals, observation.readings, strict=True)
    )


def _vote(signal: Signal, reading: Reading, target_milli: int, memory: Memory, scene: _Scene) -> Vote:
    trust, why = _trust(signal, reading, memory)
    age_s = None if reading.at is None else scene.now - reading.at
    total = reading.total_milli
    fault = _fault(signal, reading, age_s, scene)
    if total is None or fault:
        answer = None
    elif signal.kind is Kind.LATENCY:
        answer = _latency(signal, reading, total, target_milli, scene)
    elif signal.source is Source.PODS:
        answer = _per_pod(reading, total, target_milli, scene)
    elif signal.target_type is TargetType.AVERAGE_VALUE:
        answer = _per_replica(total, target_milli, scene)
    else:
        answer = _as_it_stands(total, target_milli, scene)
    counted = reading.reporting + reading.missing
    return Vote(
        signal=signal.name,
        kind=signal.kind,
        trust=trust,
        fresh=answer is not None,
        value=None if answer is None else answer.value_milli / 1000,
        target=target_milli / 1000,
        demand=None if answer is None else answer.demand,
        proposal=None if answer is None else answer.proposal,
        coverage=1.0 if signal.source is not Source.PODS else reading.reporting / counted if counted else 0.0,
        age_s=age_s,
        why=fault or why,
    )


def _trust(signal: Signal, reading: Reading, memory: Memory) -> tuple[Trust, str]:
    if signal.kind is Kind.LATENCY:
        return Trust.UP_ONLY, ""
    if signal.kind is Kind.UTILIZATION:
        if reading.shared:
            return Trust.VETO_ONLY, SHARED
        for name, trusting in memory.trusting:
            if name == signal.name and trusting.saturated:
                return Trust.VETO_ONLY, SATURATED
    return Trust.FULL, ""


def mute(signal: Signal, reading: Reading, *, current: int) -> bool:
    """Return whether *signal* cannot say anything, and is not missed: it asks pods, and there are to be none."""
    return current == 0 and signal.source is Source.PODS and reading.reporting == 0


def _fault(signal: Signal, reading: Reading, age_s: float | None, scene: _Scene) -> str:
    """Return why *reading* cannot be believed, or nothing. Without a time it counts as of now."""
    total = reading.total_milli
    if mute(signal, reading, current=scene.current):
        return "no pods at zero replicas"
    if total is None:
        return reading.why or "it has no value"
    if signal.source is Source.PODS and reading.reporting == 0:
        return reading.why or "no pod reports"
    if total < 0 and signal.kind is not Kind.OTHER:
        return f"{total / 1000:g} is not possible"
    if not -MAX_MILLI <= total <= MAX_MILLI:
        return "its value is larger than a quantity can be"
    if age_s is None or -signal.stale_after_s <= age_s <= signal.stale_after_s:
        return _no_pods(signal, total, scene)
    if age_s < 0:
        return f"its time lies {-age_s:.0f} s in the future: check the clocks of the nodes and of the metrics' source"
    old = f"it is {age_s:.0f} s old, over {signal.stale_after_s:.0f} s"
    return f"{old}: {reading.why}" if reading.why else old


def _no_pods(signal: Signal, total: int, scene: _Scene) -> str:
    """Return HPA's refusal to scale a value as it stands by pods that do not exist."""
    pods = scene.pods
    if signal.source is Source.PODS or signal.target_type is TargetType.AVERAGE_VALUE or signal.kind is Kind.LATENCY:
        return ""
    if scene.current == 0 or pods.ready + pods.starting + pods.warm_ready + pods.warm_starting > 0:
        return ""
    return "" if scene.within(total / signal.target_milli) else f"none of {scene.current} replicas has a pod"


def _truncated(total: int, count: int) -> int:
    """Return *total* ÷ *count* towards zero, as Go divides integers."""
    return total // count if total >= 0 else -(-total // count)


def _ceil(replicas: float) -> int:
    return min(math.ceil(replicas), MAX_REPLICAS)


def _per_pod(reading: Reading, total: int, target: int, scene: _Scene) -> _Answer:
    """HPA's plain pods metric: the mean over the pods with a value, with the others filled in."""
    counted, missing = reading.reporting, reading.missing
    usage = _truncated(total, counted)
    ratio = usage / target
    demand = total / target
    if missing:
        # On the way down a pod without a value holds its place. Past the target it adds nothing, and takes nothing away
        # either: less would make more load ask for fewer.
        demand = demand + missing if ratio < 1.0 else max(demand, float(counted + missing))
    pending = scene.pods.pending if ratio > 1.0 else 0
    if not missing and not pending:
        proposal = scene.current if scene.within(ratio) else _ceil(ratio * counted)
        return _Answer(usage, max(0.0, demand), proposal)
    filled = total + missing * target if ratio < 1.0 else total
    number = counted + pending if ratio == 1.0 else counted + pending + missing
    again = _truncated(filled, number) / target
    proposal = _ceil(again * number)
    if (
        scene.within(again)
        or ratio < 1.0 < again
        or again < 1.0 < ratio
        or (again < 1.0 and proposal > scene.current)
        or (again > 1.0 and proposal < scene.current)
    ):
        proposal = scene.current
    return _Answer(usage, max(0.0, demand), proposal)


def _per_replica(total: int, target: int, scene: _Scene) -> _Answer:
    """HPA's Object or External metric with an average: the tolerance is about the replicas that the status counts."""
    demand = float(total) / float(target)
    status = scene.status
    value = total / status if status else float(total)
    if status and scene.within(float(total) / (float(target) * float(status))):
        return _Answer(value, max(0.0, demand), status)
    return _Answer(value, max(0.0, demand), _ceil(demand))


def _as_it_stands(total: int, target: int, scene: _Scene) -> _Answer:
    """HPA's Object or External metric with a value: so many times the pods that are ready."""
    ratio = float(total) / float(target)
    ready = scene.pods.ready
    if scene.current == 0:
        return _Answer(total, max(0.0, ratio), _ceil(ratio))
    proposal = scene.current if scene.within(ratio) else _ceil(ratio * ready)
    # With no pod ready HPA asks for none, whatever the value: as a demand it counts as that of one replica.
    return _Answer(total, max(0.0, ratio * (ready or 1)), proposal)


def _latency(signal: Signal, reading: Reading, total: int, target: int, scene: _Scene) -> _Answer:
    """A quantile against its objective, a mean of quantiles where pods give it: as many times the replicas that serve."""
    value = _truncated(total, reading.reporting) if signal.source is Source.PODS else total
    ratio = value / target
    ready, current = scene.pods.ready, scene.current
    low, high = LATENCY_BOUNDS
    demand = ready * min(max(ratio, low), high)
    if ready == 0 or scene.within(ratio):
        return _Answer(value, demand, current)
    # Those that start will serve too: until more than all of them are asked for, this is no reason to add any.
    return _Answer(value, demand, max(_ceil(demand), current) if ratio > 1.0 else min(_ceil(demand), current))


# ── in words ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def number(value: float) -> str:
    """Return *value* with two decimals at most: ``22.5``."""
    return f"{round(value, 2):.15g}"


def plural(count: int, noun: str) -> str:
    """Return *count* with its noun: ``1 pod``, ``2 pods``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def tell(signal: Signal, reading: Reading, vote: Vote, *, pending: int) -> str:
    """Return how *vote* came about: ``queue 45 over 2 pods is 22.5 each against 10``."""
    if vote.value is None or reading.total_milli is None:
        return f"{signal.name}: {vote.why}"
    against = f"{number(vote.target)} (learned)" if vote.target * 1000 != signal.target_milli else number(vote.target)
    total = number(reading.total_milli / 1000)
    if signal.kind is Kind.LATENCY:
        return f"{signal.name} {number(vote.value)} against {against}"
    if signal.source is Source.PODS:
        text = f"{signal.name} {total} over {plural(reading.reporting, 'pod')} is {number(vote.value)} each against {against}"
        if reading.missing:
            text += f", {plural(reading.missing, 'pod')} without a value"
        if pending and vote.value > vote.target:
            text += f", {pending} pending"
        return text
    if signal.target_type is TargetType.AVERAGE_VALUE:
        return f"{signal.name} {total} against {against} a replica"
    return f"{signal.name} {total} against {against}"
