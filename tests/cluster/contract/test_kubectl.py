"""kubectl against the sandbox: the program that talks to a real API server finds nothing amiss."""

import json
from collections.abc import Iterator

import pytest
import yaml

from tests.cluster import access, waiting
from tests.integration.contract import process
from tests.integration.contract.documents import deployment


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[access.Cluster]:
    """Yield a sandbox as the cluster tier's helpers see any cluster."""
    folder = tmp_path_factory.mktemp("sandbox")
    with process.sandbox(folder, speed=20) as kubeconfig:
        yield access.given(kubeconfig, folder=folder, host="localhost")


def names(cluster: access.Cluster, kind: str, *arguments: str) -> list[str]:
    return [each["metadata"]["name"] for each in cluster.get(kind, *arguments)["items"]]


def test_objects_are_applied_changed_scaled_and_deleted(sandbox: access.Cluster) -> None:
    body = deployment("web", replicas=2, gpus=1)

    created = sandbox.kubectl("apply", "--filename=-", input=yaml.safe_dump(body))
    sandbox.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "vllm:2"
    changed = sandbox.kubectl("apply", "--filename=-", input=yaml.safe_dump(body))
    sandbox.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    unchanged = sandbox.kubectl("apply", "--filename=-", input=yaml.safe_dump(body))
    sandbox.kubectl("scale", "deployment/web", "--replicas=3", "--current-replicas=2")
    sandbox.kubectl("wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=30s")

    assert (created, changed, unchanged) == (
        "deployment.apps/web created\n",
        "deployment.apps/web configured\n",
        "deployment.apps/web unchanged\n",
    )
    sandbox.kubectl("delete", "deployment/web", "--timeout=30s")
    waiting.until(lambda: not names(sandbox, "pods"), what="the pods are gone")


def test_raw_paths_are_read(sandbox: access.Cluster) -> None:
    found = json.loads(sandbox.kubectl("get", "--raw", "/api/v1/nodes?labelSelector=nvidia.com/gpu.present"))

    assert [each["metadata"]["name"] for each in found["items"]] == ["gpu-node-1", "gpu-node-2"]


def test_what_there_is_is_discovered_by_short_names_and_categories(sandbox: access.Cluster) -> None:
    listed = sandbox.kubectl("api-resources", "--no-headers", "--output=name").split()

    assert {"pods", "deployments.apps", "horizontalpodautoscalers.autoscaling", "apiservices.apiregistration.k8s.io"} <= set(listed)
    assert "default" in names(sandbox, "ns")


def test_a_refusal_is_said_in_the_usual_words(sandbox: access.Cluster) -> None:
    with pytest.raises(access.KubectlError, match=r'Error from server \(NotFound\): deployments.apps "absent" not found'):
        sandbox.kubectl("get", "deployment", "absent")


def test_an_object_is_edited_by_every_patch_language(sandbox: access.Cluster) -> None:
    sandbox.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"one": "1"}}, namespace="default")
    for language, patch in (
        ("merge", '{"data": {"two": "2"}}'),
        ("strategic", '{"data": {"three": "3"}}'),
        ("json", '[{"op": "remove", "path": "/data/one"}]'),
    ):
        sandbox.kubectl("patch", "configmap", "a", f"--type={language}", f"--patch={patch}")

    assert sandbox.get("configmap", "a")["data"] == {"two": "2", "three": "3"}
