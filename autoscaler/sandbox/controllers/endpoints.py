"""Services with a selector get EndpointSlices: the addresses of their pods, and which of them take requests."""

from autoscaler.sandbox.controllers.queue import Queue
from autoscaler.sandbox.objects import (
    Obj,
    controller_uid,
    dig,
    is_deleting,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from autoscaler.sandbox.store import Event, Key
from autoscaler.sandbox.verbs import Verbs

_SLICES = "endpointslices.discovery.k8s.io"
_SERVICE_LABEL = "kubernetes.io/service-name"
_MANAGED_LABEL = "endpointslice.kubernetes.io/managed-by"
_LARGEST = 100  # endpoints in one slice, as the real controller has it

_Ports = tuple[tuple[str, str, int], ...]  # (name, protocol, number) as they resolve for a pod


def queue(verbs: Verbs) -> Queue:
    """Return the endpoint controller's queue."""
    controller = Endpoints(verbs)
    found = Queue("endpoints", verbs.store, controller.reconcile)
    found.follow("services")
    found.follow("pods", controller.services_of)
    return found


class Endpoints:
    """Keeps the slices of each service."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._store = verbs.store
        self._kind = verbs.registry.by_resource(_SLICES)

    def services_of(self, _resource: str, event: Event) -> list[Key]:
        """Return the services that a changed pod belongs to, or did."""
        states = [event.obj, event.previous] if event.previous else [event.obj]
        return [
            ("services", namespace_of(service), name_of(service))
            for service in self._store.objects("services", namespace_of(event.obj))
            if any(_selects(service, labels_of(pod)) for pod in states)
        ]

    def reconcile(self, key: Key) -> float | None:
        """Make the slices of one service say what its pods are."""
        service = self._store.get(*key)
        if service is None or not service["spec"].get("selector"):
            return None
        groups: dict[_Ports, list[Obj]] = {}
        for pod in self._store.objects("pods", namespace_of(service)):
            ended = dig(pod, "status", "phase") in {"Succeeded", "Failed"}
            if _selects(service, labels_of(pod)) and dig(pod, "status", "podIP") and not ended:
                groups.setdefault(_ports(service, pod), []).append(_endpoint(service, pod))
        wanted = [
            (ports, endpoints[start : start + _LARGEST])
            for ports, endpoints in sorted(groups.items(), key=lambda item: item[0])
            for start in range(0, len(endpoints), _LARGEST)
        ]
        existing = [
            each
            for each in self._store.objects(_SLICES, namespace_of(service))
            if controller_uid(each) == uid_of(service) and not is_deleting(each)
        ]
        for position, (ports, endpoints) in enumerate(wanted or [((), [])]):
            numbered = [{"name": name, "protocol": protocol, "port": number} for name, protocol, number in ports]
            content = {"endpoints": endpoints or None, "ports": numbered or None}  # null when empty, as Go writes it
            if position < len(existing):
                self._verbs.modify(_SLICES, existing[position], lambda new, content=content: new.update(content))  # type: ignore[misc]
            else:
                self._create(service, content)
        for each in existing[max(1, len(wanted)) :]:
            self._verbs.delete(self._kind, namespace_of(each), name_of(each))
        return None

    def _create(self, service: Obj, content: Obj) -> None:
        owner = {
            "apiVersion": "v1",
            "kind": "Service",
            "name": name_of(service),
            "uid": uid_of(service),
            "controller": True,
            "blockOwnerDeletion": True,
        }
        labels = {
            **labels_of(service),
            _SERVICE_LABEL: name_of(service),
            _MANAGED_LABEL: "endpointslice-controller.k8s.io",
        }
        metadata = {"generateName": f"{name_of(service)}-", "labels": labels, "ownerReferences": [owner]}
        self._verbs.create(self._kind, namespace_of(service), {"metadata": metadata, "addressType": "IPv4", **content})


def _selects(service: Obj, labels: dict[str, str]) -> bool:
    wanted = service["spec"].get("selector")
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def _ports(service: Obj, pod: Obj) -> _Ports:
    named = {
        port["name"]: port["containerPort"]
        for container in pod["spec"].get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("name")
    }
    found: list[tuple[str, str, int]] = []
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort", port["port"])
        number = named.get(target) if isinstance(target, str) else target
        if number is not None:
            found.append((port.get("name") or "", port.get("protocol", "TCP"), number))
    return tuple(found)


def _endpoint(service: Obj, pod: Obj) -> Obj:
    serving, ending = is_true(pod, "Ready"), is_deleting(pod)
    always = bool(service["spec"].get("publishNotReadyAddresses"))
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": always or (serving and not ending), "serving": serving, "terminating": ending},
        "nodeName": dig(pod, "spec", "nodeName"),
        "targetRef": {"kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod), "uid": uid_of(pod)},
    }
