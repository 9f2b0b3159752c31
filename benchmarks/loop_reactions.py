"""How soon a target is scaled after something happened to it: its queue has grown, or work waits for it while it has no replicas.

Each trial is a target of its own, at a moment of its own. The adapter reads the exporter directly. A queue grows to three times
what a pod is meant to carry, once for HPA and once for us; from zero only we scale, for Kubernetes ships HPA's gate for it closed.
"""

import random
import time
from pathlib import Path
from typing import Any

from benchmarks import pods, rivals, scalings
from benchmarks.claims import say
from benchmarks.page import Page, Values
from benchmarks.scalings import Scalings, Spread
from tests.cluster.controlplane import ControlPlane

NAMESPACE = "reaction"
_QUEUE = {"inference_queue_size": "10"}
_CALM, _GROWN = Values(60, 2), Values(60, 30)
_PENDING = 5
_APART_S = 1.3  # on average: no two targets share a moment of anybody's period for long
_DEADLINE_S = 90.0
_SETTLE_S = 6.0


def measure(plane: ControlPlane, served: Page, folder: Path, trials: int) -> tuple[Spread, Spread, Spread]:
    """Return how long HPA took from a queue's growth to the changed replicas, how long we took, and how long waking took us."""
    plane.kubectl("create", "namespace", NAMESPACE)
    queues, sleepers = ([f"{what}-{number}" for number in range(trials)] for what in ("queue", "zero"))
    rivals.create(plane, [pods.deployment(name, NAMESPACE, 1) for name in queues])
    rivals.create(plane, [pods.deployment(name, NAMESPACE, 0) for name in sleepers])
    rivals.create(plane, [_service(name) for name in sleepers])
    hpas = [rivals.hpa(name, NAMESPACE, _QUEUE) for name in queues]
    served.show(pools={(NAMESPACE, name): 0 for name in sleepers})
    _calm(plane, served, trials)
    with rivals.hpa_as_shipped(plane):
        say(f"{trials} queues grow, for HPA …")
        rivals.create(plane, hpas)
        rivals.wait_active(plane, NAMESPACE, trials)
        theirs = _grow(plane, served, queues)
        rivals.delete_all(plane, rivals.HPAS, NAMESPACE)
    rivals.scale_all(plane, NAMESPACE, queues, 1)
    _calm(plane, served, trials)
    with rivals.ours(plane, folder / "ours-reaction"):
        say(f"{trials} queues grow, for us …")
        # What HPA has nothing like, an urgent queue and a wake-up, is as it is shipped.
        rivals.create(plane, [rivals.scaler(document, urgent=None) for document in hpas])
        rivals.create(plane, [_sleeper(name) for name in sleepers])
        rivals.wait_decided(plane, NAMESPACE, 2 * trials)
        time.sleep(_SETTLE_S)
        mine = _grow(plane, served, queues)
        say(f"{trials} targets wake …")
        woken = _wake(plane, served, sleepers)
        rivals.delete_all(plane, rivals.SCALERS, NAMESPACE)
    return theirs, mine, woken


def _calm(plane: ControlPlane, served: Page, count: int) -> None:
    served.forget()
    served.show(dict.fromkeys(pods.wait_ready(plane, NAMESPACE, count), _CALM))


def _grow(plane: ControlPlane, served: Page, names: list[str]) -> Spread:
    began: dict[str, float] = {}
    with scalings.watch(plane, NAMESPACE) as seen:
        for name in names:
            time.sleep(random.uniform(0.0, 2 * _APART_S))
            mine = [pod for pod in served.pods if pod[1].startswith(f"{name}-")]
            served.show(dict.fromkeys(mine, _GROWN))
            began[name] = time.monotonic()
        return _spread(seen, began)


def _wake(plane: ControlPlane, served: Page, names: list[str]) -> Spread:
    began: dict[str, float] = {}
    with scalings.watch(plane, NAMESPACE) as seen:
        for name in names:
            time.sleep(random.uniform(0.0, 2 * _APART_S))
            served.show(pools={(NAMESPACE, name): _PENDING})
            began[name] = time.monotonic()
        return _spread(seen, began)


def _spread(seen: Scalings, began: dict[str, float]) -> Spread:
    return scalings.spread(seen.wait(began, deadline_s=_DEADLINE_S))


def _service(name: str) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8000}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def _sleeper(name: str) -> dict[str, Any]:
    """Return a scaler whose target may go to zero, and wakes by what waits in the gateway."""
    pending = {
        "describedObject": {"apiVersion": "v1", "kind": "Service", "name": name},
        "metric": {"name": "gateway_queue_size"},
        "target": {"type": "AverageValue", "averageValue": "10"},
    }
    found = rivals.scaler(rivals.hpa(name, NAMESPACE, _QUEUE))
    spec = {
        "scaleTargetRef": found["spec"]["scaleTargetRef"],
        "mode": "Auto",
        "minReplicas": 0,
        "maxReplicas": 4,
        "metrics": [{"type": "Object", "object": pending}],
        "idle": {"replicas": 1, "afterSeconds": 60, "zeroAfterSeconds": 60},
    }
    return {**found, "spec": spec}
