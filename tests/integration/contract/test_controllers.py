"""What a control plane does by itself: workloads, scheduling, readiness, endpoints and garbage."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.cluster import waiting
from tests.integration.contract.client import STRATEGIC, Api
from tests.integration.contract.documents import apps, configmap, core, deployment, pod

GATE = "leadtime.dev/warm"
COST = "controller.kubernetes.io/pod-deletion-cost"
SLICES = "/apis/discovery.k8s.io/v1/namespaces"

Pods = list[dict[str, Any]]


def is_true(document: dict[str, Any], kind: str) -> bool:
    return any(each["type"] == kind and each["status"] == "True" for each in document["status"].get("conditions", ()))


async def pods_of(api: Api, namespace: str, app: str) -> Pods:
    """Return the live pods of *app*."""
    found = (await api.get(core(namespace, "pods"), labelSelector=f"app={app}")).document["items"]
    return [each for each in found if "deletionTimestamp" not in each["metadata"]]


async def ready_pods(api: Api, namespace: str, app: str, count: int) -> Pods:
    """Wait for exactly *count* live pods of *app*, all Ready, and return them."""
    found: Pods = []

    async def check() -> bool:
        found[:] = await pods_of(api, namespace, app)
        return len(found) == count and all(is_true(each, "Ready") for each in found)

    await waiting.eventually(check, what=f"{count} ready pods of {app}")
    return found


async def deployed(api: Api, namespace: str, name: str, **options: Any) -> str:
    """Create a Deployment and return its path."""
    await api.created(apps(namespace, "deployments"), deployment(name, **options))
    return apps(namespace, "deployments", name)


async def gone(api: Api, path: str) -> None:
    async def check() -> bool:
        return (await api.get(path)).status == 404

    await waiting.eventually(check, what=f"{path} is gone")


async def test_a_deployment_becomes_ready_pods_that_it_owns_through_a_replica_set(api: Api, namespace: str) -> None:
    path = await deployed(api, namespace, "web", replicas=2)

    pods = await ready_pods(api, namespace, "web", 2)

    sets = (await api.get(apps(namespace, "replicasets"), labelSelector="app=web")).document["items"]
    assert len(sets) == 1
    (owner,) = sets[0]["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("Deployment", "web", True)
    for each in pods:
        (owner,) = each["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("ReplicaSet", sets[0]["metadata"]["name"])
        assert each["metadata"]["labels"]["pod-template-hash"]
        assert each["status"]["phase"] == "Running"
        assert each["status"]["podIP"]
        assert each["spec"]["nodeName"]
    assert len({each["status"]["podIP"] for each in pods}) == 2

    async def reported() -> bool:
        status = (await api.get(path)).document["status"]
        return (status.get("readyReplicas"), status.get("availableReplicas"), status["observedGeneration"]) == (2, 2, 1)

    await waiting.eventually(reported, what="the Deployment reports its ready pods")
    assert (await api.get(f"{path}/scale")).document["status"] == {"replicas": 2, "selector": "app=web"}


async def test_a_deployment_follows_its_scale_up_and_down(api: Api, namespace: str) -> None:
    path = await deployed(api, namespace, "web", replicas=1)
    await ready_pods(api, namespace, "web", 1)

    await api.patch(f"{path}/scale", {"spec": {"replicas": 3}})
    await ready_pods(api, namespace, "web", 3)
    await api.patch(f"{path}/scale", {"spec": {"replicas": 0}})

    await ready_pods(api, namespace, "web", 0)


async def test_the_pods_that_cost_least_to_delete_go_first(api: Api, namespace: str) -> None:
    path = await deployed(api, namespace, "web", replicas=3)
    pods = await ready_pods(api, namespace, "web", 3)
    cheap, dear, *_ = (each["metadata"]["name"] for each in pods)
    for name, cost in ((cheap, "-10"), (dear, "100")):
        await api.patch(core(namespace, "pods", name), {"metadata": {"annotations": {COST: cost}}})

    await api.patch(f"{path}/scale", {"spec": {"replicas": 2}})
    left = {each["metadata"]["name"] for each in await ready_pods(api, namespace, "web", 2)}
    await api.patch(f"{path}/scale", {"spec": {"replicas": 1}})
    last = {each["metadata"]["name"] for each in await ready_pods(api, namespace, "web", 1)}

    assert cheap not in left
    assert last == {dear}


async def test_pods_that_are_not_ready_go_before_any_that_is(api: Api, namespace: str) -> None:
    path = await deployed(api, namespace, "web", replicas=2, gate=GATE)

    async def running() -> bool:
        found = await pods_of(api, namespace, "web")
        return len(found) == 2 and all(is_true(each, "ContainersReady") for each in found)

    await waiting.eventually(running, what="both pods wait at their gate")
    warm, cold = (each["metadata"]["name"] for each in await pods_of(api, namespace, "web"))
    opened = {"status": {"conditions": [{"type": GATE, "status": "True"}]}}
    await api.patch(core(namespace, "pods", warm, "status"), opened, STRATEGIC)
    await api.patch(core(namespace, "pods", cold), {"metadata": {"annotations": {COST: "1000"}}})

    async def warmed() -> bool:
        return is_true((await api.get(core(namespace, "pods", warm))).document, "Ready")

    await waiting.eventually(warmed, what="the warm pod is ready")
    await api.patch(f"{path}/scale", {"spec": {"replicas": 1}})

    assert [each["metadata"]["name"] for each in await ready_pods(api, namespace, "web", 1)] == [warm]


async def test_a_pod_is_not_ready_before_its_gate_opens(api: Api, namespace: str) -> None:
    path = core(namespace, "pods", "gated")
    await api.created(core(namespace, "pods"), pod("gated", gate=GATE))

    async def started() -> bool:
        return is_true((await api.get(path)).document, "ContainersReady")

    await waiting.eventually(started, what="the containers are ready")
    before = (await api.get(path)).document
    opened = {"status": {"conditions": [{"type": GATE, "status": "True"}]}}
    await api.patch(f"{path}/status", opened, STRATEGIC)

    async def ready() -> bool:
        return is_true((await api.get(path)).document, "Ready")

    await waiting.eventually(ready, what="the pod is ready")
    assert not is_true(before, "Ready")


async def test_pods_that_need_more_gpus_than_a_node_has_stay_pending_and_say_why(api: Api, namespace: str) -> None:
    path = core(namespace, "pods", "huge")
    await api.created(core(namespace, "pods"), pod("huge", gpus=1000))

    async def refused() -> dict[str, Any] | None:
        conditions = (await api.get(path)).document["status"].get("conditions", ())
        return next((each for each in conditions if each["type"] == "PodScheduled"), None)

    said = await waiting.eventually(refused, what="the scheduler has refused the pod")
    read = (await api.get(path)).document
    assert (said["status"], said["reason"]) == ("False", "Unschedulable")
    assert "Insufficient nvidia.com/gpu" in said["message"]
    assert read["status"]["phase"] == "Pending"
    assert "nodeName" not in read["spec"]


async def test_pods_with_gpus_fill_their_nodes_and_not_more(api: Api, namespace: str) -> None:
    nodes = (await api.get("/api/v1/nodes")).document["items"]
    room = sum(int(each["status"]["allocatable"].get("nvidia.com/gpu", 0)) // 5 for each in nodes)
    await deployed(api, namespace, "big", replicas=room + 1, gpus=5)

    async def placed() -> bool:
        found = await pods_of(api, namespace, "big")
        refused = [each for each in found if any(c.get("reason") == "Unschedulable" for c in each["status"].get("conditions", ()))]
        return sum(is_true(each, "Ready") for each in found) == room and len(refused) == 1

    await waiting.eventually(placed, what=f"{room} pods run and one waits")


async def test_a_service_without_pods_has_a_slice_without_endpoints(api: Api, namespace: str) -> None:
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "nobody"}, "ports": [{"port": 80}]}}
    made = await api.created(core(namespace, "services"), service)
    found: Pods = []

    async def listed() -> bool:
        selector = "kubernetes.io/service-name=web"
        found[:] = (await api.get(f"{SLICES}/{namespace}/endpointslices", labelSelector=selector)).document["items"]
        return bool(found)

    await waiting.eventually(listed, what="the service has a slice")
    (part,) = found
    assert made["spec"]["clusterIP"].startswith("10.")
    assert made["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert part["endpoints"] is None  # null, not an empty list: Go's empty slice
    assert part["addressType"] == "IPv4"
    assert part["metadata"]["ownerReferences"][0]["name"] == "web"


async def test_a_pod_on_a_node_ends_after_a_grace(api: Api, namespace: str) -> None:
    path = core(namespace, "pods", "a")
    since = (await api.get(core(namespace, "pods"))).metadata["resourceVersion"]
    await api.created(core(namespace, "pods"), pod("a"))

    async def ready() -> bool:
        return is_true((await api.get(path)).document, "Ready")

    await waiting.eventually(ready, what="the pod is ready")
    answer = await api.delete(path)

    assert answer.document["kind"] == "Pod"
    assert answer.metadata["deletionGracePeriodSeconds"] == 30
    await gone(api, path)
    async with api.watch(core(namespace, "pods"), resourceVersion=since) as events:
        seen = [await events.next()]
        while seen[-1]["type"] != "DELETED":
            seen.append(await events.next())
    assert "deletionTimestamp" in seen[-2]["object"]["metadata"]  # it was seen to be ending before it was gone


async def test_a_deleted_deployment_takes_its_sets_and_pods_along(api: Api, namespace: str) -> None:
    path = await deployed(api, namespace, "web", replicas=1)
    (found,) = await ready_pods(api, namespace, "web", 1)

    await api.delete(path)

    await gone(api, core(namespace, "pods", found["metadata"]["name"]))
    assert (await api.get(apps(namespace, "replicasets"), labelSelector="app=web")).names == []


async def test_orphans_are_kept_and_lose_their_owner(api: Api, namespace: str) -> None:
    path = await deployed(api, namespace, "web", replicas=1)
    await ready_pods(api, namespace, "web", 1)

    await api.delete(path, {"propagationPolicy": "Orphan"})
    await gone(api, path)

    (kept,) = (await api.get(apps(namespace, "replicasets"), labelSelector="app=web")).document["items"]
    assert "ownerReferences" not in kept["metadata"]


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_what_only_the_dead_own_is_collected(api: Api, namespace: str, policy: str) -> None:
    path = core(namespace, "configmaps")
    owner = await api.created(path, configmap("owner"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    body = configmap("dependent")
    body["metadata"]["ownerReferences"] = [{**reference, "blockOwnerDeletion": True}]
    await api.created(path, body)

    await api.delete(f"{path}/owner", {"propagationPolicy": policy})

    await gone(api, f"{path}/dependent")
    await gone(api, f"{path}/owner")


async def test_a_new_template_replaces_every_pod(api: Api, namespace: str) -> None:
    path = await deployed(api, namespace, "web", replicas=2)
    before = {each["metadata"]["name"] for each in await ready_pods(api, namespace, "web", 2)}

    container = {"name": "server", "image": "vllm:2"}
    await api.patch(path, {"spec": {"template": {"spec": {"containers": [container]}}}}, STRATEGIC)

    async def replaced() -> bool:
        found = await pods_of(api, namespace, "web")
        images = {each["spec"]["containers"][0]["image"] for each in found if is_true(each, "Ready")}
        return len(found) == 2 and images == {"vllm:2"}

    check: Callable[[], Awaitable[bool]] = replaced
    await waiting.eventually(check, what="two ready pods of the new template")
    after = {each["metadata"]["name"] for each in await pods_of(api, namespace, "web")}
    assert before.isdisjoint(after)
