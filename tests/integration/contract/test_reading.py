"""Reading: get, list, selectors, pages, and metadata only."""

from typing import Any

import pytest

from tests.integration.contract.client import METADATA, METADATA_LIST, Api
from tests.integration.contract.documents import apps, configmap, core, idle_deployment, pod


@pytest.fixture
async def maps(api: Api, namespace: str) -> str:
    """Create four labelled ConfigMaps and return the path of their collection."""
    path = core(namespace, "configmaps")
    for name, labels in (
        ("a", {"set": "t", "tier": "gpu"}),
        ("b", {"set": "t", "tier": "cpu"}),
        ("c", {"set": "t", "tier": "gpu", "old": "yes"}),
        ("d", {"set": "t"}),
    ):
        await api.created(path, configmap(name, labels=labels, key=name))
    return path


async def test_an_object_is_read_back_whole(api: Api, namespace: str) -> None:
    made = await api.created(core(namespace, "configmaps"), configmap("a", key="value"))

    read = await api.get(core(namespace, "configmaps", "a"))

    assert read.status == 200
    assert read.headers["Content-Type"] == "application/json"
    assert read.document == made
    assert read.document["kind"] == "ConfigMap"
    assert read.document["apiVersion"] == "v1"
    assert read.document["data"] == {"key": "value"}


async def test_an_object_that_is_not_there_is_a_status_that_names_it(api: Api, namespace: str) -> None:
    read = await api.get(apps(namespace, "deployments", "absent"))

    assert read.status == 404
    assert read.document["kind"] == "Status"
    assert read.document["status"] == "Failure"
    assert read.document["code"] == 404
    assert read.reason == "NotFound"
    assert read.message == 'deployments.apps "absent" not found'
    assert read.document["details"] == {"name": "absent", "group": "apps", "kind": "deployments"}


@pytest.mark.parametrize("path", ["/apis/apps/v1/wishes", "/api/v1/namespaces/default/wishes", "/apis/none.example/v1/things"])
async def test_an_unknown_resource_is_not_found(api: Api, path: str) -> None:
    assert (await api.get(path)).status == 404


async def test_a_list_has_a_revision_and_items_without_their_kind(api: Api, maps: str) -> None:
    read = await api.get(maps, labelSelector="set=t")

    assert read.document["kind"] == "ConfigMapList"
    assert read.document["apiVersion"] == "v1"
    assert int(read.metadata["resourceVersion"]) > 0
    assert read.names == ["a", "b", "c", "d"]
    assert "kind" not in read.document["items"][0]
    assert "apiVersion" not in read.document["items"][0]


async def test_a_list_without_items_is_an_empty_list_and_not_null(api: Api, namespace: str) -> None:
    read = await api.get(core(namespace, "secrets"), labelSelector="none=such")

    assert read.document["items"] == []


async def test_a_list_over_all_namespaces_holds_those_of_each(api: Api, maps: str) -> None:
    read = await api.get("/api/v1/configmaps", labelSelector="set=t,old")

    assert "c" in read.names


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("set=t", ["a", "b", "c", "d"]),
        ("set=t,tier=gpu", ["a", "c"]),
        ("set==t,tier!=gpu", ["b", "d"]),
        ("set in (t, u),tier notin (cpu)", ["a", "c", "d"]),
        ("set,!tier", ["d"]),
        ("set,tier,!old", ["a", "b"]),
        ("set=t,tier in (gpu),old=yes", ["c"]),
    ],
)
async def test_labels_select(api: Api, maps: str, selector: str, names: list[str]) -> None:
    assert (await api.get(maps, labelSelector=selector)).names == names


async def test_a_label_selector_that_cannot_be_read_is_refused(api: Api, maps: str) -> None:
    read = await api.get(maps, labelSelector="tier in (gpu")

    assert read.status == 400
    assert read.reason == "BadRequest"


async def test_fields_select_by_name_and_phase_and_node(api: Api, namespace: str) -> None:
    path = core(namespace, "pods")
    for name in ("a", "b"):
        await api.created(path, pod(name, unplaceable=True))

    assert (await api.get(path, fieldSelector="metadata.name=a")).names == ["a"]
    assert (await api.get(path, fieldSelector="metadata.name!=a")).names == ["b"]
    assert (await api.get(path, fieldSelector="status.phase=Pending,spec.nodeName=")).names == ["a", "b"]
    assert (await api.get(path, fieldSelector="status.phase=Running")).names == []
    assert (await api.get("/api/v1/pods", fieldSelector=f"metadata.namespace={namespace}")).names == ["a", "b"]


async def test_a_field_that_cannot_be_selected_by_is_refused(api: Api, namespace: str) -> None:
    read = await api.get(core(namespace, "pods"), fieldSelector="spec.hostname=a")

    assert read.status == 400
    assert "field label not supported: spec.hostname" in read.message


async def test_pages_continue_from_the_list_as_it_was(api: Api, maps: str) -> None:
    first = await api.get(maps, labelSelector="set=t", limit=2)
    await api.delete(f"{maps}/c")
    await api.created(maps, configmap("b2", labels={"set": "t"}))
    second = await api.get(maps, labelSelector="set=t", limit=2, **{"continue": first.metadata["continue"]})

    assert first.names == ["a", "b"]
    assert second.names == ["c", "d"]
    assert second.metadata["resourceVersion"] == first.metadata["resourceVersion"]


async def test_a_page_says_how_many_items_remain(api: Api, namespace: str) -> None:
    path = core(namespace, "secrets")
    for name in ("a", "b", "c"):
        await api.created(path, {"metadata": {"name": name}})

    read = await api.get(path, limit=1)

    assert read.names == ["a"]
    assert read.metadata["remainingItemCount"] == 2


