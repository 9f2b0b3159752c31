"""Deployments keep ReplicaSets, and ReplicaSets keep pods: as many as asked for, and the right ones go first."""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence

from autoscaler.sandbox.controllers.queue import Queue
from autoscaler.sandbox.objects import (
    Obj,
    annotations_of,
    clone,
    condition,
    controller_uid,
    dig,
    is_deleting,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    owners_of,
    seconds,
    uid_of,
    with_condition,
)
from autoscaler.sandbox.store import Event, Key, Store
from autoscaler.sandbox.verbs import Verbs

DEPLOYMENTS = "deployments.apps"
REPLICASETS = "replicasets.apps"
PODS = "pods"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_HASH_LABEL = "pod-template-hash"
_REVISION = "deployment.kubernetes.io/revision"


def queues(verbs: Verbs) -> list[Queue]:
    """Return the queues of the workload controllers."""
    deployments = Queue("deployments", verbs.store, Deployments(verbs).reconcile)
    deployments.follow(DEPLOYMENTS)
    deployments.follow(REPLICASETS, _owners)
    replicasets = Queue("replicasets", verbs.store, ReplicaSets(verbs).reconcile)
    replicasets.follow(REPLICASETS)
    replicasets.follow(PODS, _owners)
    return [deployments, replicasets]


_OWNING = {"Deployment": DEPLOYMENTS, "ReplicaSet": REPLICASETS}


def _owners(_resource: str, event: Event) -> list[Key]:
    namespace = namespace_of(event.obj)
    return [
        (_OWNING[owner["kind"]], namespace, owner["name"])
        for owner in owners_of(event.obj)
        if owner.get("controller") and owner["kind"] in _OWNING
    ]


def _controlled(store: Store, resource: str, owner: Obj) -> list[Obj]:
    keys = [key for key in store.dependents(uid_of(owner)) if key[0] == resource]
    found = (store.get(*key) for key in keys)
    return [obj for obj in found if obj is not None and controller_uid(obj) == uid_of(owner)]


def _reference(owner: Obj) -> Obj:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


