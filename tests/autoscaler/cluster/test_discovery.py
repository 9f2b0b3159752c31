"""How kinds are found, and for how long an answer is believed. Loop time is fake."""

import asyncio
from typing import Any

import pytest

from adapter.errors import ApiServerError
from autoscaler.cluster.discovery import Discovery, Resource
from tests.autoscaler.cluster.provider import Provider

APPS = {
    "resources": [
        {"name": "deployments", "kind": "Deployment", "namespaced": True},
        {"name": "deployments/scale", "kind": "Scale", "namespaced": True, "group": "autoscaling", "version": "v1"},
        {"name": "deployments/status", "kind": "Deployment", "namespaced": True},
        {"name": "controllerrevisions", "kind": "ControllerRevision", "namespaced": True},
    ]
}

pytestmark = pytest.mark.looptime


@pytest.fixture
def provider() -> Provider:
    return Provider({"/apis/apps/v1": APPS, "/api/v1": {"resources": [{"name": "nodes", "kind": "Node", "namespaced": False}]}})


async def test_a_kind_is_found_with_its_plural_and_whether_it_scales(provider: Provider) -> None:
    discovery = Discovery(provider)

    deployment = await discovery.find("apps/v1", "Deployment")
    revision = await discovery.find("apps/v1", "ControllerRevision")

    assert deployment == Resource(root="/apis/apps/v1", group="apps", plural="deployments", namespaced=True, scale=True)
    assert deployment.path("shop", "web") == "/apis/apps/v1/namespaces/shop/deployments/web"
    assert deployment.qualified == "deployments.apps"
    assert revision is not None
    assert not revision.scale
    assert len(provider.asked) == 1


async def test_the_core_group_has_a_path_of_its_own(provider: Provider) -> None:
    node = await Discovery(provider).find("v1", "Node")

    assert node is not None
    assert (node.path("shop", "gpu-1"), node.qualified) == ("/api/v1/nodes/gpu-1", "nodes")


async def test_a_kind_that_is_not_there_is_looked_for_again_soon(provider: Provider) -> None:
    discovery = Discovery(provider)
    assert await discovery.find("example.dev/v1", "Thing") is None
    provider.documents["/apis/example.dev/v1"] = {"resources": [{"name": "things", "kind": "Thing", "namespaced": True}]}

    assert await discovery.find("example.dev/v1", "Thing") is None
    await asyncio.sleep(10.0)

    assert await discovery.find("example.dev/v1", "Thing") is not None
    await asyncio.sleep(599.0)
    await discovery.find("example.dev/v1", "Thing")
    assert len(provider.asked) == 2


async def test_many_who_ask_at_once_ask_once(provider: Provider) -> None:
    discovery = Discovery(provider)
    provider.delays["/apis/apps/v1"] = 1.0

    found = await asyncio.gather(*(discovery.find("apps/v1", "Deployment") for _ in range(5)))

    assert all(found)
    assert len(provider.asked) == 1


@pytest.mark.parametrize("answer", [ApiServerError(503, "later"), ["no list"]])
async def test_an_api_server_that_cannot_tell_is_no_kind_that_is_missing(provider: Provider, answer: Any) -> None:
    provider.documents["/apis/apps/v1"] = answer

    with pytest.raises(ApiServerError):
        await Discovery(provider).find("apps/v1", "Deployment")
