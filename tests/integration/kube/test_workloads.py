from typing import Any

import pytest

from adapter import selector
from adapter.kube.client import Kube
from adapter.kube.watch import Pacing
from adapter.kube.workloads import Workloads, is_shared
from adapter.metric import ObjectRef
from adapter.workload import Inventory, Pod
from tests.integration.kube.fake_apiserver import FakeApiServer, Object
from tests.integration.kube.waiting import eventually, running

PODS, REPLICASETS, NODES = "/api/v1/pods", "/apis/apps/v1/replicasets", "/api/v1/nodes"


def controlled_by(kind: str, name: str, api_version: str = "apps/v1") -> list[Object]:
    bystander = {"apiVersion": "v1", "kind": "ConfigMap", "name": "not-me", "uid": "0"}
    return [bystander, {"apiVersion": api_version, "kind": kind, "name": name, "uid": "1", "controller": True}]


def a_pod(name: str, namespace: str = "shop", *, phase: str = "Running", **metadata: Any) -> Object:
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", **metadata},
        "spec": {"containers": [{"name": "main"}]},
        "status": {"phase": phase},
    }


def a_replicaset(name: str, owner: str, namespace: str = "shop") -> Object:
    metadata = {"name": name, "namespace": namespace, "ownerReferences": controlled_by("Deployment", owner)}
    return {"metadata": metadata, "spec": {"replicas": 1}}


