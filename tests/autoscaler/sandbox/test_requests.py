"""What a request line asks for, as RBAC sees it: the examples of the API server's own RequestInfo."""

import pytest

from autoscaler.sandbox import faults, requests

METRICS = "/apis/custom.metrics.k8s.io/v1beta2"


@pytest.mark.parametrize(
    ("method", "path", "expected"),  # (verb, group, namespace, resource, subresource, name)
    [
        ("GET", "/api/v1/namespaces", ("list", "", "", "namespaces", "", "")),
        ("GET", "/api/v1/namespaces/other", ("get", "", "other", "namespaces", "", "other")),
        ("PUT", "/api/v1/namespaces/other/status", ("update", "", "other", "namespaces", "status", "other")),
        ("GET", "/api/v1/namespaces/other/pods", ("list", "", "other", "pods", "", "")),
        ("GET", "/api/v1/namespaces/other/pods/a", ("get", "", "other", "pods", "", "a")),
        ("HEAD", "/api/v1/namespaces/other/pods/a", ("get", "", "other", "pods", "", "a")),
        ("GET", "/api/v1/pods", ("list", "", "", "pods", "", "")),
        ("POST", "/api/v1/namespaces/other/pods", ("create", "", "other", "pods", "", "")),
        ("DELETE", "/api/v1/namespaces/other/pods", ("deletecollection", "", "other", "pods", "", "")),
        ("PATCH", "/apis/apps/v1/namespaces/n/deployments/d/scale", ("patch", "apps", "n", "deployments", "scale", "d")),
        ("GET", f"{METRICS}/namespaces/n/pods/%2A/gpu", ("get", "custom.metrics.k8s.io", "n", "pods", "gpu", "*")),
        ("GET", f"{METRICS}/namespaces/n/metrics/queue", ("get", "custom.metrics.k8s.io", "n", "metrics", "", "queue")),
        ("GET", f"{METRICS}/nodes/n1/power", ("get", "custom.metrics.k8s.io", "", "nodes", "power", "n1")),
    ],
)
def test_resource_paths(method: str, path: str, expected: tuple[str, ...]) -> None:
    info = requests.read(method, path, {})

    assert (info.verb, info.group, info.namespace, info.resource, info.subresource, info.name) == expected


@pytest.mark.parametrize(
    "path", ["/", "/api", "/apis", "/apis/apps", "/apis/apps/v1", "/api/v1", "/healthz", "/openapi/v2", "/apis/a/v1/"]
)
def test_other_paths_are_about_no_resource(path: str) -> None:
    info = requests.read("GET", path, {})

    assert info.resource == ""
    assert info.path == path


def test_a_watch_is_a_verb_of_its_own_and_only_of_collections() -> None:
    assert requests.read("GET", "/api/v1/pods", {"watch": "true"}).verb == "watch"
    assert requests.read("GET", "/api/v1/pods", {"watch": "0"}).verb == "list"
    assert requests.read("GET", "/api/v1/namespaces/n/pods/a", {"watch": "1"}).verb == "get"


def test_a_list_of_one_name_is_about_that_name() -> None:
    info = requests.read("GET", "/api/v1/namespaces/n/configmaps", {"fieldSelector": "metadata.namespace=n,metadata.name=a"})

    assert (info.verb, info.name) == ("list", "a")


@pytest.mark.parametrize(
    ("accept", "metadata_only"),
    [
        ("", False),
        ("*/*", False),
        ("application/vnd.kubernetes.protobuf, */*", False),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", False),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", True),
        ("application/json; as=PartialObjectMetadata; g=meta.k8s.io; v=v1, application/json", True),
    ],
)
def test_the_first_representation_that_can_be_written_is_chosen(accept: str, metadata_only: bool) -> None:
    assert requests.representation(accept).metadata_only is metadata_only


@pytest.mark.parametrize(
    "accept", ["text/html", "application/vnd.kubernetes.protobuf", "application/json;as=Table;v=v1;g=meta.k8s.io"]
)
def test_what_cannot_be_written_is_not_acceptable(accept: str) -> None:
    with pytest.raises(faults.ApiError, match="only the following media types"):
        requests.representation(accept)
