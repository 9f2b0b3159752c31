"""What stands in the installation's namespace for both daemons."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from adapter import settings
from adapter.settings import PrometheusSource
from tests.manifests import reading

QUOTA = reading.one("ResourceQuota")


def test_a_quota_speaks_of_the_priority_class_of_both_daemons_and_bounds_nothing() -> None:
    classes = {each.document["spec"]["template"]["spec"]["priorityClassName"] for each in reading.of_kind("Deployment")}
    (scope,) = QUOTA["spec"]["scopeSelector"]["matchExpressions"]

    # GKE lets no pod of such a class in without one; a bound that could bind would keep a roll-out from its surge.
    assert (scope["scopeName"], scope["operator"], set(scope["values"])) == ("PriorityClass", "In", classes)
    assert QUOTA["spec"]["hard"] == {"pods": "1G"}


def test_it_is_in_the_namespace_of_the_pods() -> None:
    assert {QUOTA["metadata"]["namespace"]} == {each.document["metadata"]["namespace"] for each in reading.of_kind("Deployment")}


# The ways out


def anywhere(component: str) -> set[int]:
    """Return the ports that a daemon reaches whoever listens there, a node or a machine outside."""
    rules: list[Mapping[str, Any]] = reading.one("NetworkPolicy", f"base/{component}")["spec"]["egress"]
    return {port["port"] for rule in rules if not rule.get("to") for port in rule["ports"]}


@pytest.mark.parametrize("component", ["adapter", "autoscaler"])
def test_the_api_server_is_reached_by_its_ports_and_not_by_an_address(component: str) -> None:
    policy = reading.one("NetworkPolicy", f"base/{component}")

    # On Cilium no ipBlock matches a node, and that is where the API server is.
    assert anywhere(component) >= {443, 6443}
    assert not [each for each in reading.mappings(policy) if "ipBlock" in each]


def test_the_port_of_the_shipped_prometheus_is_reached_wherever_that_is() -> None:
    (source,) = settings.parse(reading.one("ConfigMap")["data"]["adapter.yaml"]).sources
    assert isinstance(source, PrometheusSource)

    assert urlsplit(source.settings.url).port in anywhere("adapter")