async def test_a_page_that_holds_everything_does_not_continue(api: Api, namespace: str) -> None:
    path = core(namespace, "secrets")
    await api.created(path, {"metadata": {"name": "a"}})

    read = await api.get(path, limit=1)

    assert read.names == ["a"]
    assert "continue" not in read.metadata


async def test_a_page_may_be_followed_by_one_on_which_nothing_matches(api: Api, namespace: str) -> None:
    path = core(namespace, "secrets")
    for name, labels in (("a", {"set": "t"}), ("b", {})):
        await api.created(path, {"metadata": {"name": name, "labels": labels}})

    first = await api.get(path, labelSelector="set=t", limit=1)
    second = await api.get(path, labelSelector="set=t", limit=1, **{"continue": first.metadata["continue"]})

    assert "remainingItemCount" not in first.metadata  # what remains is not known to match
    assert second.names == []
    assert "continue" not in second.metadata


async def test_a_continue_token_that_nobody_gave_is_refused(api: Api, maps: str) -> None:
    read = await api.get(maps, limit=1, **{"continue": "bm90IGEgdG9rZW4"})

    assert read.status == 400
    assert read.reason == "BadRequest"


async def test_a_list_from_the_future_times_out(api: Api, maps: str) -> None:
    read = await api.get(maps, resourceVersion=10**15)

    assert read.status == 504
    assert read.reason == "Timeout"
    assert "Too large resource version" in read.message


async def test_metadata_of_one_object_leaves_out_what_it_is(api: Api, maps: str) -> None:
    read = await api.get(f"{maps}/a", accept=METADATA)

    assert read.headers["Content-Type"] == "application/json"
    assert set(read.document) == {"kind", "apiVersion", "metadata"}
    assert read.document["kind"] == "PartialObjectMetadata"
    assert read.document["apiVersion"] == "meta.k8s.io/v1"
    assert read.metadata["labels"] == {"set": "t", "tier": "gpu"}


async def test_metadata_of_a_list_keeps_the_revision_and_the_pages(api: Api, maps: str) -> None:
    read = await api.get(maps, accept=METADATA_LIST, labelSelector="set=t", limit=3)

    assert read.document["kind"] == "PartialObjectMetadataList"
    assert read.document["apiVersion"] == "meta.k8s.io/v1"
    assert read.names == ["a", "b", "c"]
    assert int(read.metadata["resourceVersion"]) > 0
    assert read.metadata["continue"]
    item = read.document["items"][0]
    assert set(item) - {"kind", "apiVersion"} == {"metadata"}


async def test_the_first_representation_that_the_server_can_write_is_taken(api: Api, maps: str) -> None:
    read = await api.get(f"{maps}/a", accept=f"text/csv, {METADATA}, application/json")

    assert read.document["kind"] == "PartialObjectMetadata"


@pytest.mark.parametrize("accept", ["application/vnd.kubernetes.nothing, */*", "*/*"])
async def test_whoever_takes_anything_gets_json(api: Api, maps: str, accept: str) -> None:
    read = await api.get(f"{maps}/a", accept=accept)

    assert read.status == 200
    assert read.document["kind"] == "ConfigMap"


async def test_a_representation_that_the_server_cannot_write_is_not_acceptable(api: Api, maps: str) -> None:
    read = await api.get(f"{maps}/a", accept="text/csv")

    assert read.status == 406
    assert read.reason == "NotAcceptable"


async def test_a_status_is_read_with_its_object(api: Api, namespace: str) -> None:
    await api.created(apps(namespace, "deployments"), idle_deployment("web"))

    read = await api.get(apps(namespace, "deployments", "web", "status"))

    assert read.status == 200
    assert read.document["spec"]["replicas"] == 1


async def test_a_method_that_a_path_does_not_take_is_not_allowed(api: Api, namespace: str) -> None:
    read = await api.put(core(namespace, "configmaps"), configmap("a"))

    assert read.status == 405
    assert read.reason == "MethodNotAllowed"


async def test_the_server_says_its_version(api: Api) -> None:
    read = await api.get("/version")

    assert read.document["major"] == "1"
    assert read.document["gitVersion"].startswith("v1.")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
async def test_probes_need_nobody(anonymous: Api, path: str) -> None:
    read = await anonymous.get(path)

    assert (read.status, read.text) == (200, "ok")


def _named(found: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(each for each in found if each["name"] == name)


async def test_discovery_lists_the_groups_and_their_versions(api: Api) -> None:
    core_versions, groups, apps_group = (await api.get("/api"), await api.get("/apis"), await api.get("/apis/apps"))

    assert core_versions.document["versions"] == ["v1"]
    assert groups.document["kind"] == "APIGroupList"
    listed = _named(groups.document["groups"], "apps")
    assert listed["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    assert apps_group.document["kind"] == "APIGroup"
    assert apps_group.document["preferredVersion"] == listed["preferredVersion"]


async def test_discovery_lists_the_resources_and_their_subresources(api: Api) -> None:
    read = await api.get("/apis/apps/v1")

    assert read.document["kind"] == "APIResourceList"
    assert read.document["groupVersion"] == "apps/v1"
    deployments, scale = (_named(read.document["resources"], name) for name in ("deployments", "deployments/scale"))
    assert deployments["namespaced"] is True
    assert deployments["kind"] == "Deployment"
    assert deployments["shortNames"] == ["deploy"]
    assert {"get", "list", "watch", "patch"} <= set(deployments["verbs"])
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")


async def test_an_unknown_path_is_not_found(api: Api) -> None:
    assert (await api.get("/nowhere")).status == 404
