"""Namespaces begin with a service account and the cluster's CA, and end when everything in them has."""

from autoscaler.sandbox.controllers.queue import Queue
from autoscaler.sandbox.objects import Obj, is_deleting, name_of, namespace_of
from autoscaler.sandbox.store import EVERY, Event, Key
from autoscaler.sandbox.verbs import Verbs

_ROOT_CA = "kube-root-ca.crt"


def queue(verbs: Verbs, *, server_ca: str) -> Queue:
    """Return the namespace controller's queue."""
    controller = Namespaces(verbs, server_ca=server_ca)
    found = Queue("namespaces", verbs.store, controller.reconcile)
    found.follow("namespaces")
    found.follow(EVERY, controller.emptied)
    return found


class Namespaces:
    """Furnishes new namespaces and clears those that are deleted."""

    def __init__(self, verbs: Verbs, *, server_ca: str) -> None:
        self._verbs = verbs
        self._store = verbs.store
        self._server_ca = server_ca

    def emptied(self, _resource: str, event: Event) -> list[Key]:
        """Return the namespace that *event* may have made emptier."""
        namespace = namespace_of(event.obj)
        return [("namespaces", "", namespace)] if event.change == "DELETED" and namespace else []

    def reconcile(self, key: Key) -> float | None:
        """Put one namespace right."""
        space = self._store.get(*key)
        if space is None:
            return None
        if is_deleting(space):
            self._clear(space)
            return None
        self._ensure("serviceaccounts", name_of(space), {"metadata": {"name": "default"}})
        self._ensure("configmaps", name_of(space), {"metadata": {"name": _ROOT_CA}, "data": {"ca.crt": self._server_ca}})
        return None

    def _ensure(self, resource: str, namespace: str, body: Obj) -> None:
        if self._store.get(resource, namespace, body["metadata"]["name"]) is None:
            self._verbs.create(self._verbs.registry.by_resource(resource), namespace, body)

    def _clear(self, space: Obj) -> None:
        kinds = {kind.resource: kind for kind in self._verbs.registry.kinds() if kind.namespaced}
        left = 0
        for resource, kind in kinds.items():
            for obj in self._store.objects(resource, name_of(space)):
                if not is_deleting(obj):
                    self._verbs.delete(kind, name_of(space), name_of(obj))
            left += len(self._store.objects(resource, name_of(space)))
        if not left:
            self._verbs.finish("namespaces", space)