def a_node(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": {f"nvidia.com/gpu.{key}": value for key, value in labels.items()}}}


@pytest.fixture
def inventory() -> Inventory:
    return Inventory()


@pytest.fixture
def workloads(kube: Kube, inventory: Inventory, quick: Pacing) -> Workloads:
    return Workloads(kube=kube, inventory=inventory, pacing=quick)


def names(inventory: Inventory) -> list[str]:
    return sorted(pod.name for pod in inventory.pods())


async def test_all_that_a_reader_needs_of_a_pod_is_kept(server: FakeApiServer, workloads: Workloads, inventory: Inventory) -> None:
    pod = a_pod("web-0", labels={"app": "web"}, ownerReferences=controlled_by("ReplicaSet", "web-abc"))
    pod["spec"] = {
        "nodeName": "gpu-1",
        "containers": [
            {"name": "vllm", "ports": [{"name": "http", "containerPort": 8000}, {"containerPort": 9000}]},
            {"name": "log"},
        ],
        "initContainers": [
            {"name": "fetch", "ports": [{"containerPort": 1}]},
            {"name": "proxy", "restartPolicy": "Always", "ports": [{"name": "proxy", "containerPort": 8080}]},
        ],
    }
    pod["status"] = {
        "phase": "Running",
        "podIP": "10.0.0.7",
        "conditions": [{"type": "Initialized", "status": "False"}, {"type": "Ready", "status": "True"}],
    }
    server.put(PODS, pod)
    server.put(REPLICASETS, a_replicaset("web-abc", "web"))

    async with running(workloads.run()):
        await eventually(lambda: inventory.synced)

    (kept,) = inventory.select("shop", selector.parse("app=web"))
    assert kept == Pod(
        namespace="shop",
        name="web-0",
        uid="uid-web-0",
        labels={"app": "web"},
        ready=True,
        node="gpu-1",
        ip="10.0.0.7",
        ports=(("http", 8000), ("", 9000), ("proxy", 8080)),
        owner=kept.owner,
    )
    assert inventory.workload(kept) == ObjectRef("deployments.apps", "shop", "web")


async def test_a_pod_with_nothing_but_a_name_is_a_pod(server: FakeApiServer, workloads: Workloads, inventory: Inventory) -> None:
    server.put(PODS, {"metadata": {"name": "bare", "namespace": "shop"}})

    async with running(workloads.run()):
        await eventually(lambda: inventory.synced)

    bare = inventory.pod("shop", "bare")
    assert bare == Pod(namespace="shop", name="bare", uid="", labels={})
    assert inventory.workload(bare) is None


async def test_a_pod_leaves_when_it_is_asked_to_terminate_and_not_when_it_is_gone(
    server: FakeApiServer, workloads: Workloads, inventory: Inventory
) -> None:
    server.put(PODS, a_pod("stays"))
    server.put(PODS, a_pod("leaves"))
    server.put(PODS, a_pod("has-left", deletionTimestamp="2026-01-01T00:00:00Z"))

    async with running(workloads.run()):
        await eventually(lambda: inventory.synced)
        assert names(inventory) == ["leaves", "stays"]

        server.put(PODS, a_pod("leaves", deletionTimestamp="2026-01-01T00:00:00Z"))
        await eventually(lambda: names(inventory) == ["stays"])


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
async def test_a_pod_that_has_ended_is_gone_though_its_object_stays(
    server: FakeApiServer, workloads: Workloads, inventory: Inventory, phase: str
) -> None:
    server.put(PODS, a_pod("long-over", phase=phase))
    server.put(PODS, a_pod("ends"))

    async with running(workloads.run()):
        await eventually(lambda: inventory.synced)
        assert names(inventory) == ["ends"]

        server.put(PODS, a_pod("ends", phase=phase))
        await eventually(lambda: not names(inventory))


async def test_the_end_of_an_old_pod_does_not_take_its_namesake_along(
    server: FakeApiServer, workloads: Workloads, inventory: Inventory
) -> None:
    server.put(PODS, a_pod("db-0", deletionTimestamp="2026-01-01T00:00:00Z"))

    async with running(workloads.run()):
        await eventually(lambda: server.watchers == 3)
        server.put(PODS, {**a_pod("db-0"), "metadata": {"name": "db-0", "namespace": "shop", "uid": "second"}})
        await eventually(lambda: names(inventory) == ["db-0"])
        last_words = a_pod("db-0")
        last_words["metadata"]["resourceVersion"] = str(server.version)
        server.send({"type": "DELETED", "object": last_words})
        server.put(PODS, a_pod("after"))
        await eventually(lambda: "after" in names(inventory))

    assert names(inventory) == ["after", "db-0"]


async def test_pods_that_vanished_during_an_outage_are_gone_after_it(
    server: FakeApiServer, workloads: Workloads, inventory: Inventory
) -> None:
    server.put(PODS, a_pod("vanishes"))
    server.put(REPLICASETS, a_replicaset("web-abc", "web"))
    server.put(NODES, a_node("gpu-1", replicas="4"))
    orphan = a_pod("stays", ownerReferences=controlled_by("ReplicaSet", "web-abc"))
    server.put(PODS, orphan)

    async with running(workloads.run()):
        await eventually(lambda: server.watchers == 3)
        server.drop_watches()
        server.delete(PODS, "vanishes", "shop")
        server.delete(REPLICASETS, "web-abc", "shop")
        server.delete(NODES, "gpu-1")
        server.compact()
        await eventually(lambda: names(inventory) == ["stays"])
        stays = inventory.pod("shop", "stays")
        assert stays is not None
        await eventually(lambda: inventory.workload(stays) == ObjectRef("replicasets.apps", "shop", "web-abc"))
        await eventually(lambda: not inventory.shared_nodes())


async def test_namespaces_narrow_what_is_watched_and_do_not_disturb_each_other(
    server: FakeApiServer, kube: Kube, inventory: Inventory, quick: Pacing
) -> None:
    for namespace in ("a", "b", "c"):
        server.put(PODS, a_pod(f"in-{namespace}", namespace))
    workloads = Workloads(kube=kube, inventory=inventory, namespaces=("a", "b"), nodes=False, pacing=quick)

    async with running(workloads.run()):
        await eventually(lambda: inventory.synced)

    assert names(inventory) == ["in-a", "in-b"]
    assert set(workloads.health) == {"pods in a", "replicasets in a", "pods in b", "replicasets in b"}
    assert not [seen for seen in server.seen if seen.path in (PODS, NODES)]


async def test_owners_that_may_not_be_read_do_not_keep_pods_waiting(
    server: FakeApiServer, kube: Kube, inventory: Inventory, quick: Pacing
) -> None:
    server.put(PODS, a_pod("web-0"))
    server.forbidden = {REPLICASETS, NODES}
    workloads = Workloads(kube=kube, inventory=inventory, pacing=quick)

    async with running(workloads.run()):
        await eventually(lambda: inventory.synced)

    assert names(inventory) == ["web-0"]
    assert "403" in workloads.health["nodes"].last_error


async def test_pods_that_may_not_be_read_keep_the_inventory_from_counting_as_synced(
    server: FakeApiServer, workloads: Workloads, inventory: Inventory
) -> None:
    server.forbidden = {PODS}

    async with running(workloads.run()):
        await eventually(lambda: workloads.health and workloads.health["pods"].restarts > 2)
        assert not inventory.synced

        server.forbidden = set()
        await eventually(lambda: inventory.synced)


async def test_a_node_is_shared_as_long_as_its_labels_say_so(
    server: FakeApiServer, workloads: Workloads, inventory: Inventory
) -> None:
    server.put(NODES, a_node("gpu-1", **{"sharing-strategy": "time-slicing"}))
    server.put(NODES, a_node("gpu-2"))

    async with running(workloads.run()):
        await eventually(lambda: inventory.synced)
        assert inventory.shared_nodes() == {"gpu-1"}

        server.put(NODES, a_node("gpu-1", **{"sharing-strategy": "none"}))
        await eventually(lambda: not inventory.shared_nodes())


@pytest.mark.parametrize(
    ("labels", "shared"),
    [
        ({}, False),
        ({"nvidia.com/gpu.sharing-strategy": "none", "nvidia.com/gpu.replicas": "1"}, False),
        ({"nvidia.com/gpu.sharing-strategy": "mps"}, True),
        ({"nvidia.com/gpu.sharing-strategy": "time-slicing"}, True),
        ({"nvidia.com/gpu.replicas": "4"}, True),
        ({"nvidia.com/gpu.replicas": "many"}, False),
    ],
)
def test_sharing_is_read_from_what_feature_discovery_writes(labels: dict[str, str], shared: bool) -> None:
    assert is_shared(labels) is shared


async def test_only_metadata_of_replicasets_and_nodes_travels(
    server: FakeApiServer, workloads: Workloads, inventory: Inventory
) -> None:
    async with running(workloads.run()):
        await eventually(lambda: server.watchers == 3)

    for path in (REPLICASETS, NODES):
        (listed,), (watched,) = server.asked(path, watch=False), server.asked(path, watch=True)
        assert "as=PartialObjectMetadataList;" in listed.headers["Accept"]
        assert "as=PartialObjectMetadata;" in watched.headers["Accept"]