class ReplicaSets:
    """Creates and deletes pods until there are as many as a ReplicaSet asks for."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._store = verbs.store
        self._pods = verbs.registry.by_resource(PODS)

    def reconcile(self, key: Key) -> float | None:
        """Put one ReplicaSet right; return when the next of its pods has been ready for long enough."""
        owner = self._store.get(*key)
        if owner is None:
            return None
        owned = _controlled(self._store, PODS, owner)
        active = [pod for pod in owned if not is_deleting(pod) and dig(pod, "status", "phase") not in {"Succeeded", "Failed"}]
        if not is_deleting(owner):
            wanted = owner["spec"]["replicas"]
            active.extend(self._create(owner) for _ in range(wanted - len(active)))
            if len(active) > wanted:
                for pod in first_to_go(active)[: len(active) - wanted]:
                    self._verbs.delete(self._pods, namespace_of(pod), name_of(pod))
                    active.remove(pod)
        fresh = (self._store.get(PODS, namespace_of(pod), name_of(pod)) for pod in owned)
        ending = sum(1 for pod in fresh if pod is not None and is_deleting(pod))
        return self._report(owner, active, ending)

    def _create(self, owner: Obj) -> Obj:
        template = clone(owner["spec"]["template"])
        metadata = {
            "generateName": f"{name_of(owner)}-",
            "labels": dig(template, "metadata", "labels"),
            "annotations": dig(template, "metadata", "annotations"),
            "ownerReferences": [_reference(owner)],
        }
        body = {"metadata": {key: value for key, value in metadata.items() if value}, "spec": template["spec"]}
        return self._verbs.create(self._pods, namespace_of(owner), body)

    def _report(self, owner: Obj, active: Sequence[Obj], ending: int) -> float | None:
        now, wait_s = self._verbs.clock(), owner["spec"].get("minReadySeconds", 0)
        ready = [pod for pod in active if is_true(pod, "Ready")]
        left = [max(0.0, _ready_since(pod) + wait_s - now) if wait_s else 0.0 for pod in ready]
        status = {
            "replicas": len(active),
            "fullyLabeledReplicas": len(active),
            "readyReplicas": len(ready),
            "availableReplicas": sum(1 for each in left if each == 0.0),
            "terminatingReplicas": ending,
            "observedGeneration": owner["metadata"]["generation"],
        }
        always = {"replicas", "terminatingReplicas", "observedGeneration"}
        self._verbs.put_status(REPLICASETS, owner, {field: value for field, value in status.items() if value or field in always})
        return min((each for each in left if each > 0.0), default=None)


def _ready_since(pod: Obj) -> float:
    found = condition(pod, "Ready")
    return seconds(found["lastTransitionTime"]) if found else 0.0


def first_to_go(pods: Iterable[Obj]) -> list[Obj]:
    """Return *pods* in the order in which a ReplicaSet gives them up.

    Unscheduled before scheduled, pending before running, not ready before ready, lower deletion cost first, those that share their
    node with more of the set first, ready for a shorter time first, younger first: as kube-controller-manager's
    ``ActivePodsWithRanks`` has it.
    """
    found = list(pods)
    neighbours: dict[str, int] = {}
    for pod in found:
        node = dig(pod, "spec", "nodeName") or ""
        neighbours[node] = neighbours.get(node, 0) + 1

    def rank(pod: Obj) -> tuple[bool, int, bool, int, int, float, float]:
        node = dig(pod, "spec", "nodeName") or ""
        phase = {"Pending": 0, "Unknown": 1, "Running": 2}.get(dig(pod, "status", "phase"), 0)
        ready = is_true(pod, "Ready")
        since = _ready_since(pod) if ready else 0.0
        return (
            bool(node),
            phase,
            ready,
            _cost(pod),
            -neighbours[node],
            -since,
            -seconds(pod["metadata"]["creationTimestamp"]),
        )

    return sorted(found, key=rank)


def _cost(pod: Obj) -> int:
    try:
        return int(annotations_of(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0  # what cannot be read costs nothing, as in the real controller


class Deployments:
    """Creates a ReplicaSet for each pod template, and moves replicas from the old ones to the newest."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._store = verbs.store
        self._kind = verbs.registry.by_resource(REPLICASETS)

    def reconcile(self, key: Key) -> float | None:
        """Put one Deployment right."""
        owner = self._store.get(*key)
        if owner is None or is_deleting(owner):
            return None
        sets = sorted(_controlled(self._store, REPLICASETS, owner), key=_revision_of)
        digest = template_hash(owner["spec"]["template"])
        newest = next((each for each in sets if labels_of(each).get(_HASH_LABEL) == digest), None)
        if newest is None:
            newest = self._create(owner, digest, revision=max(map(_revision_of, sets), default=0) + 1)
        older = [each for each in sets if uid_of(each) != uid_of(newest)]
        if not owner["spec"].get("paused"):
            for each, replicas in plan(owner["spec"], newest, older):
                if each["spec"]["replicas"] != replicas:
                    self._resize(each, replicas)
        self._report(owner, newest, older)
        return None

    def _create(self, owner: Obj, digest: str, *, revision: int) -> Obj:
        template = clone(owner["spec"]["template"])
        labels = {**(dig(template, "metadata", "labels") or {}), _HASH_LABEL: digest}
        template["metadata"] = {**(template.get("metadata") or {}), "labels": labels}
        wanted = clone(owner["spec"]["selector"])
        wanted["matchLabels"] = {**(wanted.get("matchLabels") or {}), _HASH_LABEL: digest}
        body: Obj = {
            "metadata": {
                "name": f"{name_of(owner)}-{digest}",
                "labels": labels,
                "annotations": {_REVISION: str(revision)},
                "ownerReferences": [_reference(owner)],
            },
            "spec": {
                "replicas": 0,
                "selector": wanted,
                "template": template,
            },
        }
        if owner["spec"].get("minReadySeconds"):
            body["spec"]["minReadySeconds"] = owner["spec"]["minReadySeconds"]
        annotations = {**annotations_of(owner), _REVISION: str(revision)}
        self._verbs.modify(DEPLOYMENTS, owner, lambda new: new["metadata"].update(annotations=annotations))
        return self._verbs.create(self._kind, namespace_of(owner), body)

    def _resize(self, each: Obj, replicas: int) -> None:
        patch = {"spec": {"replicas": replicas}}
        self._verbs.patch(self._kind, namespace_of(each), name_of(each), patch, "application/merge-patch+json")

    def _report(self, owner: Obj, newest: Obj, older: Sequence[Obj]) -> None:
        fresh = [self._store.get(*key) or each for each in (newest, *older) for key in [_key(each)]]
        wanted = owner["spec"]["replicas"]
        total, ready, available, ending = (
            sum(dig(each, "status", field) or 0 for each in fresh)
            for field in ("replicas", "readyReplicas", "availableReplicas", "terminatingReplicas")
        )
        updated = dig(fresh[0], "status", "replicas") or 0
        _, unavailable = _room(owner["spec"])
        enough = available >= wanted - unavailable
        done = updated == wanted == total == available
        now = self._verbs.clock()
        conditions = with_condition(
            dig(owner, "status", "conditions"),
            {
                "type": "Available",
                "status": "True" if enough else "False",
                "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
                "message": f"Deployment {'has' if enough else 'does not have'} minimum availability.",
            },
            now=now,
        )
        conditions = with_condition(
            conditions,
            {
                "type": "Progressing",
                "status": "True",
                "reason": "NewReplicaSetAvailable" if done else "ReplicaSetUpdated",
                "message": f'ReplicaSet "{name_of(newest)}" {"has successfully progressed" if done else "is progressing"}.',
            },
            now=now,
        )
        status = {
            "replicas": total,
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": available,
            "unavailableReplicas": max(0, max(wanted, total) - available),
        }
        shown = {field: value for field, value in status.items() if value}
        generation = owner["metadata"]["generation"]
        self._verbs.put_status(
            DEPLOYMENTS, owner, {**shown, "terminatingReplicas": ending, "observedGeneration": generation, "conditions": conditions}
        )


