"""A workload that an InferenceScaler scales: the shipped examples in a namespace of a test's own, and what the API shows of them.

The examples' minutes are cut to seconds where a test would only wait for them.
"""

import copy
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from autoscaler.decision.model import Record
from autoscaler.resource.scaler import ROUTED
from tests.cluster import access, hpa, stack, steering, waiting

NAME = hpa.NAME
#: What the example scales on.
METRICS = ("DCGM_FI_DEV_GPU_UTIL", "inference_queue_size")

#: The example's windows, cut to seconds: both directions at once, two pods a second up, any number down.
AT_ONCE = {
    "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 4, "periodSeconds": 1}]},
    "scaleDown": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 10, "periodSeconds": 1}]},
}

Changes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scaled:
    """A target, the scaler of the same name, and the pods behind both, in one namespace."""

    world: steering.World
    namespace: str
    resource: str = "deployment"

    @property
    def key(self) -> str:
        """Return how the scaler is called in logs and records."""
        return f"{self.namespace}/{NAME}"

    def pin(self, *, gpu_util: float = 60.0, waiting: float = 8.0) -> None:
        """Show these values for each pod: per cent, and requests. As they stand, 60 of 70 and 8 of 10 ask for no change."""
        self.world.fleet.pin(namespace=self.namespace, gpu_util=gpu_util, waiting=waiting)

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return what ``kubectl get ARGUMENTS`` shows in the namespace."""
        return self.world.cluster.get(*arguments, f"--namespace={self.namespace}")

    def kubectl(self, *arguments: str) -> str:
        """Return what ``kubectl ARGUMENTS`` prints in the namespace."""
        return self.world.cluster.kubectl(*arguments, f"--namespace={self.namespace}")

    def replicas(self) -> int:
        """Return how many replicas the target is to have."""
        return int(self.get(self.resource, NAME)["spec"]["replicas"])

    def status(self) -> dict[str, Any]:
        """Return the scaler's status; empty while it has none."""
        status: dict[str, Any] = self.get("inferencescaler", NAME).get("status") or {}
        return status

    def condition(self, kind: str) -> dict[str, Any]:
        """Return the scaler's condition of type *kind*; empty while it has none."""
        return access.condition({"status": self.status()}, kind) or {}

    def events(self) -> dict[str, str]:
        """Return the newest message of the scaler's events by their reason."""
        about = "--field-selector=involvedObject.kind=InferenceScaler"
        found = sorted(self.get("events", about)["items"], key=lambda event: event["lastTimestamp"])
        return {event["reason"]: event["message"] for event in found}

    def pods(self) -> dict[str, dict[str, Any]]:
        """Return the target's pods by name, those left out that are asked to terminate."""
        items = self.get("pods", f"--selector={hpa.SELECTOR}")["items"]
        return {item["metadata"]["name"]: item for item in items if "deletionTimestamp" not in item["metadata"]}

    def ready(self) -> set[str]:
        """Return the names of the pods that are ready."""
        return {name for name, pod in self.pods().items() if access.is_true(pod, "Ready")}

    def held(self) -> set[str]:
        """Return the names of the pods that the label keeps from requests."""
        return {name for name, pod in self.pods().items() if pod["metadata"]["labels"].get(ROUTED) == "false"}

    def routed(self) -> set[str]:
        """Return the names of the pods that get requests: the Service's ready endpoints."""
        slices = self.get("endpointslices", f"--selector=kubernetes.io/service-name={NAME}")["items"]
        endpoints = [endpoint for each in slices for endpoint in each["endpoints"] or ()]
        return {endpoint["targetRef"]["name"] for endpoint in endpoints if endpoint["conditions"]["ready"]}

    def decisions(self) -> list[Record]:
        """Return every decision about it, of all controllers, in the order of time."""
        return self.world.decisions(self.key)

    def apply(self, spec: Changes) -> None:
        """Create or change the scaler: the example, in Auto, with *spec*'s members in place of its own."""
        self.world.cluster.apply(scaler(self.namespace, spec))

    def until_replicas(self, count: int, *, deadline_s: float = 30.0) -> None:
        """Return once the target is to have *count* replicas."""

        def there() -> bool:
            found = self.replicas()
            assert found == count, f"{found} replicas; {self.status().get('message')}"
            return True

        waiting.until(there, what=f"{self.key} has {count} replicas", deadline_s=deadline_s)

    def until_ready(self, count: int, *, deadline_s: float = 60.0) -> None:
        """Return once exactly *count* pods are there and ready."""
        waiting.until(lambda: len(self.pods()) == len(self.ready()) == count, what=f"{count} pods are ready", deadline_s=deadline_s)

    def until_status(self, *, deadline_s: float = 30.0, **wanted: object) -> dict[str, Any]:
        """Return the scaler's status once it has the *wanted* members."""

        def told() -> dict[str, Any]:
            status = self.status()
            found = {name: status.get(name) for name in wanted}
            assert found == wanted, f"{found}; {status.get('message')}"
            return status

        return waiting.until(told, what=f"the status of {self.key} says {wanted}", deadline_s=deadline_s)

    def until_condition(
        self, kind: str, status: str, *, reason: str = "", says: str = "", deadline_s: float = 30.0
    ) -> dict[str, Any]:
        """Return the condition of type *kind* once it has *status*, for *reason* if one is given, and *says* so in its message."""

        def told() -> dict[str, Any]:
            found = self.condition(kind)
            assert found.get("status") == status, found
            assert reason in ("", found["reason"]), found
            assert says in found["message"], found
            return found

        return waiting.until(told, what=f"{kind} of {self.key} is {status}", deadline_s=deadline_s)


