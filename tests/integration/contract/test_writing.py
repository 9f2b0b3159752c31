"""Writing: create, update, the patch languages, subresources and delete, and every way in which they are refused."""

import copy
import re

import pytest

from tests.cluster import waiting
from tests.integration.contract.client import JSON_PATCH, MERGE, STRATEGIC, Api
from tests.integration.contract.documents import apps, configmap, core, deployment, idle_deployment, pod

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture
async def web(api: Api, namespace: str) -> str:
    """Create a Deployment that its controller leaves alone and return its path."""
    path = apps(namespace, "deployments", "web")
    await api.created(apps(namespace, "deployments"), idle_deployment("web"))

    async def seen() -> bool:
        return (await api.get(path)).document["status"].get("observedGeneration") == 1

    await waiting.eventually(seen, what="the controller has seen the Deployment")
    return path


async def test_a_new_object_gets_its_identity(api: Api, namespace: str) -> None:
    answer = await api.post(apps(namespace, "deployments"), idle_deployment("web"))

    assert answer.status == 201
    assert answer.metadata["namespace"] == namespace
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.metadata["uid"])
    assert STAMP.fullmatch(answer.metadata["creationTimestamp"])
    assert answer.metadata["resourceVersion"].isdigit()
    assert answer.metadata["generation"] == 1


