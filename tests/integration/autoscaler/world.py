"""A cluster in this process, an API server and metrics that misbehave as a test wants them to, and the real daemon among them.

Each target has a namespace of its own, with the Deployment ``engine``, and the scaler of the same name.
"""

import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

from adapter.errors import ApiServerError
from adapter.kube.client import Kube
from autoscaler.cluster.requests import MERGE_PATCH
from autoscaler.resource.scaler import API_VERSION, KIND, PLURAL, Key
from autoscaler.sandbox import cluster
from autoscaler.sandbox.scenery import NAMESPACE
from tests.cluster import waiting
from tests.integration.autoscaler.daemon import IDENTITY, Daemon
from tests.integration.autoscaler.front import Asked, Front
from tests.integration.autoscaler.provider import Provider, Says, each
from tests.integration.contract.documents import deployment

NAME = "engine"
QUEUE = "inference_queue_size"
#: From which age on a value counts for nothing.
STALE_S = 2
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/leadtime-autoscaler"

#: As fast as windows and rates allow: what is held here is held by what a test is about.
_AT_ONCE = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 100, "periodSeconds": 1}]}

Document = dict[str, Any]


@dataclass(slots=True)
class World:
    """Everything that runs, and the administrator's way in."""

    sandbox: cluster.Cluster
    kube: Kube
    provider: Provider
    front: Front
    daemon: Daemon
    _targets: list["Target"] = field(default_factory=list)  # that may still be steered
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def get(self, path: str) -> Document:
        """Return the object at *path*."""
        found: Document = msgspec.json.decode(await self.kube.request("GET", path))
        return found

    async def create(self, collection: str, document: Mapping[str, Any]) -> None:
        """Create an object; `ApiServerError` when it is refused."""
        await self.kube.request("POST", collection, body=dict(document))

    async def change(self, path: str, patch: Mapping[str, Any]) -> None:
        """Change an object by hand."""
        await self.kube.request("PATCH", path, body=dict(patch), content_type=MERGE_PATCH, query={"fieldManager": "somebody"})

    async def target(self, *, replicas: int = 4, deployed: bool = True) -> "Target":
        """Return a target in a namespace of its own, with as many ready pods, and without a scaler yet."""
        namespace = f"target-{next(self._numbers)}"
        await self.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        found = Target(self, namespace)
        self._targets.append(found)
        found.says(each("0"))
        if deployed:
            await found.deploy(replicas)
        return found

    async def rest(self) -> None:
        """Have no target steered any longer: what a test has left behind is not to keep the next one waiting."""
        while self._targets:
            await self.kube.request("DELETE", self._targets.pop().scalers)

    async def holder(self) -> str:
        """Return who holds the Lease."""
        try:
            return str((await self.get(LEASE))["spec"].get("holderIdentity") or "")
        except ApiServerError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return ""  # nobody has ever held it

    async def led(self, *, deadline_s: float = 30.0) -> None:
        """Return once the daemon leads."""

        async def leads() -> bool:
            return await self.holder() == IDENTITY

        await waiting.eventually(leads, what="the daemon leads", deadline_s=deadline_s)


