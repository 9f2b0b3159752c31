"""Feed `workload.Inventory` from the API server: pods, what owns their ReplicaSets, and which nodes share their GPUs.

Pods come whole, for their phase, address and ports are needed; of the rest only metadata travels. A pod leaves the inventory
the moment it is asked to terminate, which is when Kubernetes stops sending it requests, and not when it is gone.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from adapter.kube import watch
from adapter.kube.watch import Health, Pacing, Reads, Reflector
from adapter.workload import Inventory, Owner, Pod

_LIVE = "status.phase!=Failed,status.phase!=Succeeded"
_SHARING = "nvidia.com/gpu.sharing-strategy"
_REPLICAS = "nvidia.com/gpu.replicas"


class _OwnerReference(msgspec.Struct, gc=False, rename="camel"):
    api_version: str
    kind: str
    name: str
    controller: bool = False


class _Metadata(msgspec.Struct, gc=False, rename="camel"):
    name: str
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] | None = None
    deletion_timestamp: str | None = None
    owner_references: list[_OwnerReference] | None = None


class _Port(msgspec.Struct, gc=False, rename="camel"):
    container_port: int
    name: str = ""


class _Container(msgspec.Struct, gc=False, rename="camel"):
    ports: list[_Port] | None = None
    restart_policy: str = ""


class _Spec(msgspec.Struct, gc=False, rename="camel"):
    node_name: str = ""
    containers: list[_Container] | None = None
    init_containers: list[_Container] | None = None


class _Condition(msgspec.Struct, gc=False):
    type: str
    status: str


class _PodStatus(msgspec.Struct, gc=False):
    phase: str = ""
    pod_ip: str = msgspec.field(name="podIP", default="")
    conditions: list[_Condition] | None = None


class _Pod(msgspec.Struct, gc=False):
    metadata: _Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _PodStatus = msgspec.field(default_factory=_PodStatus)


class _Partial(msgspec.Struct, gc=False):
    metadata: _Metadata


_POD = msgspec.json.Decoder(_Pod)
_PARTIAL = msgspec.json.Decoder(_Partial)


@dataclass(slots=True, kw_only=True)
class Workloads:
    """The watches that keep one inventory true. `run` sets ``inventory.synced`` once, and ends only when cancelled.

    *namespaces* narrows pods and ReplicaSets to a list; without it every namespace is watched. Without *nodes* no node is
    read, and no GPU is known to be shared.
    """

    kube: Reads
    inventory: Inventory
    namespaces: tuple[str, ...] = ()
    nodes: bool = True
    pacing: Pacing = field(default_factory=Pacing)
    health: dict[str, Health] = field(default_factory=dict, init=False)  # by what is watched: `pods`, `pods in team-a`, …

    async def run(self) -> None:
        """Watch everything until cancelled."""
        pods: list[Health] = []
        async with asyncio.TaskGroup() as tasks:
            for namespace in self.namespaces or ("",):
                pods.append(self._start(tasks, "pods", namespace, self._pods(namespace)))
                self._start(tasks, "replicasets", namespace, self._replicasets(namespace))
            if self.nodes:
                self._start(tasks, "nodes", "", self._nodes())
            # Owners that may not be read must not keep pods waiting, but a pod of a workload that is not known yet would pass
            # for a pod of its ReplicaSet: so each has had its chance before the inventory counts as synced.
            for health in self.health.values():
                await health.tried.wait()
            for health in pods:
                await health.listed.wait()
            self.inventory.synced = True

    def _start(
        self, tasks: asyncio.TaskGroup, what: str, namespace: str, reflector: Reflector[_Pod] | Reflector[_Partial]
    ) -> Health:
        name = f"{what} in {namespace}" if namespace else what
        self.health[name] = reflector.health
        tasks.create_task(reflector.run(), name=f"watch {name}")
        return reflector.health

    def _pods(self, namespace: str) -> Reflector[_Pod]:
        inventory = self.inventory

        def put(raw: _Pod) -> None:
            if _is_live(raw):
                inventory.put(pod(raw))
            else:
                inventory.remove(raw.metadata.namespace, raw.metadata.name, raw.metadata.uid)

        def replace(found: list[_Pod]) -> None:
            live = {(raw.metadata.namespace, raw.metadata.name): pod(raw) for raw in found if _is_live(raw)}
            for known in list(inventory.pods()):
                if namespace in ("", known.namespace) and (known.namespace, known.name) not in live:
                    inventory.remove(known.namespace, known.name)
            for each in live.values():
                inventory.put(each)

        return Reflector(
            kube=self.kube,
            path=_path("/api/v1", namespace, "pods"),
            decode=_POD.decode,
            on_replace=replace,
            on_put=put,
            on_remove=lambda raw: inventory.remove(raw.metadata.namespace, raw.metadata.name, raw.metadata.uid),
            field_selector=_LIVE,
            pacing=self.pacing,
        )

    def _replicasets(self, namespace: str) -> Reflector[_Partial]:
        def put(metadata: _Metadata) -> None:
            self.inventory.put_owner(metadata.namespace, "ReplicaSet", metadata.name, _controller(metadata))

        def forget(key: tuple[str, str]) -> None:
            self.inventory.put_owner(key[0], "ReplicaSet", key[1], None)

        return self._metadata_of(_path("/apis/apps/v1", namespace, "replicasets"), put, forget)

    def _nodes(self) -> Reflector[_Partial]:
        def put(metadata: _Metadata) -> None:
            self.inventory.set_node_shared(metadata.name, shared=is_shared(metadata.labels or {}))

        def forget(key: tuple[str, str]) -> None:
            self.inventory.set_node_shared(key[1], shared=False)

        return self._metadata_of("/api/v1/nodes", put, forget)

    def _metadata_of(
        self, path: str, put: Callable[[_Metadata], None], forget: Callable[[tuple[str, str]], None]
    ) -> Reflector[_Partial]:
        """Return a watch of metadata alone that tells *forget* what a relist no longer has."""
        known: set[tuple[str, str]] = set()

        def on_put(partial: _Partial) -> None:
            known.add((partial.metadata.namespace, partial.metadata.name))
            put(partial.metadata)

        def on_remove(partial: _Partial) -> None:
            key = (partial.metadata.namespace, partial.metadata.name)
            known.discard(key)
            forget(key)

        def on_replace(found: list[_Partial]) -> None:
            for key in known - {(partial.metadata.namespace, partial.metadata.name) for partial in found}:
                forget(key)
            known.clear()
            for partial in found:
                on_put(partial)

        return Reflector(
            kube=self.kube,
            path=path,
            decode=_PARTIAL.decode,
            on_replace=on_replace,
            on_put=on_put,
            on_remove=on_remove,
            list_accept=watch.METADATA_LIST,
            watch_accept=watch.METADATA,
            pacing=self.pacing,
        )


def pod(raw: _Pod) -> Pod:
    """Return what the inventory keeps of a pod as the API server sent it."""
    # A sidecar is an init container that stays, and llm-d's routing proxy, which owns the serving port, is one.
    containers = [*(raw.spec.containers or ()), *(c for c in raw.spec.init_containers or () if c.restart_policy == "Always")]
    return Pod(
        namespace=raw.metadata.namespace,
        name=raw.metadata.name,
        uid=raw.metadata.uid,
        labels=raw.metadata.labels or {},
        ready=any(each.type == "Ready" and each.status == "True" for each in raw.status.conditions or ()),
        node=raw.spec.node_name,
        ip=raw.status.pod_ip,
        ports=tuple((port.name, port.container_port) for container in containers for port in container.ports or ()),
        owner=_controller(raw.metadata),
    )


def is_shared(labels: Mapping[str, str]) -> bool:
    """Return whether a node's labels, as GPU feature discovery writes them, say that pods share its GPUs."""
    replicas = labels.get(_REPLICAS, "")
    return labels.get(_SHARING) in ("time-slicing", "mps") or (replicas.isascii() and replicas.isdigit() and int(replicas) > 1)


def _is_live(raw: _Pod) -> bool:
    return raw.metadata.deletion_timestamp is None and raw.status.phase not in ("Failed", "Succeeded")


def _controller(metadata: _Metadata) -> Owner | None:
    for reference in metadata.owner_references or ():
        if reference.controller:
            return Owner(reference.api_version, reference.kind, reference.name)
    return None


def _path(root: str, namespace: str, plural: str) -> str:
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"