async def test_a_name_is_generated_from_its_prefix(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps")

    names = {(await api.created(path, {"metadata": {"generateName": "job-"}}))["metadata"]["name"] for _ in range(3)}

    assert len(names) == 3
    assert all(re.fullmatch(r"job-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)


async def test_a_name_that_is_taken_is_a_conflict(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps")
    await api.created(path, configmap("a"))

    answer = await api.post(path, configmap("a"))

    assert answer.status == 409
    assert answer.reason == "AlreadyExists"
    assert answer.message == 'configmaps "a" already exists'
    assert answer.document["details"] == {"name": "a", "kind": "configmaps"}


async def test_nothing_is_created_in_a_namespace_that_is_not_there(api: Api) -> None:
    answer = await api.post(core("no-such-namespace", "configmaps"), configmap("a"))

    assert answer.status == 404
    assert answer.message == 'namespaces "no-such-namespace" not found'


async def test_the_body_must_be_of_the_kind_that_the_path_says(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps")

    for body in (
        {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}},
        {"kind": "ConfigMap", "apiVersion": "apps/v1", "metadata": {"name": "a"}},
        {"metadata": {"name": "a", "namespace": "elsewhere"}},
    ):
        answer = await api.post(path, body)

        assert answer.status == 400, answer.text
        assert answer.reason == "BadRequest"


@pytest.mark.parametrize("name", ["", "Upper", "under_score", "-a"])
async def test_a_name_must_follow_the_rules(api: Api, namespace: str, name: str) -> None:
    answer = await api.post(core(namespace, "configmaps"), {"metadata": {"name": name}})

    assert answer.status == 422
    assert answer.reason == "Invalid"
    assert answer.document["details"]["causes"][0]["field"] == "metadata.name"


async def test_a_selector_must_match_the_template(api: Api, namespace: str) -> None:
    body = deployment("web")
    body["spec"]["template"]["metadata"]["labels"] = {"app": "other"}

    answer = await api.post(apps(namespace, "deployments"), body)

    assert answer.status == 422
    assert answer.message.startswith('Deployment.apps "web" is invalid: spec.template.metadata.labels: Invalid value')


async def test_a_dry_run_leaves_nothing_behind(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps")

    answer = await api.post(path, configmap("a"), dryRun="All")

    assert answer.status == 201
    assert (await api.get(f"{path}/a")).status == 404


async def test_left_out_values_are_filled_in(api: Api, web: str) -> None:
    read = await api.get(web)

    container = read.document["spec"]["template"]["spec"]["containers"][0]
    assert read.document["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": "25%", "maxSurge": "25%"}
    assert read.document["spec"]["template"]["spec"]["restartPolicy"] == "Always"
    assert container["ports"][0]["protocol"] == "TCP"
    assert container["imagePullPolicy"] == "IfNotPresent"


async def test_quantities_come_back_as_text_and_limits_become_requests(api: Api, namespace: str) -> None:
    body = pod("a", unplaceable=True)
    body["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": 2}}

    made = await api.created(core(namespace, "pods"), body)

    assert made["spec"]["containers"][0]["resources"] == {
        "limits": {"nvidia.com/gpu": "2"},
        "requests": {"nvidia.com/gpu": "2"},
    }


async def test_an_update_of_the_present_version_is_taken(api: Api, web: str) -> None:
    body = (await api.get(web)).document
    body["spec"]["replicas"] = 4

    answer = await api.put(web, body)

    assert answer.status == 200
    assert answer.document["spec"]["replicas"] == 4
    assert answer.metadata["generation"] == 2
    assert int(answer.metadata["resourceVersion"]) > int(body["metadata"]["resourceVersion"])
    assert answer.metadata["uid"] == body["metadata"]["uid"]


async def test_an_update_of_an_older_version_is_a_conflict(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps", "a")
    old = await api.created(core(namespace, "configmaps"), configmap("a", key="1"))
    await api.patch(path, {"data": {"key": "2"}})

    answer = await api.put(path, old)

    assert answer.status == 409
    assert answer.reason == "Conflict"
    assert answer.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the'
        " latest version and try again"
    )


async def test_an_update_without_a_version_overwrites(api: Api, namespace: str) -> None:
    await api.created(core(namespace, "configmaps"), configmap("a", key="1"))

    answer = await api.put(core(namespace, "configmaps", "a"), configmap("a", other="2"))

    assert answer.status == 200
    assert answer.document["data"] == {"other": "2"}


async def test_a_lease_is_never_updated_without_a_version(api: Api, namespace: str) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    await api.created(path, {"metadata": {"name": "leader"}, "spec": {"holderIdentity": "one"}})

    answer = await api.put(f"{path}/leader", {"metadata": {"name": "leader"}, "spec": {"holderIdentity": "two"}})

    assert answer.status == 422
    assert answer.document["details"]["causes"][0]["field"] == "metadata.resourceVersion"


async def test_the_second_of_two_who_take_a_lease_learns_it(api: Api, namespace: str) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    free = await api.created(path, {"metadata": {"name": "leader"}, "spec": {"leaseDurationSeconds": 15}})
    first, second = copy.deepcopy(free), copy.deepcopy(free)
    first["spec"]["holderIdentity"], second["spec"]["holderIdentity"] = "one", "two"

    assert (await api.put(f"{path}/leader", first)).status == 200
    assert (await api.put(f"{path}/leader", second)).status == 409
    assert (await api.get(f"{path}/leader")).document["spec"]["holderIdentity"] == "one"


async def test_an_update_under_another_name_is_refused(api: Api, namespace: str) -> None:
    await api.created(core(namespace, "configmaps"), configmap("a"))

    answer = await api.put(core(namespace, "configmaps", "a"), configmap("b"))

    assert answer.status == 400
    assert answer.message == "the name of the object (b) does not match the name on the URL (a)"


async def test_an_update_of_what_is_not_there_is_not_found(api: Api, namespace: str) -> None:
    assert (await api.put(core(namespace, "configmaps", "a"), configmap("a"))).status == 404


async def test_a_write_that_changes_nothing_is_no_new_version(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps", "a")
    made = await api.created(core(namespace, "configmaps"), configmap("a", key="1"))

    answer = await api.patch(path, {"data": {"key": "1"}})

    assert answer.status == 200
    assert answer.metadata["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_what_may_not_change_is_refused(api: Api, web: str) -> None:
    answer = await api.patch(web, {"spec": {"selector": {"matchLabels": {"more": "labels"}}}})

    assert answer.status == 422
    assert answer.reason == "Invalid"


async def test_a_merge_patch_merges_and_null_removes(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps", "a")
    await api.created(core(namespace, "configmaps"), configmap("a", keep="1", drop="2"))

    answer = await api.patch(path, {"data": {"drop": None, "new": "3"}, "metadata": {"labels": {"l": "v"}}}, MERGE)

    assert answer.status == 200
    assert answer.document["data"] == {"keep": "1", "new": "3"}
    assert answer.metadata["labels"] == {"l": "v"}


async def test_a_merge_patch_replaces_lists(api: Api, web: str) -> None:
    containers = [{"name": "other", "image": "other:1"}]

    answer = await api.patch(web, {"spec": {"template": {"spec": {"containers": containers}}}}, MERGE)

    assert [each["name"] for each in answer.document["spec"]["template"]["spec"]["containers"]] == ["other"]


async def test_a_strategic_patch_merges_containers_by_name_and_environments_too(api: Api, web: str) -> None:
    def template(*containers: object) -> dict[str, object]:
        return {"spec": {"template": {"spec": {"containers": list(containers)}}}}

    await api.patch(
        web, template({"name": "server", "env": [{"name": "A", "value": "1"}]}, {"name": "side", "image": "s:1"}), STRATEGIC
    )
    answer = await api.patch(web, template({"name": "server", "image": "vllm:2", "env": [{"name": "B", "value": "2"}]}), STRATEGIC)

    containers = {each["name"]: each for each in answer.document["spec"]["template"]["spec"]["containers"]}
    assert set(containers) == {"server", "side"}
    assert containers["server"]["image"] == "vllm:2"
    assert {each["name"]: each["value"] for each in containers["server"]["env"]} == {"A": "1", "B": "2"}
    assert containers["server"]["ports"][0]["containerPort"] == 8000


async def test_a_strategic_patch_deletes_an_item_by_its_name(api: Api, web: str) -> None:
    added = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "s:1"}]}}}}
    removed = {"spec": {"template": {"spec": {"containers": [{"name": "side", "$patch": "delete"}]}}}}
    await api.patch(web, added, STRATEGIC)

    answer = await api.patch(web, removed, STRATEGIC)

    assert [each["name"] for each in answer.document["spec"]["template"]["spec"]["containers"]] == ["server"]


async def test_a_json_patch_works_through_its_operations(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps", "a")
    await api.created(core(namespace, "configmaps"), configmap("a", one="1", two="2"))

    answer = await api.patch(
        path,
        [
            {"op": "test", "path": "/data/one", "value": "1"},
            {"op": "replace", "path": "/data/one", "value": "11"},
            {"op": "move", "from": "/data/two", "path": "/data/three"},
            {"op": "replace", "path": "/data/four", "value": "4"},
            {"op": "add", "path": "/metadata/labels", "value": {"example.com/l": "v"}},
            {"op": "add", "path": "/metadata/labels/example.com~1l", "value": "w"},
        ],
        JSON_PATCH,
    )

    assert answer.status == 200, answer.text
    assert answer.document["data"] == {"one": "11", "three": "2", "four": "4"}
    assert answer.metadata["labels"] == {"example.com/l": "w"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/one", "value": "other"},
        {"op": "remove", "path": "/data/absent"},
        {"op": "add", "path": "/data/absent/below", "value": "1"},
    ],
)
async def test_a_json_patch_that_does_not_fit_changes_nothing(api: Api, namespace: str, operation: dict[str, str]) -> None:
    path = core(namespace, "configmaps", "a")
    await api.created(core(namespace, "configmaps"), configmap("a", one="1"))

    answer = await api.patch(path, [{"op": "add", "path": "/data/new", "value": "1"}, operation], JSON_PATCH)

    assert answer.status == 422
    assert answer.reason == "Invalid"
    assert (await api.get(path)).document["data"] == {"one": "1"}


async def test_a_patch_that_carries_an_older_version_is_a_conflict(api: Api, web: str) -> None:
    version = (await api.get(web)).metadata["resourceVersion"]
    await api.patch(web, {"spec": {"replicas": 2}})

    answer = await api.patch(web, {"metadata": {"resourceVersion": version}, "spec": {"replicas": 3}})

    assert answer.status == 409
    assert answer.reason == "Conflict"


async def test_a_patch_in_an_unknown_language_is_refused(api: Api, web: str) -> None:
    answer = await api.patch(web, {"spec": {"replicas": 2}}, "application/json")

    assert answer.status == 415
    assert answer.reason == "UnsupportedMediaType"


async def test_a_body_that_is_not_json_is_refused(api: Api, web: str) -> None:
    answer = await api.patch(web, "text", MERGE)

    assert answer.status == 400
    assert answer.reason == "BadRequest"


async def test_a_scale_shows_replicas_and_the_selector_as_text(api: Api, web: str) -> None:
    read = await api.get(f"{web}/scale")

    assert read.document["kind"] == "Scale"
    assert read.document["apiVersion"] == "autoscaling/v1"
    assert read.metadata["name"] == "web"
    assert read.document["spec"] == {"replicas": 1}
    assert read.document["status"]["selector"] == "app=web"


async def test_a_scale_is_set_by_patch_and_by_update(api: Api, web: str) -> None:
    patched = await api.patch(f"{web}/scale", {"spec": {"replicas": 3}})
    updated = await api.put(f"{web}/scale", {"metadata": {"name": "web"}, "spec": {"replicas": 5}})

    assert patched.document["spec"] == {"replicas": 3}
    assert updated.document["spec"] == {"replicas": 5}
    read = await api.get(web)
    assert read.document["spec"]["replicas"] == 5
    assert read.metadata["generation"] == 3


async def test_a_scale_goes_to_zero(api: Api, web: str) -> None:
    answer = await api.patch(f"{web}/scale", {"spec": {"replicas": 0}})

    assert answer.status == 200
    assert (await api.get(web)).document["spec"]["replicas"] == 0
    assert (await api.get(f"{web}/scale")).document["spec"].get("replicas", 0) == 0


async def test_an_older_scale_is_a_conflict(api: Api, web: str) -> None:
    old = (await api.get(f"{web}/scale")).document
    await api.patch(f"{web}/scale", {"spec": {"replicas": 3}})
    old["spec"]["replicas"] = 2

    answer = await api.put(f"{web}/scale", old)

    assert answer.status == 409
    assert (await api.get(web)).document["spec"]["replicas"] == 3


async def test_a_negative_scale_is_invalid(api: Api, web: str) -> None:
    answer = await api.patch(f"{web}/scale", {"spec": {"replicas": -1}})

    assert answer.status == 422
    assert answer.reason == "Invalid"


async def test_a_scale_of_what_is_not_there_is_not_found(api: Api, namespace: str) -> None:
    assert (await api.get(apps(namespace, "deployments", "absent", "scale"))).status == 404
    assert (await api.get(core(namespace, "configmaps", "kube-root-ca.crt", "scale"))).status == 404


async def test_status_and_spec_are_written_apart(api: Api, namespace: str) -> None:
    path = core(namespace, "pods", "a")
    await api.created(core(namespace, "pods"), pod("a", unplaceable=True))
    gate = {"type": "leadtime.dev/warm", "status": "True"}

    by_status = await api.patch(f"{path}/status", {"metadata": {"labels": {"l": "v"}}, "status": {"conditions": [gate]}}, STRATEGIC)
    by_object = await api.patch(path, {"status": {"phase": "Running"}, "metadata": {"labels": {"m": "w"}}})

    types = {each["type"]: each["status"] for each in by_status.document["status"]["conditions"]}
    assert types["leadtime.dev/warm"] == "True"
    assert by_object.document["status"]["phase"] == "Pending"
    assert by_object.metadata["labels"]["m"] == "w"


async def test_a_deleted_object_is_gone_and_the_answer_says_which(api: Api, namespace: str) -> None:
    made = await api.created(core(namespace, "configmaps"), configmap("a"))

    answer = await api.delete(core(namespace, "configmaps", "a"))

    assert answer.status == 200
    assert answer.document["kind"] == "Status"
    assert answer.document["status"] == "Success"
    assert answer.document["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert (await api.get(core(namespace, "configmaps", "a"))).status == 404


async def test_a_delete_of_what_is_not_there_is_not_found(api: Api, namespace: str) -> None:
    assert (await api.delete(core(namespace, "configmaps", "a"))).status == 404


async def test_a_delete_under_a_condition_that_fails_is_a_conflict(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps", "a")
    await api.created(core(namespace, "configmaps"), configmap("a"))

    answer = await api.delete(path, {"preconditions": {"uid": "11111111-2222-3333-4444-555555555555"}})

    assert answer.status == 409
    assert answer.reason == "Conflict"
    assert (await api.get(path)).status == 200


async def test_a_finalizer_holds_an_object_until_it_is_taken_off(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps", "a")
    body = configmap("a")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    await api.created(core(namespace, "configmaps"), body)

    await api.delete(path)
    held = await api.get(path)
    await api.patch(path, {"metadata": {"finalizers": None}})

    assert STAMP.fullmatch(held.metadata["deletionTimestamp"])
    assert held.metadata["deletionGracePeriodSeconds"] == 0
    assert (await api.get(path)).status == 404


async def test_a_collection_is_deleted_by_its_labels(api: Api, namespace: str) -> None:
    path = core(namespace, "configmaps")
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        await api.created(path, configmap(name, labels={"group": label}))

    answer = await api.delete(path, labelSelector="group=x")

    assert answer.status == 200
    assert (await api.get(path, labelSelector="group")).names == ["c"]


async def test_a_pod_without_a_node_is_deleted_at_once(api: Api, namespace: str) -> None:
    await api.created(core(namespace, "pods"), pod("a", unplaceable=True))

    answer = await api.delete(core(namespace, "pods", "a"))

    assert answer.status == 200
    assert answer.document["kind"] == "Pod"
    assert (await api.get(core(namespace, "pods", "a"))).status == 404


async def test_a_namespace_takes_everything_in_it_along(api: Api) -> None:
    await api.created("/api/v1/namespaces", {"metadata": {"name": "contract-ending"}})
    await api.created(core("contract-ending", "configmaps"), configmap("a"))

    answer = await api.delete("/api/v1/namespaces/contract-ending")

    assert answer.status == 200
    assert answer.document["status"]["phase"] == "Terminating"

    async def gone() -> bool:
        return (await api.get("/api/v1/namespaces/contract-ending")).status == 404

    await waiting.eventually(gone, what="the namespace is gone")
    assert (await api.get(core("contract-ending", "configmaps", "a"))).status == 404


async def test_an_apiservice_is_named_after_its_version_and_group(api: Api) -> None:
    spec = {"group": "wrong.example", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100}

    answer = await api.post("/apis/apiregistration.k8s.io/v1/apiservices", {"metadata": {"name": "other"}, "spec": spec})

    assert answer.status == 422
    assert answer.reason == "Invalid"
