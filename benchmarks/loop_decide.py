"""What one decision costs: `decide` alone, on three signals of a quiet target, as the controller calls it at every tick."""

import statistics
import time
from dataclasses import replace
from typing import Any

from autoscaler.decision import pipeline
from autoscaler.decision.model import Memory, Observation, Pods, Reading
from autoscaler.resource import policy
from benchmarks import crowd

_TICK_S = 15.0
_CALLS = 400
_START = 1_800_000_000.0
_PODS = 4


def measure(*, repeats: int) -> float:
    """Return microseconds of CPU a call: the median of *repeats* rounds of 400 ticks each."""
    scaler = policy.read(_scaler(), known_zone=lambda _: True)
    # 66 of 70, 9 of 10 and 0.7 of 0.8 a pod: within the tolerance.
    readings = tuple(
        Reading(total_milli=_PODS * each, reporting=_PODS, at=_START, band_ratio=ratio)
        for each, ratio in ((66_000, 0.66), (9_000, None), (700, None))
    )
    seen = Observation(now=_START, replicas=_PODS, status_replicas=_PODS, pods=Pods(ready=_PODS), readings=readings)
    looks = [
        replace(seen, now=_START + tick * _TICK_S, readings=tuple(replace(each, at=_START + tick * _TICK_S) for each in readings))
        for tick in range(_CALLS)
    ]
    return statistics.median(_round(scaler.policy, looks) for _ in range(repeats)) * 1e6


def _round(told: Any, looks: list[Observation]) -> float:
    memory = Memory()
    began = time.process_time()
    for look in looks:
        _, memory = pipeline.decide(told, look, memory)
    return (time.process_time() - began) / len(looks)


def _scaler() -> dict[str, Any]:
    found = crowd.scaler(0)
    cache = {"metric": {"name": "kv_cache_usage"}, "target": {"type": "AverageValue", "averageValue": "0.8"}}
    metrics = [*found["spec"]["metrics"], {"type": "Pods", "pods": cache}]
    return {**found, "spec": {**found["spec"], "metrics": metrics}}