def plan(spec: Obj, newest: Obj, older: Sequence[Obj]) -> list[tuple[Obj, int]]:
    """Return how many replicas each ReplicaSet of a Deployment has next, oldest first and the newest last.

    It is what the Deployment's strategy allows now; called again after every change it ends with all of them in *newest*.
    """
    wanted, now = spec["replicas"], newest["spec"]["replicas"]
    left = sum(each["spec"]["replicas"] for each in older)
    running = sum(dig(each, "status", "replicas") or 0 for each in older)
    if not left and not running:
        return [(newest, wanted)]
    if spec["strategy"]["type"] == "Recreate":
        return [*((each, 0) for each in older), (newest, now if left or running else wanted)]
    surge, unavailable = _room(spec)
    room = max(0, wanted + surge - left - now)
    grown = min(wanted, now + room) if now <= wanted else wanted
    newest_missing = max(0, now - (dig(newest, "status", "availableReplicas") or 0))
    spare = left + now - (wanted - unavailable) - newest_missing
    shrunk: list[tuple[Obj, int]] = []
    for each in older:
        take = max(0, min(each["spec"]["replicas"], spare))
        spare -= take
        shrunk.append((each, each["spec"]["replicas"] - take))
    return [*shrunk, (newest, grown)]


def _room(spec: Obj) -> tuple[int, int]:
    """Return (surge, unavailable): how many pods a rolling update may have too many, and how many too few."""
    rolling = spec["strategy"].get("rollingUpdate") or {}
    wanted = spec["replicas"]
    surge = _amount(rolling.get("maxSurge", 0), wanted, up=True)
    unavailable = _amount(rolling.get("maxUnavailable", 0), wanted, up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _amount(value: int | str, of: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    share = int(value.rstrip("%")) * of / 100
    return math.ceil(share) if up else math.floor(share)


def template_hash(template: Obj) -> str:
    """Return a short name for a pod template: the same for the same content, and safe in a label."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join("bcdfghjklmnpqrstvwxz2456789"[byte % 27] for byte in digest[:10])


def _revision_of(each: Obj) -> int:
    return int(annotations_of(each).get(_REVISION, "0"))


def _key(obj: Obj) -> Key:
    return (REPLICASETS, namespace_of(obj), name_of(obj))
