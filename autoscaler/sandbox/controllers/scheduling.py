"""The scheduler: pods go to nodes that have the GPUs they ask for, and what fits nowhere stays pending and says why."""

from collections import Counter
from collections.abc import Iterable, Mapping

from autoscaler.sandbox.controllers.queue import Queue
from autoscaler.sandbox.objects import Obj, dig, is_deleting, is_true, labels_of, name_of, with_condition
from autoscaler.sandbox.store import Event, Key
from autoscaler.sandbox.verbs import Verbs

GPU = "nvidia.com/gpu"
_PODS = "pods"
_COUNTED = (GPU, _PODS)
_ALL: Key = ("pods", "", "")  # one key: a pod that leaves makes room for any other


def queue(verbs: Verbs) -> Queue:
    """Return the scheduler's queue."""
    found = Queue("scheduler", verbs.store, Scheduler(verbs).reconcile)
    found.follow("pods", _makes_a_difference)
    found.follow("nodes", lambda _resource, _event: [_ALL])
    return found


def _makes_a_difference(_resource: str, event: Event) -> list[Key]:
    waits = event.change == "ADDED" and not dig(event.obj, "spec", "nodeName")
    leaves = event.change == "DELETED" or dig(event.obj, "status", "phase") in {"Succeeded", "Failed"}
    return [_ALL] if waits or leaves else []


class Scheduler:
    """Binds every waiting pod that fits, the oldest first."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._store = verbs.store

    def reconcile(self, _key: Key) -> float | None:
        """Place what can be placed."""
        pods = [pod for pod in self._store.objects("pods") if dig(pod, "status", "phase") not in {"Succeeded", "Failed"}]
        waiting = [pod for pod in pods if not dig(pod, "spec", "nodeName") and not is_deleting(pod)]
        if not waiting:
            return None
        free = {name_of(node): _allocatable(node) for node in self._store.objects("nodes")}
        for pod in pods:
            node = dig(pod, "spec", "nodeName")
            if node in free:
                free[node].subtract(requests(pod))
        nodes = {name_of(node): node for node in self._store.objects("nodes")}
        for pod in sorted(waiting, key=lambda pod: (pod["metadata"]["creationTimestamp"], int(pod["metadata"]["resourceVersion"]))):
            wanted = requests(pod)
            reasons = {name: _obstacle(nodes[name], pod, wanted, free[name]) for name in nodes}
            fitting = [name for name, reason in reasons.items() if not reason]
            if fitting:
                # The emptiest node first spreads a set over nodes; the name decides between equals.
                chosen = min(fitting, key=lambda name: (-free[name][GPU], -free[name][_PODS], name))
                free[chosen].subtract(wanted)
                self._bind(pod, chosen)
            else:
                self._refuse(pod, reasons.values())
        return None

    def _bind(self, pod: Obj, node: str) -> None:
        done = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}

        def bind(new: Obj) -> None:
            new["spec"]["nodeName"] = node
            new["status"]["conditions"] = with_condition(dig(new, "status", "conditions"), done, now=self._verbs.clock())

        self._verbs.modify("pods", pod, bind)

    def _refuse(self, pod: Obj, reasons: Iterable[str]) -> None:
        counted = Counter(reasons)
        listed = ", ".join(f"{count} {reason}" for reason, count in sorted(counted.items()))
        message = f"0/{counted.total()} nodes are available: {listed}." if counted else "no nodes available to schedule pods"
        why = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
        }
        conditions = with_condition(dig(pod, "status", "conditions"), why, now=self._verbs.clock())
        self._verbs.put_status("pods", pod, {**pod["status"], "conditions": conditions})


def requests(pod: Obj) -> Mapping[str, int]:
    """Return what *pod* takes of the resources that are counted: whole GPUs, and its own place."""
    gpus = sum(int(dig(each, "resources", "requests", GPU) or 0) for each in pod["spec"].get("containers") or ())
    return {GPU: gpus, _PODS: 1}


def _allocatable(node: Obj) -> Counter[str]:
    found = dig(node, "status", "allocatable") or {}
    return Counter({name: int(found.get(name) or 0) for name in _COUNTED})


def _obstacle(node: Obj, pod: Obj, wanted: Mapping[str, int], free: Counter[str]) -> str:
    """Return why *pod* cannot go to *node*, in kube-scheduler's words, or nothing when it can."""
    if dig(node, "spec", "unschedulable"):
        return "node(s) were unschedulable"
    if not is_true(node, "Ready"):
        return "node(s) had untolerated taint {node.kubernetes.io/not-ready: }"
    chosen = dig(pod, "spec", "nodeSelector") or {}
    if any(labels_of(node).get(key) != value for key, value in chosen.items()):
        return "node(s) didn't match Pod's node affinity/selector"
    if wanted[GPU] > free[GPU]:
        return f"Insufficient {GPU}"
    if wanted[_PODS] > free[_PODS]:
        return "Too many pods"
    return ""
