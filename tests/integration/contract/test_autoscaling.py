"""What an autoscaler rests on: preconditions of a scale, who set what, pods that are held back and let go, and events."""

import uuid
from typing import Any

import pytest

from tests.cluster import waiting
from tests.integration.contract.client import Api
from tests.integration.contract.documents import apps, core, deployment, idle_deployment
from tests.integration.contract.test_controllers import COST, deployed, ready_pods
from tests.integration.contract.test_custom_kinds import DEFINITIONS, definition

ROUTED = "leadtime.dev/routed"


def owners(document: dict[str, Any], *path: str) -> list[tuple[str, str]]:
    """Return (manager, subresource) of everyone who owns the field at *path*, such as ``f:spec``, ``f:replicas``."""
    found = []
    for entry in document["metadata"]["managedFields"]:
        place = entry["fieldsV1"]
        for key in path:
            place = place.get(key) if place is not None else None
        if place is not None:
            assert (entry["operation"], entry["fieldsType"]) == ("Update", "FieldsV1")
            # What is set through /scale has no time.
            assert ("time" in entry) == (entry.get("subresource") != "scale")
            found.append((entry["manager"], entry.get("subresource", "")))
    return found


@pytest.fixture(params=["Deployment", "StatefulSet", "Scaler"])
async def scaled(request: pytest.FixtureRequest, api: Api, namespace: str) -> str:
    """Create an object of each kind that can be scaled, which nobody but the test changes, and return its path."""
    if request.param == "Deployment":
        document, collection = idle_deployment("web"), apps(namespace, "deployments")
    elif request.param == "StatefulSet":
        document, collection = idle_deployment("web"), apps(namespace, "statefulsets")
        document |= {"kind": "StatefulSet"}
        document["spec"] |= {"serviceName": "web"}
        del document["spec"]["paused"]
    else:
        group = f"g{uuid.uuid4().hex[:8]}.example"
        await api.created(DEFINITIONS, definition(group))
        collection = f"/apis/{group}/v1alpha1/namespaces/{namespace}/scalers"
        document = {"apiVersion": f"{group}/v1alpha1", "kind": "Scaler", "metadata": {"name": "web"}}
        document["spec"] = {"target": "web", "replicas": 1}

        async def served() -> bool:
            return (await api.get(collection)).status == 200

        await waiting.eventually(served, what=f"scalers.{group} is served")
    await api.post(collection, document, fieldManager="the-user")
    return f"{collection}/web"


async def test_whoever_set_the_replicas_is_on_record_with_the_subresource(api: Api, scaled: str) -> None:
    made = (await api.get(scaled)).document

    await api.patch(f"{scaled}/scale", {"spec": {"replicas": 3}}, fieldManager="the-autoscaler")
    by_scale = (await api.get(scaled)).document
    await api.patch(scaled, {"spec": {"replicas": 4}}, fieldManager="the-user")
    by_hand = (await api.get(scaled)).document

    assert owners(made, "f:spec", "f:replicas") == [("the-user", "")]
    assert owners(by_scale, "f:spec", "f:replicas") == [("the-autoscaler", "scale")]
    assert owners(by_hand, "f:spec", "f:replicas") == [("the-user", "")]


async def test_a_write_that_leaves_the_replicas_as_they_are_takes_nothing_over(api: Api, scaled: str) -> None:
    await api.patch(f"{scaled}/scale", {"spec": {"replicas": 3}}, fieldManager="the-autoscaler")

    await api.patch(scaled, {"spec": {"replicas": 3}, "metadata": {"labels": {"l": "v"}}}, fieldManager="the-user")

    read = (await api.get(scaled)).document
    assert owners(read, "f:spec", "f:replicas") == [("the-autoscaler", "scale")]
    assert owners(read, "f:metadata", "f:labels", "f:l") == [("the-user", "")]


async def test_a_scale_is_patched_only_at_the_version_that_the_patch_names(api: Api, scaled: str) -> None:
    patch: dict[str, Any] = {"metadata": {}, "spec": {"replicas": 2}}

    async def patched() -> bool:
        # The object's controller may have written its status meanwhile.
        patch["metadata"]["resourceVersion"] = (await api.get(f"{scaled}/scale")).metadata["resourceVersion"]
        return (await api.patch(f"{scaled}/scale", patch)).status == 200

    await waiting.eventually(patched, what="a patch of the present version is taken")
    patch["spec"]["replicas"] = 5
    again = await api.patch(f"{scaled}/scale", patch)

    assert (again.status, again.reason) == (409, "Conflict")
    assert (await api.get(scaled)).document["spec"]["replicas"] == 2


