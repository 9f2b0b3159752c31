import pytest

from adapter.kube.client import Kube
from adapter.kube.endpoints import Endpoint, Endpoints
from adapter.kube.watch import Pacing
from tests.integration.kube.fake_apiserver import FakeApiServer, Object
from tests.integration.kube.waiting import eventually, running

SLICES = "/apis/discovery.k8s.io/v1/endpointslices"


def a_slice(name: str, *endpoints: Object, service: str = "dcgm", address_type: str = "IPv4") -> Object:
    return {
        "metadata": {"name": name, "namespace": "gpu", "labels": {"kubernetes.io/service-name": service}},
        "addressType": address_type,
        "ports": [{"name": "metrics", "port": 9400, "protocol": "TCP"}, {"name": "admin", "port": 9401}],
        "endpoints": list(endpoints),
    }


def an_endpoint(address: str, pod: str, node: str = "gpu-1", **conditions: bool | None) -> Object:
    target = {"kind": "Pod", "name": pod, "namespace": "gpu"}
    return {"addresses": [address], "conditions": conditions, "targetRef": target, "nodeName": node}


def of(kube: Kube, quick: Pacing, port: str | int = "metrics") -> Endpoints:
    return Endpoints(kube=kube, namespace="gpu", service="dcgm", port=port, pacing=quick)


async def test_the_snapshot_follows_the_service(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    server.put(SLICES, a_slice("s1", an_endpoint("10.0.0.1", "dcgm-a"), an_endpoint("10.0.0.2", "dcgm-b", "gpu-2")))
    server.put(SLICES, a_slice("other", an_endpoint("10.9.9.9", "web"), service="web"))
    endpoints = of(kube, quick)

    async with running(endpoints.run()):
        await eventually(lambda: endpoints.health.synced)
        assert endpoints.snapshot == (
            Endpoint("10.0.0.1", 9400, "dcgm-a", "gpu", "gpu-1"),
            Endpoint("10.0.0.2", 9400, "dcgm-b", "gpu", "gpu-2"),
        )

        await eventually(lambda: server.watchers)
        server.put(SLICES, a_slice("s1", an_endpoint("10.0.0.2", "dcgm-b", "gpu-2")))
        server.put(SLICES, a_slice("s2", an_endpoint("10.0.0.3", "dcgm-c", "gpu-3")))
        await eventually(lambda: [each.pod for each in endpoints.snapshot] == ["dcgm-b", "dcgm-c"])

        server.delete(SLICES, "s1", "gpu")
        await eventually(lambda: [each.pod for each in endpoints.snapshot] == ["dcgm-c"])


@pytest.mark.parametrize(
    ("conditions", "live"),
    [
        ({}, True),  # left out means yes
        ({"ready": None}, True),
        ({"ready": True, "serving": True, "terminating": False}, True),
        ({"ready": False, "serving": True, "terminating": False}, True),
        ({"ready": False, "serving": False, "terminating": False}, False),
        ({"ready": False}, False),
        ({"ready": False, "serving": True, "terminating": True}, False),
        ({"ready": True, "serving": False, "terminating": True}, False),  # publishNotReadyAddresses
    ],
)
async def test_only_what_takes_requests_is_in_it(
    server: FakeApiServer, kube: Kube, quick: Pacing, conditions: dict[str, bool], live: bool
) -> None:
    server.put(SLICES, a_slice("s1", an_endpoint("10.0.0.1", "dcgm-a", "gpu-1", **conditions)))
    endpoints = of(kube, quick)

    async with running(endpoints.run()):
        await eventually(lambda: endpoints.health.synced)

    assert bool(endpoints.snapshot) is live


@pytest.mark.parametrize(("port", "expected"), [("metrics", 9400), ("admin", 9401), (9400, 9400), ("7000", 7000)])
async def test_a_port_is_a_name_or_a_number(
    server: FakeApiServer, kube: Kube, quick: Pacing, port: str | int, expected: int
) -> None:
    server.put(SLICES, a_slice("s1", an_endpoint("10.0.0.1", "dcgm-a")))
    endpoints = of(kube, quick, port)

    async with running(endpoints.run()):
        await eventually(lambda: endpoints.health.synced)

    assert [each.port for each in endpoints.snapshot] == [expected]


async def test_a_port_name_that_no_slice_has_leaves_nothing(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    server.put(SLICES, a_slice("s1", an_endpoint("10.0.0.1", "dcgm-a")))
    endpoints = of(kube, quick, "nothing")

    async with running(endpoints.run()):
        await eventually(lambda: endpoints.health.synced)

    assert endpoints.snapshot == ()


async def test_a_pod_that_stands_in_several_slices_is_one_endpoint(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    server.put(SLICES, a_slice("a-six", an_endpoint("fd00::1", "dcgm-a"), address_type="IPv6"))
    server.put(SLICES, a_slice("b-four", an_endpoint("10.0.0.1", "dcgm-a")))
    server.put(SLICES, a_slice("c-moving", an_endpoint("10.0.0.1", "dcgm-a")))
    endpoints = of(kube, quick)

    async with running(endpoints.run()):
        await eventually(lambda: endpoints.health.synced)

    assert endpoints.snapshot == (Endpoint("10.0.0.1", 9400, "dcgm-a", "gpu", "gpu-1"),)


async def test_an_endpoint_outside_the_cluster_has_no_pod(server: FakeApiServer, kube: Kube, quick: Pacing) -> None:
    server.put(SLICES, a_slice("s1", {"addresses": ["192.0.2.1"]}, {"addresses": ["192.0.2.2"]}))
    endpoints = of(kube, quick)

    async with running(endpoints.run()):
        await eventually(lambda: endpoints.health.synced)

    assert endpoints.snapshot == (
        Endpoint("192.0.2.1", 9400, "", "gpu", ""),
        Endpoint("192.0.2.2", 9400, "", "gpu", ""),
    )
