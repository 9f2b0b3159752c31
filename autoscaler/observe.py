"""From what is known of a target to what a decision rests on. Pure: time is an argument, and nothing is asked for here.

A pod counts for a signal when it is ready, gets requests, and has a value; one that should have a value and has none is missing,
which is never a zero.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from autoscaler.cluster.answers import Answer
from autoscaler.decision.model import (
    Decision,
    Forecast,
    ForeignWrite,
    Kind,
    Observation,
    Pods,
    Reading,
    ScheduleState,
    Signal,
    Source,
)
from autoscaler.decision.startup import Quantiles
from autoscaler.resource.scaler import ROUTED, Mechanism, Scaler
from autoscaler.seen import PodSeen, Pool, TargetSeen

YOUNG_S = 20.0
"""A pod that has been ready for less has not had its share of the load yet."""

LOST_S = 600.0
LOST_STARTUPS = 3.0
"""A pod that has been loading for longer than both (the latter times the p99) is not on its way: it crashes, or hangs."""

#: What tells a busy pod from an idle one, in units of the signals' own targets.
_LOADS = frozenset({Kind.QUEUE, Kind.CONCURRENCY, Kind.UTILIZATION, Kind.KV_CACHE})

_PERCENT_MILLI = 100_000  # a utilisation of 100
_RATIO_MILLI = 1_000  # a utilisation of 1


def observation(
    scaler: Scaler,
    target: TargetSeen,
    pods: Sequence[PodSeen],
    pool: Pool,
    answers: Sequence[Answer],
    *,
    now: float,
    forecast: Forecast | None = None,
    schedule: ScheduleState | None = None,
    foreign: ForeignWrite | None = None,
    quantiles: Quantiles | None = None,
    shared_nodes: AbstractSet[str] = frozenset(),
) -> Observation:
    """Return what is known at *now*.

    *answers* stand in the order of the scaler's queries, *quantiles* are those of the start-up, and the GPUs of *shared_nodes*
    are shared between pods.
    """
    offered = pool.mechanism is not Mechanism.HEADROOM
    routed: list[PodSeen] = []
    warm: list[PodSeen] = []
    for pod in pods:
        (warm if offered and is_warm(pod) else routed).append(pod)
    ready = [pod for pod in routed if pod.ready]
    lost_s = max(LOST_S, LOST_STARTUPS * quantiles.p99_s if quantiles is not None else 0.0)
    routed = [pod for pod in routed if not pod.running or pod.unready_at is None or now - pod.unready_at <= lost_s]
    loading = sum(pod.running and not pod.ready for pod in routed)
    readings = tuple(
        _of_pods(signal, answer, ready, loading, shared_nodes) if signal.source is Source.PODS else _of_one(answer)
        for signal, answer in zip(scaler.policy.signals, answers, strict=True)
    )
    return Observation(
        now=now,
        replicas=target.replicas,
        status_replicas=target.status_replicas,
        pods=_counted(target, pods, ready, warm, now=now, routed=len(routed), loading=loading),
        readings=readings,
        # A template that shows none may have some added on a pod's way in.
        gpus_per_replica=target.gpus_per_replica or max((pod.gpus for pod in pods), default=target.gpus_per_replica),
        forecast=forecast,
        schedule=schedule or ScheduleState(),
        foreign=foreign,
        startup_p90_s=quantiles.p90_s if quantiles is not None else None,
        startup_p99_s=quantiles.p99_s if quantiles is not None else None,
        pool_offered=offered,
    )


def is_warm(pod: PodSeen) -> bool:
    """Return whether *pod* is held back from requests."""
    return pod.warm(ROUTED)


def loads(scaler: Scaler, decision: Decision, pods: Sequence[PodSeen], answers: Sequence[Answer]) -> Mapping[str, float]:
    """Return how busy each pod is, where somebody will ask: before a shrink, and where pods are to be held back."""
    if decision.replicas >= decision.current and not decision.warm:
        return {}
    found: dict[str, float] = {}
    for signal, answer in zip(scaler.policy.signals, answers, strict=True):
        if signal.source is Source.PODS and signal.kind in _LOADS:
            for pod in pods:
                value = answer.values.get(pod.name)
                if value is not None:
                    found[pod.name] = found.get(pod.name, 0.0) + value[0] / signal.target_milli
    return found


def with_replicas(target: TargetSeen, replicas: int) -> TargetSeen:
    """Return *target* as it is once its replicas are set to *replicas*."""
    return dataclasses.replace(target, replicas=replicas)


def _counted(
    target: TargetSeen,
    pods: Sequence[PodSeen],
    ready: Sequence[PodSeen],
    warm: Sequence[PodSeen],
    *,
    now: float,
    routed: int,
    loading: int,
) -> Pods:
    # Behind its gate a pod is not ready, however ready its containers are.
    warm_ready = sum(pod.ready or (pod.gate is False and pod.containers_ready) for pod in warm)
    homeless = [pod.unschedulable_since for pod in pods if pod.unschedulable_since is not None]
    return Pods(
        ready=len(ready),
        loading=loading,
        pending=routed - len(ready) - loading,
        warm_ready=warm_ready,
        warm_starting=len(warm) - warm_ready,
        young=sum(pod.ready_at is not None and now - pod.ready_at < YOUNG_S for pod in ready),
        unschedulable_since=min(homeless, default=None),
        unschedulable=len(homeless),
        rolling_out=target.rolling_out,
        stuck=target.stuck,
    )


def _of_pods(signal: Signal, answer: Answer, ready: Sequence[PodSeen], loading: int, shared_nodes: AbstractSet[str]) -> Reading:
    """Return the reading of a Pods metric. A pod that loads counts as missing, whatever its device already says."""
    values = answer.values
    total = reporting = 0
    oldest: float | None = None
    shared = False
    for pod in ready:
        value = values.get(pod.name)
        if value is None:
            continue
        total += value[0]
        reporting += 1
        if oldest is None or value[1] < oldest:
            oldest = value[1]
        shared = shared or pod.node in shared_nodes
    missing = len(ready) - reporting + loading
    if not reporting:
        return Reading(missing=missing, why=answer.why or _nobody(len(ready), loading))
    busy = signal.kind is Kind.UTILIZATION
    full = _PERCENT_MILLI if signal.percent else _RATIO_MILLI
    return Reading(
        total_milli=total,
        reporting=reporting,
        missing=missing,
        at=oldest,
        why=answer.why,
        shared=busy and shared,
        band_ratio=total / reporting / full if busy else None,
    )


def _of_one(answer: Answer) -> Reading:
    return Reading(total_milli=answer.total_milli, at=answer.at, why=answer.why)


def _nobody(ready: int, loading: int) -> str:
    if ready:
        return f"none of {ready} ready pods has a value" if ready > 1 else "the one ready pod has no value"
    return "no pod is ready yet" if loading else "no pod runs"
