"""Garbage collection: what only the dead own is deleted, and an owner that waits for its dependents goes after them."""

from autoscaler.sandbox.controllers.queue import Queue, key_of
from autoscaler.sandbox.objects import is_deleting, owners_of, uid_of
from autoscaler.sandbox.store import EVERY, Event, Key
from autoscaler.sandbox.verbs import FOREGROUND, Verbs


def queue(verbs: Verbs) -> Queue:
    """Return the garbage collector's queue."""
    collector = Collector(verbs)
    found = Queue("garbage", verbs.store, collector.reconcile)
    found.follow(EVERY, collector.concerned)
    return found


class Collector:
    """Looks at objects whose owners may be gone, and at owners whose dependents may be."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._store = verbs.store

    def concerned(self, resource: str, event: Event) -> list[Key]:
        """Return what has to be looked at after *event*."""
        if event.change == "DELETED":
            owners = [key for owner in owners_of(event.obj) if (key := self._find(event.obj, owner))]
            return [*self._store.dependents(uid_of(event.obj)), *owners]
        waits = is_deleting(event.obj) and FOREGROUND in (event.obj["metadata"].get("finalizers") or ())
        return key_of(resource, event) if waits or (event.change == "ADDED" and owners_of(event.obj)) else []

    def _find(self, dependent: dict[str, object], owner: dict[str, str]) -> Key | None:
        group = owner["apiVersion"].rpartition("/")[0]
        kind = next((each for each in self._verbs.registry.kinds() if (each.group, each.kind) == (group, owner["kind"])), None)
        metadata = dependent["metadata"]
        if kind is None or not isinstance(metadata, dict):
            return None
        return (kind.resource, str(metadata.get("namespace", "")) if kind.namespaced else "", owner["name"])

    def reconcile(self, key: Key) -> float | None:
        """Delete one object when all its owners are gone, or let it go when all its dependents are."""
        obj = self._store.get(*key)
        if obj is None:
            return None
        resource, namespace, name = key
        owners = owners_of(obj)
        if owners and not is_deleting(obj) and not any(self._store.has_uid(owner["uid"]) for owner in owners):
            self._verbs.delete(self._verbs.registry.by_resource(resource), namespace, name)
            return None
        if not is_deleting(obj) or FOREGROUND not in (obj["metadata"].get("finalizers") or ()):
            return None
        blocking = [
            dependent
            for dependent_key in self._store.dependents(uid_of(obj))
            if (dependent := self._store.get(*dependent_key)) is not None
        ]
        for dependent_key in self._store.dependents(uid_of(obj)):
            dependent = self._store.get(*dependent_key)
            if dependent is not None and not is_deleting(dependent):
                kind = self._verbs.registry.by_resource(dependent_key[0])
                self._verbs.delete(kind, dependent_key[1], dependent_key[2])
        if not blocking:
            kept = [each for each in obj["metadata"]["finalizers"] if each != FOREGROUND]
            left = self._verbs.modify(resource, obj, lambda new: new["metadata"].update(finalizers=kept))
            if not kept:
                self._verbs.modify(resource, left, lambda new: new["metadata"].pop("finalizers"))
                self._verbs.finish(resource, left)
        return None
