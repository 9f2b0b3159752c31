"""Kinds that a CustomResourceDefinition adds: served as declared, pruned, filled in, checked, and scaled."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.cluster import waiting
from tests.integration.contract.client import JSON_PATCH, MERGE, STRATEGIC, Api

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(group: str) -> dict[str, Any]:
    spec = {
        "type": "object",
        "required": ["target"],
        "properties": {
            "target": {"type": "string", "minLength": 1},
            "mode": {"type": "string", "enum": ["Auto", "Off"], "default": "Auto"},
            "replicas": {"type": "integer", "minimum": 0, "maximum": 100},
            "parameters": {"type": "object", "additionalProperties": {"type": "string"}},
            "anything": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "amount": {"x-kubernetes-int-or-string": True},
        },
    }
    status = {
        "type": "object",
        "properties": {
            "replicas": {"type": "integer"},
            "selector": {"type": "string"},
            "note": {"type": "string"},
        },
    }
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
        "subresources": {"status": {}, "scale": scale},
        "additionalPrinterColumns": [
            {"name": "Target", "type": "string", "jsonPath": ".spec.target"},
            {"name": "Note", "type": "string", "jsonPath": ".status.note"},
            {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas", "priority": 1},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    }
    names = {"plural": "scalers", "kind": "Scaler", "shortNames": ["scl"]}
    return {
        "metadata": {"name": f"scalers.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


@pytest.fixture
async def group(api: Api) -> AsyncIterator[str]:
    """Define the kind Scaler in a group of its own and yield the group once it is served."""
    name = f"g{uuid.uuid4().hex[:8]}.example"
    await api.created(DEFINITIONS, definition(name))

    async def served() -> bool:
        return (await api.get(f"/apis/{name}/v1alpha1/scalers")).status == 200

    await waiting.eventually(served, what=f"scalers.{name} is served")
    yield name
    await api.delete(f"{DEFINITIONS}/scalers.{name}")


@pytest.fixture
def scalers(group: str, namespace: str) -> str:
    """Return the path of the kind's collection."""
    return f"/apis/{group}/v1alpha1/namespaces/{namespace}/scalers"


async def made(api: Api, path: str, name: str = "a", **spec: Any) -> dict[str, Any]:
    group = path.split("/")[2]
    body = {"apiVersion": f"{group}/v1alpha1", "kind": "Scaler", "metadata": {"name": name}}
    return await api.created(path, {**body, "spec": {"target": "web", **spec}})


async def refused(api: Api, path: str, **spec: Any) -> Any:
    group = path.split("/")[2]
    body = {"apiVersion": f"{group}/v1alpha1", "kind": "Scaler", "metadata": {"name": "a"}, "spec": spec}
    return await api.post(path, body)