@dataclass(frozen=True, slots=True)
class Target:
    """A Deployment, its scaler, and its metrics."""

    world: World
    namespace: str

    @property
    def key(self) -> Key:
        """Return what the scaler is called."""
        return Key(self.namespace, NAME)

    @property
    def scalers(self) -> str:
        """Return the path of the scalers in its namespace."""
        return f"/apis/{API_VERSION}/namespaces/{self.namespace}/{PLURAL}"

    @property
    def path(self) -> str:
        """Return the path of the Deployment."""
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{NAME}"

    def says(self, says: Says, metric: str = QUEUE) -> None:
        """Have the provider say something else of the pods from now on."""
        self.world.provider.says[self.namespace, metric] = says

    async def deploy(self, replicas: int) -> None:
        """Create the Deployment, and return once its pods are ready."""
        world = self.world
        await world.create(f"/apis/apps/v1/namespaces/{self.namespace}/deployments", deployment(NAME, replicas=replicas))

        async def ready() -> bool:
            found = (await world.get(self.path)).get("status", {})
            return bool(found.get("readyReplicas") == replicas)

        await waiting.eventually(ready, what=f"{replicas} pods of {self.namespace} are ready")

    async def apply(self, name: str = NAME, /, **spec: Any) -> None:
        """Create a scaler in Auto on one queue of ten a replica, with *spec*'s members in place of its own."""
        await self.world.create(self.scalers, {**_ENVELOPE, "metadata": {"name": name}, "spec": {**self.spec(), **spec}})

    async def edit(self, **spec: Any) -> None:
        """Change members of the scaler's spec; None takes one out."""
        await self.world.change(f"{self.scalers}/{NAME}", {"spec": spec})

    def spec(self) -> Document:
        """Return the spec of a scaler that is as it should be."""
        return {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
            "mode": "Auto",
            "minReplicas": 1,
            "maxReplicas": 8,
            "metrics": [pods_metric(QUEUE, "10")],
            "signals": [{"metric": QUEUE, "staleAfterSeconds": STALE_S}],
            "behavior": {"scaleUp": _AT_ONCE, "scaleDown": _AT_ONCE},
            "scaleDown": {"cooldownSeconds": 0},
        }

    async def replicas(self) -> int:
        """Return how many replicas the Deployment asks for."""
        return int((await self.world.get(self.path))["spec"]["replicas"])

    def scaled(self, *, done: bool = False) -> list[int]:
        """Return the replicas that the daemon asked for, in their order; with *done* only what was carried out."""
        return [asked.body["spec"]["replicas"] for asked in self.writes("/scale") if asked.done or not done]

    def writes(self, ending: str = "") -> list[Asked]:
        """Return what the daemon wrote in this namespace, to paths that end so."""
        return [asked for asked in self.world.front.writes(ending) if f"/namespaces/{self.namespace}/" in asked.path]

    async def conditions(self, name: str = NAME) -> dict[str, Document]:
        """Return the scaler's conditions by type."""
        status = (await self.world.get(f"{self.scalers}/{name}")).get("status") or {}
        return {condition["type"]: condition for condition in status.get("conditions") or ()}

    async def events(self, name: str = NAME) -> dict[str, Document]:
        """Return the scaler's events by reason."""
        found = (await self.world.get(f"/api/v1/namespaces/{self.namespace}/events"))["items"]
        return {event["reason"]: event for event in found if event["involvedObject"]["name"] == name}

    async def until(self, kind: str, reason: str, *, name: str = NAME, deadline_s: float = 10.0) -> Document:
        """Return the condition of type *kind* once it has the *reason*."""

        async def told() -> Document:
            found = (await self.conditions(name)).get(kind) or {}
            assert found.get("reason") == reason, found
            return found

        return await waiting.eventually(told, what=f"{kind} of {self.namespace}/{name} is {reason}", deadline_s=deadline_s)

    async def warned(self, reason: str, *, name: str = NAME) -> str:
        """Return the message of the warning with *reason*, once it is there."""

        async def told() -> Document | None:
            return (await self.events(name)).get(reason)

        event = await waiting.eventually(told, what=f"{reason} is told of {self.namespace}/{name}")
        assert event["type"] == "Warning"
        return str(event["message"])

    async def until_replicas(self, count: int, *, deadline_s: float = 10.0) -> None:
        """Return once the Deployment asks for *count* replicas."""

        async def there() -> bool:
            found = await self.replicas()
            assert found == count, found
            return True

        await waiting.eventually(there, what=f"{self.namespace} has {count} replicas", deadline_s=deadline_s)

    async def decided(self, times: int = 5) -> None:
        """Return once it has been decided on so many times more."""
        wanted = self.world.daemon.decisions(str(self.key)) + times

        async def often() -> bool:
            return self.world.daemon.decisions(str(self.key)) >= wanted

        await waiting.eventually(often, what=f"{times} more decisions on {self.key}", deadline_s=15.0)


_ENVELOPE = {"apiVersion": API_VERSION, "kind": KIND}


def pods_metric(name: str, average: str) -> Document:
    """Return an entry of ``spec.metrics``."""
    return {"type": "Pods", "pods": {"metric": {"name": name}, "target": {"type": "AverageValue", "averageValue": average}}}


def of(sandbox: cluster.Cluster) -> Provider:
    """Return a provider that knows the pods of *sandbox*."""

    def pods(namespace: str) -> list[str]:
        return [pod["metadata"]["name"] for pod in sandbox.store.objects("pods", namespace)]

    return Provider(pods=pods, clock=time.time)
