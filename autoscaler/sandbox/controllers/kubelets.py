"""Every node's kubelet at once: pods become ready as slowly as they say and when their gates allow, and end after a grace.

A pod's life follows an inference server's: its container runs at once, and is ready when the model is loaded. Nothing runs. A pod's
address is a loopback address of its own, so that whoever plays its containers can serve on it.
"""

import asyncio
import ipaddress
import itertools
from dataclasses import dataclass

from autoscaler.sandbox.controllers.queue import Queue
from autoscaler.sandbox.objects import Obj, annotations_of, dig, is_deleting, is_true, timestamp, uid_of, with_condition
from autoscaler.sandbox.store import Event, Key
from autoscaler.sandbox.verbs import Verbs

STARTUP = "sandbox.leadtime.dev/startup-seconds"
SHUTDOWN = "sandbox.leadtime.dev/shutdown-seconds"
_STARTUP_S = 2.0
_SHUTDOWN_S = 1.0
KEPT_FOR_NODES = 256  # the last addresses of the pods' network belong to nodes


def queue(verbs: Verbs, *, pod_network: ipaddress.IPv4Network, speed: float) -> Queue:
    """Return the kubelets' queue; *speed* divides every delay."""
    kubelets = Kubelets(verbs, pod_network=pod_network, speed=speed)
    verbs.store.subscribe("pods", kubelets.forget)
    found = Queue("kubelets", verbs.store, kubelets.reconcile)
    found.follow("pods")
    return found


@dataclass(slots=True)
class _Run:
    """What a kubelet knows about a pod that it has: times are the event loop's."""

    address: str
    starts_at: float
    ends_at: float | None = None


class Kubelets:
    """Moves bound pods through their lives."""

    def __init__(self, verbs: Verbs, *, pod_network: ipaddress.IPv4Network, speed: float) -> None:
        self._verbs = verbs
        self._speed = speed
        self._network = pod_network
        self._numbers = itertools.cycle(range(1, pod_network.num_addresses - KEPT_FOR_NODES))
        self._taken: set[str] = set()
        self._runs: dict[str, _Run] = {}

    def reconcile(self, key: Key) -> float | None:
        """Move one pod on; return in how many seconds something happens next."""
        pod = self._verbs.store.get(*key)
        if pod is None or not dig(pod, "spec", "nodeName"):
            return None
        now = asyncio.get_running_loop().time()
        run = self._runs.get(uid_of(pod))
        if run is None:
            delay_s = _duration(pod, STARTUP, _STARTUP_S) / self._speed
            run = self._runs[uid_of(pod)] = _Run(self._address(), now + delay_s)
        if is_deleting(pod):
            return self._end(pod, run, now)
        if dig(pod, "status", "phase") in {"Succeeded", "Failed"}:
            return None
        started = now >= run.starts_at
        self._verbs.put_status("pods", pod, self._status(pod, run, started=started))
        return None if started else run.starts_at - now

    def forget(self, _resource: str, event: Event) -> None:
        """Give back the address of a pod that is gone."""
        if event.change == "DELETED":
            run = self._runs.pop(uid_of(event.obj), None)
            if run is not None:
                self._taken.discard(run.address)

    def _end(self, pod: Obj, run: _Run, now: float) -> float | None:
        if run.ends_at is None:
            grace_s = pod["metadata"].get("deletionGracePeriodSeconds", 0)
            run.ends_at = now + min(_duration(pod, SHUTDOWN, _SHUTDOWN_S), grace_s) / self._speed
        if now < run.ends_at:
            return run.ends_at - now
        self._verbs.finish("pods", pod)
        return None

    def _address(self) -> str:
        address = next(found for number in self._numbers if (found := str(self._network[number])) not in self._taken)
        self._taken.add(address)
        return address

    def _status(self, pod: Obj, run: _Run, *, started: bool) -> Obj:
        now, status = self._verbs.clock(), pod["status"]
        node = self._verbs.store.get("nodes", "", pod["spec"]["nodeName"]) or {}
        host = next((each["address"] for each in dig(node, "status", "addresses") or () if each["type"] == "InternalIP"), "")
        blocked = [
            gate["conditionType"] for gate in pod["spec"].get("readinessGates") or () if not is_true(pod, gate["conditionType"])
        ]
        conditions = status.get("conditions")
        for wanted in (
            _condition("Initialized"),
            _condition("ContainersReady", "" if started else "ContainersNotReady"),
            _condition("Ready", "ContainersNotReady" if not started else "ReadinessGatesNotReady" if blocked else ""),
        ):
            conditions = with_condition(conditions, wanted, now=now)
        return {
            **status,
            "phase": "Running",
            "startTime": status.get("startTime") or timestamp(now),
            "hostIP": host,
            "hostIPs": [{"ip": host}],
            "podIP": run.address,
            "podIPs": [{"ip": run.address}],
            "conditions": conditions,
            "containerStatuses": self._containers(pod, ready=started, now=now),
        }

    def _containers(self, pod: Obj, *, ready: bool, now: float) -> list[Obj]:
        before = {each["name"]: each for each in pod["status"].get("containerStatuses") or ()}
        found: list[Obj] = []
        for container in pod["spec"].get("containers") or ():
            name = container["name"]
            since = dig(before.get(name, {}), "state", "running", "startedAt") or timestamp(now)
            found.append(
                {
                    "name": name,
                    "image": container["image"],
                    "imageID": "",
                    "ready": ready,
                    "started": True,
                    "restartCount": 0,
                    "lastState": {},
                    "state": {"running": {"startedAt": since}},
                }
            )
        return found


def _condition(type_: str, problem: str = "") -> Obj:
    found: Obj = {"type": type_, "status": "False" if problem else "True", "lastProbeTime": None}
    return {**found, "reason": problem} if problem else found


def _duration(pod: Obj, annotation: str, default_s: float) -> float:
    try:
        return max(0.0, float(annotations_of(pod).get(annotation, default_s)))
    except ValueError:
        return default_s