async def test_a_writer_without_a_name_goes_by_its_program(api: Api, namespace: str) -> None:
    body = {"metadata": {"name": "a"}, "data": {"key": "1"}}

    made = await api.created(core(namespace, "configmaps"), body)

    # aiohttp calls itself Python/3.11 aiohttp/3.14.
    assert owners(made, "f:data", "f:key") == [("Python", "")]


async def test_a_deletion_cost_has_an_owner_of_its_own_and_none_once_it_is_gone(api: Api, namespace: str) -> None:
    await deployed(api, namespace, "web")
    ((found),) = await ready_pods(api, namespace, "web", 1)
    path = core(namespace, "pods", found["metadata"]["name"])
    key = f"f:{COST}"

    put = await api.patch(path, {"metadata": {"annotations": {COST: "-5"}}}, fieldManager="the-autoscaler")
    taken = await api.patch(path, {"metadata": {"annotations": {COST: None}}}, fieldManager="the-autoscaler")

    assert owners(put.document, "f:metadata", "f:annotations", key) == [("the-autoscaler", "")]
    assert owners(taken.document, "f:metadata", "f:annotations", key) == []


async def test_a_pods_status_tells_when_it_was_placed_when_it_ran_and_since_when_it_is_ready(api: Api, namespace: str) -> None:
    await deployed(api, namespace, "web")

    (found,) = await ready_pods(api, namespace, "web", 1)

    status = found["status"]
    since = {each["type"]: each["lastTransitionTime"] for each in status["conditions"] if each["status"] == "True"}
    assert {"PodScheduled", "Initialized", "ContainersReady", "Ready"} <= since.keys()
    (container,) = status["containerStatuses"]
    assert found["metadata"]["creationTimestamp"] <= since["PodScheduled"] <= since["Ready"]
    assert container["state"]["running"]["startedAt"] <= since["ContainersReady"] <= since["Ready"]
    assert container["restartCount"] == 0


async def test_a_pod_whose_label_changes_stays_ready_and_with_its_set_while_the_selector_leaves_the_label_out(
    api: Api, namespace: str
) -> None:
    document = deployment("web", replicas=2)
    document["spec"]["template"]["metadata"]["labels"] = {"app": "web", ROUTED: "true"}
    await api.created(apps(namespace, "deployments"), document)
    before = {each["metadata"]["name"]: each for each in await ready_pods(api, namespace, "web", 2)}
    name = min(before)

    await api.patch(core(namespace, "pods", name), {"metadata": {"labels": {ROUTED: "false"}}})

    after = {each["metadata"]["name"]: each for each in await ready_pods(api, namespace, "web", 2)}
    assert after.keys() == before.keys()
    assert after[name]["metadata"]["labels"][ROUTED] == "false"
    assert after[name]["metadata"]["ownerReferences"] == before[name]["metadata"]["ownerReferences"]


async def test_an_event_is_created_and_then_counts_on(api: Api, namespace: str) -> None:
    path = core(namespace, "events")
    about = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": namespace, "name": "web", "uid": "u-1"}
    body = {
        "metadata": {"generateName": "web."},
        "involvedObject": about,
        "reason": "Demand",
        "message": "3 → 5",
        "type": "Normal",
        "count": 1,
        "source": {"component": "leadtime-autoscaler"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
    }

    made = await api.created(path, body)
    again = {"count": 2, "lastTimestamp": "2026-01-01T00:01:00Z"}
    patched = await api.patch(f"{path}/{made['metadata']['name']}", again)
    listed = await api.get(path, fieldSelector="involvedObject.name=web,involvedObject.kind=Deployment")

    assert patched.status == 200, patched.text
    (found,) = listed.document["items"]
    assert (found["reason"], found["count"], found["lastTimestamp"]) == ("Demand", 2, "2026-01-01T00:01:00Z")
    assert found["firstTimestamp"] == "2026-01-01T00:00:00Z"
