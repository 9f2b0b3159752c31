"""Discovery: of constant size, complete, and convertible by the API server."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.api import discovery, documents, paths
from tests.adapter.api import goldens

ALONE = paths.Groups()
BOTH = paths.Groups(external="external.metrics.k8s.io")
CUSTOM = "custom.metrics.k8s.io"
EXTERNAL = "external.metrics.k8s.io"


def content(document: documents.Document) -> Any:
    return json.loads(document.body)


def test_the_documents_without_the_external_group() -> None:
    goldens.check("discovery-groups", discovery.group_list(ALONE).body)
    goldens.check("discovery-aggregated", discovery.aggregated(ALONE).body)


def test_the_documents_with_both_groups() -> None:
    goldens.check("discovery-groups-both", discovery.group_list(BOTH).body)
    goldens.check("discovery-aggregated-both", discovery.aggregated(BOTH).body)
    goldens.check("discovery-group", discovery.group(BOTH, CUSTOM).body)
    goldens.check("discovery-resources-custom", discovery.resource_list(BOTH, CUSTOM, "v1beta2").body)
    goldens.check("discovery-resources-external", discovery.resource_list(BOTH, EXTERNAL, "v1beta1").body)


def test_a_group_that_is_not_served_has_no_document() -> None:
    with pytest.raises(KeyError):
        discovery.group(ALONE, EXTERNAL)


def test_every_document_stays_within_2_kib() -> None:
    all_of_them = [
        discovery.group_list(BOTH),
        discovery.aggregated(BOTH),
        *(discovery.group(BOTH, group) for group in BOTH.versions()),
        *(discovery.resource_list(BOTH, group, version) for group, versions in BOTH.versions().items() for version in versions),
    ]

    assert max(len(document.body) for document in all_of_them) <= 2048


def test_the_preferred_version_is_the_one_with_the_metric_object() -> None:
    # Go's custom metrics client takes the preferred version when it is v1beta1 or v1beta2.
    group = content(discovery.group_list(ALONE))["groups"][0]

    assert group["preferredVersion"] == {"groupVersion": f"{CUSTOM}/v1beta2", "version": "v1beta2"}
    # Aggregated discovery has no such field: there the first version is the preferred one.
    assert content(discovery.aggregated(ALONE))["items"][0]["versions"][0]["version"] == "v1beta2"


def test_aggregated_discovery_has_every_version_and_its_exact_content_type() -> None:
    document = discovery.aggregated(BOTH)

    assert document.content_type == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    found = {(item["metadata"]["name"], version["version"]) for item in content(document)["items"] for version in item["versions"]}
    assert found == {(CUSTOM, "v1beta1"), (CUSTOM, "v1beta2"), (EXTERNAL, "v1beta1")}


listed = st.builds(
    discovery.Listed,
    st.sampled_from(["pods", "nodes", "services", "deployments.apps", ""]),
    st.sampled_from(["a", "b", "c", "vllm:x"]),
    st.booleans(),
)


def legacy_to_aggregated(resources: list[dict[str, Any]]) -> dict[str, str]:
    """What k8s.io/apiserver's ConvertGroupVersionIntoToDiscovery checks: each parent has one scope; returns them."""
    scopes: dict[str, str] = {}
    for resource in resources:
        scope = "Namespaced" if resource["namespaced"] else "Cluster"
        parent = resource["name"].split("/")[0]
        assert scopes.setdefault(parent, scope) == scope, f"the API server would drop the whole version for {parent}"
    return scopes


@given(st.lists(listed, max_size=12))
def test_no_list_makes_the_api_server_drop_a_version(metrics: list[discovery.Listed]) -> None:
    for group, versions in BOTH.versions().items():
        for version in versions:
            resources = content(discovery.resource_list(BOTH, group, version, metrics))["resources"]

            legacy_to_aggregated(resources)
            names = [resource["name"] for resource in resources]
            assert len(names) == len(set(names))
            kind = "ExternalMetricValueList" if group == EXTERNAL else "MetricValueList"
            assert {resource["kind"] for resource in resources} <= {kind}


@given(st.lists(listed, max_size=12))
def test_both_representations_say_the_same(metrics: list[discovery.Listed]) -> None:
    for item in content(discovery.aggregated(BOTH, metrics))["items"]:
        for version in item["versions"]:
            flat = {
                f"{resource['resource']}/{sub['subresource']}": resource["scope"]
                for resource in version["resources"]
                for sub in resource.get("subresources", [])
            } | {resource["resource"]: resource["scope"] for resource in version["resources"] if resource["responseKind"]["kind"]}
            legacy = content(discovery.resource_list(BOTH, item["metadata"]["name"], version["version"], metrics))["resources"]

            assert flat == {one["name"]: "Namespaced" if one["namespaced"] else "Cluster" for one in legacy}


def test_a_resource_under_both_scopes_keeps_the_first() -> None:
    metrics = [discovery.Listed("pods", "a"), discovery.Listed("pods", "b", namespaced=False), discovery.Listed("pods", "c")]

    names = [one["name"] for one in content(discovery.resource_list(BOTH, CUSTOM, "v1beta2", metrics))["resources"]]

    assert names == ["pods/a", "pods/c"]


def test_a_full_list_is_capped() -> None:
    metrics = [discovery.Listed("pods", f"m{number}") for number in range(10)]

    resources = content(discovery.resource_list(BOTH, CUSTOM, "v1beta2", metrics, cap=3))["resources"]

    assert [one["name"] for one in resources] == ["pods/m0", "pods/m1", "pods/m2"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (discovery.AGGREGATED, True),
        # As the aggregation layer sends it.
        (f"{discovery.AGGREGATED},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList", True),
        # As client-go sends it.
        (
            f"{discovery.AGGREGATED},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
            True,
        ),
        ("application/json;as=APIGroupDiscoveryList;g=apidiscovery.k8s.io;v=v2;q=0.9", True),
        ("application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList", False),
        ("application/json", False),
        ("application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_who_asks_for_aggregated_discovery(accept: str, expected: bool) -> None:
    assert discovery.wants_aggregated(accept) is expected