def start(
    world: steering.World,
    namespace: str,
    *,
    replicas: int,
    gpu_util: float = 60.0,
    startup_s: float = 0.5,
    spec: Changes | None = None,
) -> Scaled:
    """Bring the example's Deployment and Service to *replicas* ready pods that report *gpu_util*, without a scaler yet.

    Pods take *startup_s* to load. *spec* is merged into the Deployment's own.
    """
    found = Scaled(world, namespace)
    found.pin(gpu_util=gpu_util)
    world.cluster.apply(*workload(namespace, replicas=replicas, startup_s=startup_s, spec=spec))
    found.until_ready(replicas)
    until_reported(found)
    return found


def until_reported(scaled: Scaled) -> None:
    """Return once every ready pod that gets requests has both of its values, read through the API server."""

    def reported() -> bool:
        values = scaled.world.adapter.values
        return all(scaled.ready() <= values(scaled.namespace, metric).keys() for metric in METRICS)

    waiting.until(reported, what=f"{' and '.join(METRICS)} of every pod in {scaled.namespace} are served")


def workload(
    namespace: str, *, replicas: int, startup_s: float = 0.5, spec: Changes | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the example's Deployment, with *spec* merged into its own, and its Service."""
    deployment, service = (example(namespace, "vllm-qwen.yaml", kind) for kind in ("Deployment", "Service"))
    annotations = {"sandbox.leadtime.dev/startup-seconds": f"{startup_s:g}"}
    ours = {"replicas": replicas, "template": {"metadata": {"annotations": annotations}}}
    # Simulated pods are reached on loopback, which is no address for an EndpointSlice; their other address is.
    family = {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]}
    return merged(deployment, {"spec": merged(ours, spec or {})}), merged(service, {"spec": family})


def scaler(namespace: str, spec: Changes) -> dict[str, Any]:
    """Return the example's scaler in Auto, with the members of *spec* in place of its own; None takes one out."""
    found = example(namespace, "scaler.yaml", "InferenceScaler")
    members = {**found["spec"], "mode": "Auto", **spec}
    return {**found, "spec": {name: value for name, value in members.items() if value is not None}}


def example(namespace: str, file: str, kind: str) -> dict[str, Any]:
    """Return the document of *kind* in a file of ``manifests/examples``, moved to *namespace*."""
    found = copy.deepcopy(next(each for each in _documents(file) if each["kind"] == kind))
    found["metadata"]["namespace"] = namespace
    return found


@functools.cache
def _documents(file: str) -> tuple[dict[str, Any], ...]:
    return tuple(yaml.safe_load_all((stack.MANIFESTS / "examples" / file).read_text()))


def stateful(deployment: Mapping[str, Any]) -> dict[str, Any]:
    """Return a StatefulSet of the same pods as *deployment*."""
    own = {"serviceName": NAME, "podManagementPolicy": "Parallel"}
    return merged(deployment, {"kind": "StatefulSet", "spec": own})


def merged(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return *document* with *changes* merged into it, mapping by mapping; None takes a member out."""
    found = dict(document)
    for name, value in changes.items():
        before = found.get(name)
        found[name] = merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return {name: value for name, value in found.items() if value is not None}