async def test_a_definition_is_established_and_discovered(api: Api, group: str) -> None:
    read = await api.get(f"{DEFINITIONS}/scalers.{group}")
    resources = await api.get(f"/apis/{group}/v1alpha1")

    conditions = {each["type"]: each["status"] for each in read.document["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert read.document["status"]["storedVersions"] == ["v1alpha1"]
    names = {each["name"]: each for each in resources.document["resources"]}
    assert set(names) == {"scalers", "scalers/status", "scalers/scale"}
    assert names["scalers"]["shortNames"] == ["scl"]
    assert names["scalers/scale"]["kind"] == "Scale"


async def test_unknown_fields_are_pruned_and_defaults_filled_in(api: Api, scalers: str) -> None:
    found = await made(api, scalers, unknown=1, anything={"kept": {"as": "it is"}}, parameters={"free": "names"})

    assert found["spec"] == {
        "target": "web",
        "mode": "Auto",
        "anything": {"kept": {"as": "it is"}},
        "parameters": {"free": "names"},
    }
    assert found["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "spec.target"),
        ({"target": ""}, "spec.target"),
        ({"target": "web", "mode": "Sometimes"}, "spec.mode"),
        ({"target": "web", "replicas": -1}, "spec.replicas"),
        ({"target": "web", "replicas": 101}, "spec.replicas"),
        ({"target": "web", "replicas": "3"}, "spec.replicas"),
        ({"target": "web", "parameters": {"a": 1}}, "spec.parameters.a"),
        ({"target": "web", "amount": 1.5}, "spec.amount"),
    ],
)
async def test_what_the_schema_forbids_is_invalid_and_says_where(api: Api, scalers: str, spec: dict[str, Any], field: str) -> None:
    answer = await refused(api, scalers, **spec)

    assert answer.status == 422, answer.text
    assert answer.reason == "Invalid"
    assert field in [cause["field"] for cause in answer.document["details"]["causes"]]


async def test_items_of_a_custom_list_say_their_kind(api: Api, scalers: str) -> None:
    await made(api, scalers)

    read = await api.get(scalers)

    assert read.document["kind"] == "ScalerList"
    assert read.document["items"][0]["kind"] == "Scaler"


async def test_status_is_written_by_its_own_path_only(api: Api, scalers: str) -> None:
    await made(api, scalers)

    ignored = await api.patch(f"{scalers}/a", {"status": {"note": "from the spec's side"}})
    written = await api.patch(f"{scalers}/a/status", {"status": {"note": "mine"}, "spec": {"target": "other"}})

    assert "status" not in ignored.document
    assert written.document["status"] == {"note": "mine"}
    assert written.document["spec"]["target"] == "web"
    assert written.metadata["generation"] == 1


async def test_generation_counts_changes_of_the_wish(api: Api, scalers: str) -> None:
    await made(api, scalers)

    labelled = await api.patch(f"{scalers}/a", {"metadata": {"labels": {"l": "v"}}})
    changed = await api.patch(f"{scalers}/a", {"spec": {"mode": "Off"}})

    assert labelled.metadata["generation"] == 1
    assert changed.metadata["generation"] == 2


async def test_a_custom_scale_reads_and_writes_the_declared_paths(api: Api, scalers: str) -> None:
    await made(api, scalers, replicas=2)
    await api.patch(f"{scalers}/a/status", {"status": {"replicas": 1, "selector": "app=web"}})

    read = await api.get(f"{scalers}/a/scale")
    answer = await api.patch(f"{scalers}/a/scale", {"spec": {"replicas": 7}}, MERGE)

    assert read.document["kind"] == "Scale"
    assert read.document["spec"] == {"replicas": 2}
    assert read.document["status"] == {"replicas": 1, "selector": "app=web"}
    assert answer.status == 200, answer.text
    assert (await api.get(f"{scalers}/a")).document["spec"]["replicas"] == 7


async def test_a_custom_scale_without_replicas_is_an_error(api: Api, scalers: str) -> None:
    await made(api, scalers)

    read = await api.get(f"{scalers}/a/scale")

    assert read.status == 500
    assert 'the spec replicas field ".spec.replicas" does not exist' in read.message


async def test_custom_objects_take_no_strategic_patch(api: Api, scalers: str) -> None:
    await made(api, scalers)

    strategic = await api.patch(f"{scalers}/a", {"spec": {"mode": "Off"}}, STRATEGIC)
    json = await api.patch(f"{scalers}/a", [{"op": "replace", "path": "/spec/mode", "value": "Off"}], JSON_PATCH)

    assert strategic.status == 415
    assert json.document["spec"]["mode"] == "Off"


async def test_a_custom_object_is_never_updated_without_a_version(api: Api, scalers: str) -> None:
    body = await made(api, scalers)
    del body["metadata"]["resourceVersion"]

    answer = await api.put(f"{scalers}/a", body)

    assert answer.status == 422
    assert answer.document["details"]["causes"][0]["field"] == "metadata.resourceVersion"


async def test_custom_objects_are_watched(api: Api, scalers: str) -> None:
    since = (await api.get(scalers)).metadata["resourceVersion"]
    async with api.watch(scalers, resourceVersion=since) as events:
        body = await made(api, scalers)

        event = await events.next()

    assert event == {"type": "ADDED", "object": body}


async def test_a_definition_must_be_named_after_its_kind(api: Api) -> None:
    body = definition("named.example")
    body["metadata"]["name"] = "others.named.example"

    answer = await api.post(DEFINITIONS, body)

    assert answer.status == 422


async def test_a_definition_takes_its_objects_along(api: Api, group: str, scalers: str) -> None:
    await made(api, scalers)

    await api.delete(f"{DEFINITIONS}/scalers.{group}")

    async def gone() -> bool:
        return (await api.get(scalers)).status == 404

    await waiting.eventually(gone, what="the kind is no longer served")


@pytest.mark.parametrize("name", ["", "/a"])
async def test_kubectl_gets_the_columns_of_the_definition(api: Api, scalers: str, name: str) -> None:
    await made(api, scalers, replicas=3)
    kubectls = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"

    answer = await api.get(f"{scalers}{name}", accept=kubectls)

    assert (answer.document["kind"], answer.document["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    columns = [(each["name"], each["type"], each["priority"]) for each in answer.document["columnDefinitions"]]
    assert columns == [
        ("Name", "string", 0),
        ("Target", "string", 0),
        ("Note", "string", 0),
        ("Replicas", "integer", 1),
        ("Age", "date", 0),
    ]
    (row,) = answer.document["rows"]
    *cells, age = row["cells"]
    assert cells == ["a", "web", None, 3]
    assert age.endswith("s")
    assert (row["object"]["kind"], row["object"]["metadata"]["name"]) == ("PartialObjectMetadata", "a")
