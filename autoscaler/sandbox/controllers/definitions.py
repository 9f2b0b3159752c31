"""CustomResourceDefinitions: their kinds are served as soon as they are there, and their objects go with them."""

from autoscaler.sandbox.controllers.queue import Queue
from autoscaler.sandbox.objects import dig, name_of, namespace_of, with_condition
from autoscaler.sandbox.store import Key
from autoscaler.sandbox.verbs import Verbs

_DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"


def queue(verbs: Verbs) -> Queue:
    """Return the queue that serves custom kinds."""
    found = Queue("definitions", verbs.store, Definitions(verbs).reconcile)
    found.follow(_DEFINITIONS)
    return found


class Definitions:
    """Keeps the registry in step with the definitions."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    def reconcile(self, key: Key) -> float | None:
        """Serve, or stop serving, what one definition describes."""
        registry, store = self._verbs.registry, self._verbs.store
        definition = store.get(*key)
        name = key[2]
        if definition is None:
            kinds = registry.defined_by(name)
            for kind in kinds[:1]:
                for obj in store.objects(kind.resource):
                    self._verbs.delete(kind, namespace_of(obj), name_of(obj))
            registry.undefine(name)
            return None
        registry.define(definition)
        now, conditions = self._verbs.clock(), dig(definition, "status", "conditions")
        for type_, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ):
            wanted = {"type": type_, "status": "True", "reason": reason, "message": message}
            conditions = with_condition(conditions, wanted, now=now)
        spec = definition["spec"]
        stored = [version["name"] for version in spec["versions"] if version.get("storage")]
        status = {"conditions": conditions, "acceptedNames": spec["names"], "storedVersions": stored}
        self._verbs.put_status(_DEFINITIONS, definition, status)
        return None
